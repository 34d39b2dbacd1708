"""TLS of gateways towards clients and towards nodes."""

from typing import Any, Literal

from anygate.diagnostics import FieldPath
from anygate.dialects.app_mesh.context import Context, Fault, Member, origin
from anygate.dialects.app_mesh.findings import SECRET
from anygate.dialects.app_mesh.kinds import tls as kinds
from anygate.manifests.kind import Kind
from anygate.model.tls import (
    AuthoritiesFile,
    CertificateFiles,
    ClientTls,
    ClientValidation,
    NameMatch,
    ServerTls,
)

_ALPN = {"http": ("http/1.1",), "http2": ("h2",), "grpc": ("h2",)}
_NAME_KINDS: tuple[Literal["dns", "uri"], ...] = ("dns", "uri")
_ACM = "give its files instead; certificates of AWS never leave AWS"
_SDS = "give files instead"


def read_server_tls(
    context: Context, item: Kind, tls: kinds.ListenerTls, path: FieldPath, protocol: str
) -> ServerTls | Fault:
    """TLS of a gateway's listener. A certificate is asked of clients if there is something to verify it with: STRICT
    requires it, PERMISSIVE verifies one that is sent."""
    certificate = _read_certificate(context, item, tls.certificate, (*path, "certificate"))
    if isinstance(certificate, Fault):
        return certificate
    validation = None
    if tls.validation is not None:
        trust = _read_trust(context, item, tls.validation.trust, (*path, "validation", "trust"))
        if isinstance(trust, Fault):
            return trust
        validation = ClientValidation(
            origin=origin(item, (*path, "validation")),
            authorities=trust,
            required=tls.mode == "STRICT",
            names=_names(tls.validation.names),
        )
    return ServerTls(
        origin=origin(item, path), certificates=(certificate,), alpn=_ALPN[protocol], client_validation=validation
    )


def read_client_tls(
    context: Context, gateway: Member, node: Member, number: int, hostname: str
) -> ClientTls | Fault | None:
    """TLS towards a listener of a node: what the gateway's policy asks for, else what the listener serves.

    Without a policy a node that serves TLS is called so and not verified, as in App Mesh.
    """
    listener = node.spec.listeners[number]
    served = listener.tls is not None and listener.tls.mode != "DISABLED"
    defaults = gateway.spec.backend_defaults
    policy = defaults.client_policy.tls if defaults and defaults.client_policy else None
    if policy is None or (policy.ports and listener.port_mapping.port not in policy.ports):
        if not served:
            return None
        path: FieldPath = ("spec", "listeners", number, "tls")
        if listener.tls.certificate.acm is not None:
            text = f"VirtualNode {node.name} shows a certificate of AWS that cannot be verified here"
            return Fault(SECRET, text, "give the gateway a client policy with the authority in a file")
        return ClientTls(origin=origin(node.kind, path), sni=hostname, insecure=True)
    if not policy.enforce and not served:
        return None
    path = ("spec", "backendDefaults", "clientPolicy", "tls")
    trust = _read_trust(context, gateway.kind, policy.validation.trust, (*path, "validation", "trust"))
    if isinstance(trust, Fault):
        return trust
    certificate: str | Fault = ""
    if policy.certificate is not None:
        certificate = _read_certificate(context, gateway.kind, policy.certificate, (*path, "certificate"))
    if isinstance(certificate, Fault):
        return certificate
    return ClientTls(
        origin=origin(gateway.kind, path),
        sni=hostname,
        authorities=trust,
        names=_names(policy.validation.names) or (NameMatch(kind="dns", value=hostname),),
        certificate=certificate,
    )


def _names(names: tuple[str, ...]) -> tuple[NameMatch, ...]:
    """Any of the names, be it a host or a URI."""
    return tuple(NameMatch(kind=kind, value=name) for name in names for kind in _NAME_KINDS)


def _read_certificate(context: Context, item: Kind, found: Any, path: FieldPath) -> str | Fault:
    if found.file is not None:
        chain, key = found.file.certificate_chain, found.file.private_key
        name = f"files:{chain},{key}"
        if name not in context.secrets:
            context.secrets[name] = CertificateFiles(
                origin=origin(item, (*path, "file")), name=name, chain_path=chain, key_path=key
            )
        return name
    if found.sds is not None:
        return _not_delivered(found.sds, path)
    return Fault(SECRET, f"{found.acm.arn} is a certificate of AWS", _ACM, (*path, "acm"))


def _read_trust(context: Context, item: Kind, found: kinds.Trust, path: FieldPath) -> str | Fault:
    if found.file is not None:
        place = found.file.certificate_chain
        name = f"authorities:{place}"
        if name not in context.secrets:
            context.secrets[name] = AuthoritiesFile(origin=origin(item, (*path, "file")), name=name, path=place)
        return name
    if found.sds is not None:
        return _not_delivered(found.sds, path)
    assert found.acm is not None
    return Fault(SECRET, f"{found.acm.arns[0]} is an authority of AWS", _ACM, (*path, "acm"))


def _not_delivered(found: kinds.SdsSecret, path: FieldPath) -> Fault:
    return Fault(SECRET, f"there is no local SDS server to ask for {found.secret_name}", _SDS, (*path, "sds"))
