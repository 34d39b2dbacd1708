"""Stream rules of ApisixRoutes: a listener for each port, by transport."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from anygate.diagnostics import FieldPath
from anygate.dialects.apisix.context import Context, Fault, origin
from anygate.dialects.apisix.findings import NO_ENDPOINTS, PLUGIN_SKIPPED, SECRET, STREAM_PORT
from anygate.dialects.apisix.hosts import TlsHost, find_host
from anygate.dialects.apisix.kinds.apisixroute import ApisixRoute, StreamRule
from anygate.dialects.apisix.nodes import Nodes
from anygate.dialects.apisix.plugins.entries import list_written
from anygate.dialects.apisix.sources import Sources, read_sources
from anygate.dialects.apisix.targets import make_shares
from anygate.model.listener import Listener, Server
from anygate.model.route import StreamRoute
from anygate.model.tls import ServerTls

HTTP_PORT, HTTPS_PORT = 9080, 9443
"""Where APISIX listens for requests; the chart and the image have it so."""


@dataclass(frozen=True)
class _Stream:
    """A stream rule that can be served, with the TLS that is ended for it."""

    item: ApisixRoute
    path: FieldPath
    rule: StreamRule
    route: StreamRoute
    tls: ServerTls | None

    @property
    def taken(self) -> tuple[int, str, str]:
        """What no other stream can have: port, transport and server name."""
        return self.rule.match.ingress_port, self.rule.protocol.lower(), self.rule.match.host or ""


def read_streams(context: Context, nodes: Nodes, hosts: Mapping[str, TlsHost]) -> tuple[Listener, ...]:
    """The listeners of all stream rules, by port."""
    found: dict[tuple[int, str, str], _Stream] = {}
    for item in [*context.all(ApisixRoute)]:
        for index, rule in enumerate(item.spec.stream):
            path: FieldPath = ("spec", "stream", index)
            stream = _read_stream(context, nodes, hosts, item, rule, path)
            if not isinstance(stream, Fault) and stream.taken in found:
                other = found[stream.taken].item
                stream = Fault(STREAM_PORT, f"{other.ref} has this port already", (*path, "match", "ingressPort"))
            if isinstance(stream, Fault):
                context.refuse_part(item, stream)
            else:
                found[stream.taken] = stream
    ports: dict[tuple[int, str], list[_Stream]] = {}
    for (port, transport, _), stream in sorted(found.items(), key=lambda pair: pair[0]):
        ports.setdefault((port, transport), []).append(stream)
    return tuple(_make_listener(port, transport, streams) for (port, transport), streams in ports.items())


def _read_stream(
    context: Context, nodes: Nodes, hosts: Mapping[str, TlsHost], item: ApisixRoute, rule: StreamRule, path: FieldPath
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
    sources = _read_plugins(context, item, rule, path)
    if isinstance(sources, Fault):
        return sources
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
        allowed_sources=sources.allowed,
        denied_sources=sources.denied,
    )
    return _Stream(item, path, rule, route, tls)


def _read_plugins(context: Context, item: ApisixRoute, rule: StreamRule, path: FieldPath) -> Sources | Fault:
    """The one plugin that streams can have here; the others that limit who connects refuse the stream."""
    found = Sources()
    for entry in list_written(item, (*path, "plugins"), rule.plugins):
        if entry.name == "ip-restriction":
            sources = read_sources(context, entry)
            if isinstance(sources, Fault):
                return sources
            if rule.protocol == "UDP":
                return Fault(STREAM_PORT, "datagrams are not told apart by where they come from", entry.path)
            found = sources
        else:
            text = f"{entry.name} is left out: nothing does that for streams here"
            context.note(PLUGIN_SKIPPED, text, item, (*entry.path, "name"))
    return found


def _make_listener(port: int, transport: str, streams: Sequence[_Stream]) -> Listener:
    servers = []
    for stream in streams:
        host = stream.rule.match.host or ""
        protocol = "tls_terminate" if stream.tls is not None else transport
        servers.append(
            Server(
                origin=stream.route.origin,
                name=f"{protocol}/{host}" if host else protocol,
                protocol=protocol,  # type: ignore[arg-type]
                hostname=host,
                tls=stream.tls,
                streams=(stream.route,),
            )
        )
    name = f"apisix/{port}" + ("/udp" if transport == "udp" else "")
    first = streams[0].route.origin
    return Listener(origin=first, name=name, port=port, transport=transport, servers=tuple(servers))  # type: ignore[arg-type]
