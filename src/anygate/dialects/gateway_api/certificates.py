"""Certificates, keys and authorities from Secrets and ConfigMaps, checked before anything depends on them."""

from anygate.diagnostics import ObjectRef
from anygate.dialects.gateway_api.context import Context, Fault, origin, ref_of
from anygate.dialects.gateway_api.findings import CERTIFICATE_INVALID, INVALID_KIND
from anygate.dialects.gateway_api.permission import check_grant
from anygate.manifests.core import ConfigMap, Secret
from anygate.manifests.kind import Kind
from anygate.manifests.sensitive import Sensitive
from anygate.model.tls import Authorities, Certificate

_SHORTEST_RSA = 2048
_CURVES = ("secp256r1", "secp384r1", "secp521r1")


def read_certificate(context: Context, reference: object, source: ObjectRef) -> str | Fault:
    """The name of the model's `Certificate` for a Secret reference made by `source`."""
    target = ref_of(reference, source.namespace, "", "Secret")
    if (target.group, target.kind) != ("", "Secret"):
        named = target.kind if not target.group else f"{target.kind} of group {target.group}"
        return Fault(INVALID_KIND, "InvalidCertificateRef", f"a certificate cannot come from a {named}", "use a Secret")
    fault = check_grant(context, target, source)
    if fault is not None:
        return fault
    item = context.index.secret(target.namespace, target.name)
    if item is None:
        return _invalid(f"there is no {target}")
    name = f"certificate/{target.namespace}/{target.name}"
    if name in context.secrets:
        return name
    chain, key = item.values.get("tls.crt"), item.values.get("tls.key")
    if chain is None or key is None:
        return _invalid(f"{target} needs the keys tls.crt and tls.key")
    problem = _check_pair(chain, key)
    if problem:
        return _invalid(f"{target} {problem}")
    context.secrets[name] = Certificate(origin=origin(item.manifest), name=name, chain=chain, key=key)
    return name


def read_authorities(
    context: Context,
    references: tuple[object, ...],
    source: ObjectRef,
    label: str,
    revoked: tuple[object, ...] = (),
) -> tuple[str, list[tuple[int, Fault]]]:
    """Join the certificates of all references into one `Authorities`, with the revocation lists of `revoked`.

    Returns its name (empty when no reference is usable) and the faults by the reference's number.
    """
    bundle = b""
    faults: list[tuple[int, Fault]] = []
    first = None
    for number, reference in enumerate(references):
        target = ref_of(reference, source.namespace, "", "ConfigMap")
        found = _authority(context, target, source)
        if isinstance(found, Fault):
            faults.append((number, found))
            continue
        item = context.index.get(*target)
        first = first or item
        bundle += found.rstrip() + b"\n"
    lists = b""
    for reference in revoked:
        found = _authority(context, ref_of(reference, source.namespace, "", "Secret"), source, "ca.crl")
        if isinstance(found, Fault):
            return "", [(0, found)]
        lists += found.rstrip() + b"\n"
    if first is None:
        return "", faults
    name = f"authorities/{label}"
    context.secrets[name] = Authorities(
        origin=origin(first.manifest),
        name=name,
        bundle=Sensitive(bundle),
        crl=Sensitive(lists) if lists else None,
    )
    return name, faults


def _authority(context: Context, target: ObjectRef, source: ObjectRef, key: str = "ca.crt") -> bytes | Fault:
    if target.group != "" or target.kind not in ("ConfigMap", "Secret"):
        text = f"certificate authorities cannot come from a {target.kind}"
        return Fault(INVALID_KIND, "InvalidKind", text, "use a ConfigMap or a Secret with the key ca.crt")
    fault = check_grant(context, target, source)
    if fault is not None:
        return fault
    item = context.index.get(*target)
    if item is None:
        return _invalid(f"there is no {target}", "InvalidCACertificateRef")
    content = read_value(item, key)
    if not content:
        return _invalid(f"{target} has no key {key}", "InvalidCACertificateRef")
    from cryptography import x509  # takes long to import, and most manifests hold no certificate

    try:
        if key == "ca.crl":
            x509.load_pem_x509_crl(content)
        else:
            x509.load_pem_x509_certificates(content)
    except ValueError:
        return _invalid(f"{target} holds no PEM certificate in {key}", "InvalidCACertificateRef")
    return content


def read_value(item: Kind, key: str) -> bytes:
    """The bytes under a key of a Secret or ConfigMap; empty when there is none."""
    if isinstance(item, Secret):
        held = item.values.get(key)
        return held.reveal() if held is not None else b""
    if isinstance(item, ConfigMap):
        binary = item.binaries.get(key)
        return binary.reveal() if binary is not None else item.texts.get(key, "").encode()
    return b""


def _invalid(text: str, reason: str = "InvalidCertificateRef") -> Fault:
    return Fault(CERTIFICATE_INVALID, reason, text)


def _check_pair(chain: Sensitive, key: Sensitive) -> str:
    """What is wrong with a certificate and its key; empty when they fit."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    try:
        certificates = x509.load_pem_x509_certificates(chain.reveal())
    except ValueError:
        return "holds no PEM certificate in tls.crt"
    try:
        private = load_pem_private_key(key.reveal(), None)
    except (ValueError, TypeError):
        return "holds no unencrypted PEM private key in tls.key"
    wanted = certificates[0].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    held = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if wanted != held:
        return "holds a certificate and a key that do not belong together"
    return _check_strength(private)


def _check_strength(private: object) -> str:
    """Why Envoy would not load a key: BoringSSL takes RSA from 2048 bits on and three curves, tried on 1.40."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    if isinstance(private, rsa.RSAPrivateKey) and private.key_size < _SHORTEST_RSA:
        return f"holds an RSA key of {private.key_size} bits; Envoy takes {_SHORTEST_RSA} or more"
    if isinstance(private, ec.EllipticCurvePrivateKey) and private.curve.name not in _CURVES:
        return f"holds a key on the curve {private.curve.name}; Envoy takes P-256, P-384 and P-521"
    return ""
