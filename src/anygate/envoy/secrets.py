"""Secrets as SDS resources.

Reference: envoy/extensions/transport_sockets/tls/v3/secret.proto.
"""

from pathlib import PurePosixPath
from typing import Any

from anygate.envoy.api import build
from anygate.manifests.sensitive import Sensitive
from anygate.model.tls import Authorities, AuthoritiesFile, Certificate, CertificateFiles, Opaque

_SECRET = "envoy.extensions.transport_sockets.tls.v3.Secret"  # noqa: S105


def build_secret(secret: Certificate | Authorities | CertificateFiles | AuthoritiesFile | Opaque) -> Any:
    """Build a Secret: a certificate, authorities with their revocation list, files of either, or opaque bytes."""
    if isinstance(secret, Certificate):
        return build(
            _SECRET,
            name=secret.name,
            tls_certificate={"certificate_chain": _inline(secret.chain), "private_key": _inline(secret.key)},
        )
    if isinstance(secret, Authorities):
        crl = _inline(secret.crl) if secret.crl else None
        return build(_SECRET, name=secret.name, validation_context={"trusted_ca": _inline(secret.bundle), "crl": crl})
    if isinstance(secret, CertificateFiles):
        return build(
            _SECRET,
            name=secret.name,
            tls_certificate={
                "certificate_chain": {"filename": secret.chain_path},
                "private_key": {"filename": secret.key_path},
                "watched_directory": _folder(secret.key_path),
            },
        )
    if isinstance(secret, AuthoritiesFile):
        trusted = {"trusted_ca": {"filename": secret.path}, "watched_directory": _folder(secret.path)}
        return build(_SECRET, name=secret.name, validation_context=trusted)
    return build(_SECRET, name=secret.name, generic_secret={"secret": _inline(secret.value)})


def _folder(path: str) -> dict[str, Any]:
    """Build which folder to watch, in which new files take the place of old ones by a rename."""
    return {"path": str(PurePosixPath(path).parent)}


def _inline(content: Sensitive) -> dict[str, Any]:
    return {"inline_bytes": content.reveal()}
