"""Stream rules of ApisixRoutes: a listener for each port, by transport."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from anygate.diagnostics import FieldPath, ObjectRef
from anygate.dialects.apisix.context import Context, Fault, origin
from anygate.dialects.apisix.findings import NO_ENDPOINTS, SECRET, STREAM_PORT
from anygate.dialects.apisix.hosts import TlsHost, find_host
from anygate.dialects.apisix.kinds.apisixroute import ApisixRoute, StreamRule
from anygate.dialects.apisix.nodes import Nodes
from anygate.dialects.apisix.stream_plugins import apply_plugins
from anygate.dialects.apisix.targets import make_shares
from anygate.dialects.apisix.unread import Transport, list_unread_streams
from anygate.model.listener import Listener, Server
from anygate.model.origin import Origin
from anygate.model.route import StreamRoute
from anygate.model.tls import ServerTls

HTTP_PORT, HTTPS_PORT = 9080, 9443
"""Where APISIX listens for requests; the chart and the image have it so."""


@dataclass(frozen=True)
class _Stream:
    """What holds a port, a transport and a server name: a rule that can be served, with the TLS that is ended for it,
    or without a route one that closes what comes for it."""

    ref: ObjectRef
    origin: Origin
    port: int
    transport: Transport
    host: str
    route: StreamRoute | None = None
    tls: ServerTls | None = None

    @property
    def taken(self) -> tuple[int, Transport, str]:
        """What no other stream can have."""
        return self.port, self.transport, self.host


def read_streams(context: Context, nodes: Nodes, hosts: Mapping[str, TlsHost]) -> tuple[Listener, ...]:
    """The listeners of all stream rules, by port.

    A rule that cannot be had keeps its port and its name from the others, which may be less guarded.
    """
    found: dict[tuple[int, Transport, str], _Stream] = {}
    for item in [*context.all(ApisixRoute)]:
        for index, rule in enumerate(item.spec.stream):
            path: FieldPath = ("spec", "stream", index)
            closed = _close(item, rule, path)
            if closed.taken in found:
                text = f"{found[closed.taken].ref} has this port already"
                context.refuse_part(item, Fault(STREAM_PORT, text, (*path, "match", "ingressPort")))
                continue
            stream = _read_stream(context, nodes, hosts, item, rule, path, closed)
            if isinstance(stream, Fault):
                context.refuse_part(item, stream)
            found[closed.taken] = closed if isinstance(stream, Fault) else stream
    for unread in list_unread_streams(context):
        made = _Stream(unread.ref, unread.origin, unread.port, unread.transport, unread.host)
        found.setdefault(made.taken, made)
    ports: dict[tuple[int, Transport], list[_Stream]] = {}
    for (port, transport, _), stream in sorted(found.items(), key=lambda pair: pair[0]):
        ports.setdefault((port, transport), []).append(stream)
    served = {place: streams for place, streams in ports.items() if any(one.route for one in streams)}
    return tuple(_make_listener(port, transport, streams) for (port, transport), streams in served.items())


def _close(item: ApisixRoute, rule: StreamRule, path: FieldPath) -> _Stream:
    transport: Transport = "tcp" if rule.protocol == "TCP" else "udp"
    return _Stream(item.ref, origin(item, path), rule.match.ingress_port, transport, rule.match.host or "")


def _read_stream(
    context: Context,
    nodes: Nodes,
    hosts: Mapping[str, TlsHost],
    item: ApisixRoute,
    rule: StreamRule,
    path: FieldPath,
    stream: _Stream,
) -> _Stream | Fault:
    port, is_tcp = rule.match.ingress_port, rule.protocol == "TCP"
    if port == 0 or (is_tcp and port in (HTTP_PORT, HTTPS_PORT)):
        text = f"the port {port} takes HTTP requests" if port else "there is no port 0"
        return Fault(STREAM_PORT, text, (*path, "match", "ingressPort"))
    tls = None
    if rule.match.host is not None:
        owner = find_host(hosts, rule.match.host)
        if not is_tcp or owner is None:
            text = f"no ApisixTls has a certificate for {rule.match.host}" if is_tcp else "UDP has no server names"
            return Fault(SECRET, text, (*path, "match", "host"))
        if owner.closed:
            return Fault(SECRET, owner.closed, (*path, "match", "host"))
        tls = owner.tls
    place: FieldPath = (*path, "backend")
    member = nodes.find_service(item, rule.backend, place, fallback="tcp" if is_tcp else "udp")
    if isinstance(member, Fault):
        return member
    if member.backend.protocol != rule.protocol.lower():
        text = f"ApisixUpstream {rule.backend.service_name} has the scheme {member.treatment.scheme} there"
        return Fault(STREAM_PORT, text, (*path, "protocol"), "give its portLevelSettings a scheme for streams")
    if member.is_missing:
        name, number = rule.backend.service_name, rule.backend.service_port
        text = f"there is no port {number} of a Service {item.namespace}/{name} here; connections are closed"
        hint = f"run with --stub, or with --resolve {name}=127.0.0.1:PORT"
        context.note(NO_ENDPOINTS, text, item, (*place, "serviceName"), hint)
    here = origin(item, path)
    shares = make_shares(context, [member], member.backend.name, here)
    route = StreamRoute(
        origin=here,
        name=f"{item.namespace}/{item.name}/{rule.name}",
        kind="ApisixRoute",
        targets=tuple(share.target for share in shares),
        hostnames=(rule.match.host,) if rule.match.host is not None else (),
        created=item.manifest.creation_timestamp,
        rule=rule.name,
    )
    plugged = apply_plugins(context, nodes, item, rule, path, route)
    return plugged if isinstance(plugged, Fault) else replace(stream, route=plugged, tls=tls)


def _make_listener(port: int, transport: Transport, streams: Sequence[_Stream]) -> Listener:
    name = f"apisix/{port}" + ("/udp" if transport == "udp" else "")
    first = next(stream.origin for stream in streams if stream.route)
    return Listener(origin=first, name=name, port=port, transport=transport, servers=tuple(map(_make_server, streams)))


def _make_server(stream: _Stream) -> Server:
    """One without a route closes connections at once, so that it needs no certificate."""
    named = "tls_terminate" if stream.route is not None else "tls_passthrough"
    protocol = named if stream.host else stream.transport
    return Server(
        origin=stream.origin,
        name=f"{protocol}/{stream.host}" if stream.host else protocol,
        protocol=protocol,  # type: ignore[arg-type]
        hostname=stream.host,
        tls=stream.tls,
        streams=(stream.route,) if stream.route is not None else (),
    )
