"""Certificates, keys and authorities from Secrets and ConfigMaps, checked before anything depends on them."""

from anygate.diagnostics import ObjectRef
from anygate.dialects.gateway_api.context import Context, Fault, origin, ref_of
from anygate.dialects.gateway_api.findings import CERTIFICATE_INVALID, INVALID_KIND
from anygate.dialects.gateway_api.permission import check_grant
from anygate.dialects.pem import check_authorities, check_pair, check_revoked
from anygate.manifests.core import ConfigMap, Secret
from anygate.manifests.kind import Kind
from anygate.manifests.sensitive import Sensitive
from anygate.model.tls import Authorities, Certificate


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
    problem = check_pair(chain, key)
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
    problem = check_revoked(content) if key == "ca.crl" else check_authorities(content)
    return _invalid(f"{target} {problem}", "InvalidCACertificateRef") if problem else content


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
