"""How nodes are talked to: what an ApisixUpstream, or the port of a Service, says besides where they are."""

from dataclasses import dataclass
from typing import Literal

from anygate.diagnostics import FieldPath
from anygate.dialects.apisix.certificates import read_key_pair
from anygate.dialects.apisix.context import Context, Fault, origin
from anygate.dialects.apisix.findings import APPROXIMATED, NOT_HONOURED, UNVERIFIED
from anygate.dialects.apisix.hashing import SOURCE, read_hashing
from anygate.dialects.apisix.health import read_active, read_passive
from anygate.dialects.apisix.kinds.apisixupstream import LoadBalancer, UpstreamSettings
from anygate.dialects.apisix.kinds.values import Timeouts
from anygate.manifests.kind import Kind
from anygate.model.backend import Connection, LoadBalancing
from anygate.model.edit import Rewrite
from anygate.model.route import HashPolicy
from anygate.model.tls import ClientTls

Scheme = Literal["http", "https", "grpc", "grpcs", "tcp", "tls", "udp"]
DEFAULT_PORTS = {"https": 443, "grpcs": 443, "tls": 443}

_PROTOCOLS = {
    "http": "http1",
    "https": "http1",
    "grpc": "http2",
    "grpcs": "http2",
    "tcp": "tcp",
    "tls": "tcp",
    "udp": "udp",
}


@dataclass(frozen=True)
class Treatment:
    """Everything about nodes that is the same for all of them; nodes can share a cluster when it is equal."""

    scheme: Scheme
    connection: Connection
    tls: ClientTls | None
    rewrite: Rewrite | None
    hash_policies: tuple[HashPolicy, ...]
    retries: int | None
    timeouts: Timeouts

    @property
    def protocol(self) -> str:
        """The model's word for what is spoken."""
        return _PROTOCOLS[self.scheme]

    @property
    def default_port(self) -> int:
        """The port that a node has without a word about it, and that is not shown in its host."""
        return DEFAULT_PORTS.get(self.scheme, 80)


def read_treatment(
    context: Context, item: Kind, settings: UpstreamSettings, path: FieldPath, fallback: Scheme
) -> Treatment | Fault:
    """Read settings that stand at `path` of an object. `fallback` is the scheme if they name none."""
    scheme: Scheme = settings.scheme or fallback
    timeouts = settings.timeout or Timeouts()
    secure = scheme in DEFAULT_PORTS
    tls = _read_tls(context, item, settings, path, secure)
    if isinstance(tls, Fault):
        return tls
    check = settings.health_check
    active = read_active(context, item, check.active, (*path, "healthCheck", "active"), secure) if check else None
    passive = None
    if check is not None and check.passive is not None:
        passive = read_passive(context, item, check.passive, (*path, "healthCheck", "passive"))
    return Treatment(
        scheme=scheme,
        connection=Connection(
            balancing=_read_balancing(context, item, settings.loadbalancer, path),
            active_check=active,
            passive_check=passive,
            # Without a healthy node APISIX tries all of them, and with one only that.
            panic_threshold=1 if active or passive else None,
            connect_timeout=timeouts.connect,
            use_client_protocol=scheme in ("grpc", "grpcs"),
        ),
        tls=tls,
        rewrite=_read_rewrite(settings),
        hash_policies=_read_hashing(context, item, settings.loadbalancer, (*path, "loadbalancer")),
        retries=settings.retries,
        timeouts=timeouts,
    )


def _read_tls(
    context: Context, item: Kind, settings: UpstreamSettings, path: FieldPath, secure: bool
) -> ClientTls | Fault | None:
    """TLS towards nodes; APISIX does not verify who answers."""
    secret = settings.tls_secret
    if not secure:
        if secret is not None:
            context.note(NOT_HONOURED, "the scheme has no TLS", item, (*path, "tlsSecret"))
        return None
    certificate: str | Fault = ""
    if secret is not None:
        certificate = read_key_pair(context, secret, (*path, "tlsSecret"))
    if isinstance(certificate, Fault):
        return certificate
    text = "the certificates of its nodes are not verified, as APISIX does not either"
    context.note(UNVERIFIED, text, item, (*path, "scheme"))
    name = settings.upstream_host if settings.pass_host == "rewrite" else None  # noqa: S105 - not a password
    return ClientTls(
        origin=origin(item, path), sni=name or "", auto_sni=not name, insecure=True, certificate=certificate
    )


def _read_rewrite(settings: UpstreamSettings) -> Rewrite | None:
    if settings.pass_host == "rewrite":  # noqa: S105 - not a password
        return Rewrite(host=settings.upstream_host or "")
    return Rewrite(host_from_backend=True) if settings.pass_host == "node" else None  # noqa: S105 - not a password


def _read_balancing(context: Context, item: Kind, wanted: LoadBalancer | None, path: FieldPath) -> LoadBalancing:
    kind = wanted.type if wanted is not None else "roundrobin"
    if kind == "ewma":
        text = "the node with the fewest requests is chosen, for Envoy does not measure how long nodes take"
        context.note(APPROXIMATED, text, item, (*path, "loadbalancer", "type"))
    kinds: dict[str, Literal["round_robin", "ring_hash", "least_request"]] = {
        "roundrobin": "round_robin",
        "chash": "ring_hash",
    }
    return LoadBalancing(kind=kinds.get(kind, "least_request"))


def _read_hashing(context: Context, item: Kind, wanted: LoadBalancer | None, path: FieldPath) -> tuple[HashPolicy, ...]:
    if wanted is None or wanted.type != "chash":
        return ()
    found = read_hashing(wanted.hash_on, wanted.key)
    if not found:
        text = f"requests are told apart by the client's address: nothing tells {wanted.key} when a node is chosen"
        context.note(APPROXIMATED, text, item, (*path, "key"))
    return found or (SOURCE,)
