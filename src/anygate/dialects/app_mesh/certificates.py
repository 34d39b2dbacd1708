"""TLS of gateways towards clients and towards nodes."""

from typing import Literal

from anygate.diagnostics import FieldPath
from anygate.dialects.app_mesh.callers import Caller
from anygate.dialects.app_mesh.context import Context, Fault, Member, origin
from anygate.dialects.app_mesh.kinds import tls as kinds
from anygate.dialects.app_mesh.local_secrets import find_authorities, find_certificate, find_issuer
from anygate.manifests.kind import Kind
from anygate.model.tls import ClientTls, ClientValidation, NameMatch, ServerTls

_ALPN: dict[str, tuple[str, ...]] = {"http": ("http/1.1",), "http2": ("h2",), "grpc": ("h2",), "tcp": ()}
_NAME_KINDS: tuple[Literal["dns", "uri"], ...] = ("dns", "uri")


def read_server_tls(
    context: Context, item: Kind, tls: kinds.ListenerTls, path: FieldPath, protocol: str
) -> ServerTls | Fault:
    """TLS of a gateway's listener. A certificate is asked of clients if there is something to verify it with: STRICT
    requires it, PERMISSIVE verifies one that is sent."""
    certificate = find_certificate(context, item, tls.certificate, (*path, "certificate"))
    if isinstance(certificate, Fault):
        return certificate
    validation = None
    if tls.validation is not None:
        trust = find_authorities(context, item, tls.validation.trust, (*path, "validation", "trust"))
        if isinstance(trust, Fault):
            return trust
        validation = ClientValidation(
            origin=origin(item, (*path, "validation")),
            authorities=trust,
            # Tried on Envoy 1.40: with names it wants a certificate of everybody, whatever is said here.
            required=tls.mode == "STRICT",
            names=_names(tls.validation.names),
        )
    return ServerTls(
        origin=origin(item, path), certificates=(certificate,), alpn=_ALPN[protocol], client_validation=validation
    )


def read_client_tls(
    context: Context, caller: Caller, node: Member, number: int, hostname: str
) -> ClientTls | Fault | None:
    """TLS towards a listener of a node: what the caller's policy asks for, else what the listener serves.

    Without a policy a node that serves TLS is called so and not verified, as in App Mesh, save for one of AWS.
    """
    listener = node.spec.listeners[number]
    served = listener.tls is not None and listener.tls.mode != "DISABLED"
    policy = caller.policy
    if policy is None or (policy.ports and listener.port_mapping.port not in policy.ports):
        if not served:
            return None
        path: FieldPath = ("spec", "listeners", number, "tls")
        acm = listener.tls.certificate.acm
        if acm is not None:
            # A certificate of AWS is verified also when nobody asks for it, but not its names.
            issuer = find_issuer(context, node.kind, acm, (*path, "certificate", "acm"))
            return (
                issuer if isinstance(issuer, Fault) else ClientTls(origin=origin(node.kind, path), authorities=issuer)
            )
        return ClientTls(origin=origin(node.kind, path), sni=hostname, insecure=True)
    if not policy.enforce and not served:
        return None
    item, path = caller.member.kind, caller.path
    trust = find_authorities(context, item, policy.validation.trust, (*path, "validation", "trust"))
    if isinstance(trust, Fault):
        return trust
    certificate: str | Fault = ""
    if policy.certificate is not None:
        certificate = find_certificate(context, item, policy.certificate, (*path, "certificate"))
    if isinstance(certificate, Fault):
        return certificate
    return ClientTls(
        origin=origin(item, path),
        sni=hostname,
        authorities=trust,
        names=_names(policy.validation.names) or (NameMatch(kind="dns", value=hostname),),
        certificate=certificate,
    )


def _names(names: tuple[str, ...]) -> tuple[NameMatch, ...]:
    """Any of the names, be it a host or a URI."""
    return tuple(NameMatch(kind=kind, value=name) for name in names for kind in _NAME_KINDS)
