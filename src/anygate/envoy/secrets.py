"""Secrets as SDS resources.

Reference: envoy/extensions/transport_sockets/tls/v3/secret.proto.
"""

from typing import Any

from anygate.envoy.api import build
from anygate.manifests.sensitive import Sensitive
from anygate.model.tls import Authorities, Certificate, Secret

_SECRET = "envoy.extensions.transport_sockets.tls.v3.Secret"  # noqa: S105


def build_secret(secret: Secret) -> Any:
    """Build a Secret: a certificate, authorities with their revocation list, or opaque bytes."""
    if isinstance(secret, Certificate):
        return build(
            _SECRET,
            name=secret.name,
            tls_certificate={"certificate_chain": _inline(secret.chain), "private_key": _inline(secret.key)},
        )
    if isinstance(secret, Authorities):
        crl = _inline(secret.crl) if secret.crl else None
        return build(_SECRET, name=secret.name, validation_context={"trusted_ca": _inline(secret.bundle), "crl": crl})
    return build(_SECRET, name=secret.name, generic_secret={"secret": _inline(secret.value)})


def _inline(content: Sensitive) -> dict[str, Any]:
    return {"inline_bytes": content.reveal()}
