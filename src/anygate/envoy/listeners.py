"""Ports as Envoy listeners: the sockets, the filter chains, and which chain takes a connection.

Reference: envoy/config/listener/v3 (listener.proto, listener_components.proto) and
https://www.envoyproxy.io/docs/envoy/latest/configuration/listeners/listener_filters/tls_inspector
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from anygate.envoy.api import any_of, bool_value, build, typed, uint32
from anygate.envoy.checked import Refusal, refusals
from anygate.envoy.clusters import build_keepalive, build_socket_buffers
from anygate.envoy.http_connection import ConnectionOptions, build_http_connection, over_http3
from anygate.envoy.names import (
    PLAIN,
    SOURCE,
    chain_name,
    listener_name,
    quic_name,
    routes_name,
    stream_name,
)
from anygate.envoy.origins import build_place
from anygate.envoy.placement import Placement, Socket
from anygate.envoy.refusal import CannotBuild
from anygate.envoy.stages import buffer_limit
from anygate.envoy.streams import build_source_filters, build_tcp_proxy, build_udp_proxy, udp_cluster
from anygate.envoy.tls import Secrets, build_server_tls, quic_socket, tls_socket
from anygate.model.listener import Listener, Server
from anygate.model.origin import Origin
from anygate.model.route import HttpRule, StreamRoute
from anygate.model.route_table import ANY_HOST, intersect, specificity
from anygate.model.tls import ServerTls

_LISTENER = "envoy.config.listener.v3.Listener"
_CHAIN = "envoy.config.listener.v3.FilterChain"
_HTTP_ALPN = ("h2", "http/1.1")
_HTTP3_ALPN = ("h3",)


class _Chain(NamedTuple):
    """One filter chain before it is built: whose it is, and the server names it takes (empty: any)."""

    origin: Origin
    name: str
    server: Server
    names: tuple[str, ...] = ()
    stream: StreamRoute | None = None
    tls: ServerTls | None = None


def build_listeners(listener: Listener, placement: Placement, secrets: Secrets) -> tuple[list[Any], list[Refusal]]:
    """Build the Envoy listeners of one port: one, and one more on UDP where a server speaks HTTP/3."""
    if listener.transport == "udp":
        return [_build_udp(listener, placement)], []
    found: list[Refusal] = []
    built = [_build_tcp(listener, placement, secrets, found)]
    quick = [server for server in listener.servers if server.protocol == "https" and server.http.http3]
    if quick:
        built.append(_build_quic(listener, quick, placement, secrets, found))
    return [each for each in built if each is not None], found


def plain_servers(listener: Listener) -> list[Server]:
    """The servers that share the port's unencrypted HTTP."""
    return [server for server in listener.servers if server.protocol == "http"]


def secure_servers(listener: Listener) -> list[Server]:
    """The HTTPS servers of a port."""
    return [server for server in listener.servers if server.protocol == "https"]


def rules_of(servers: Sequence[Server]) -> list[HttpRule]:
    """Every rule that can be reached through the servers, each once."""
    found = {id(rule): rule for server in servers for route in server.routes for rule in route.rules}
    return list(found.values())


def _build_tcp(listener: Listener, placement: Placement, secrets: Secrets, found: list[Refusal]) -> Any:
    chains = []
    filters: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for planned in _plan(listener):
        try:
            # The ways in of one server differ in TLS only.
            behind = (id(planned.server), id(planned.stream))
            if behind not in filters:
                filters[behind] = _network_filters(planned, listener, placement)
            chain = _build_chain(planned, filters[behind], secrets)
        except CannotBuild as problem:
            found.append(Refusal(problem.origin, planned.name, problem.text))
            continue
        wrong = refusals(chain, planned.origin, planned.name)
        found.extend(wrong)
        if not wrong:
            chains.append(chain)
    if not chains:
        return None
    connection = listener.connection
    return build(
        _LISTENER,
        name=listener_name(listener),
        stat_prefix=listener_name(listener),
        address=_address(placement.socket(listener), "TCP"),
        metadata=build_place(listener.origin),
        traffic_direction="INBOUND",
        enable_reuse_port=bool_value(False) if placement.exclusive else None,
        per_connection_buffer_limit_bytes=uint32(connection.buffer_limit or buffer_limit(rules_of(listener.servers))),
        max_connections_to_accept_per_socket_event=uint32(connection.max_accept_per_event),
        socket_options=build_socket_buffers(connection.socket_buffer_limit),
        tcp_keepalive=build_keepalive(connection.keepalive) if connection.keepalive else None,
        listener_filters=_listener_filters(listener),
        filter_chains=chains,
    )


def _plan(listener: Listener) -> list[_Chain]:
    """Lay out the filter chains so that no server name is taken twice, which Envoy would refuse as a whole.

    A wildcard takes names of any depth, as the Gateway API wants: `*.example.com` takes `a.b.example.com`.
    """
    chains = []
    plain = plain_servers(listener)
    if plain:
        chains.append(_Chain(plain[0].origin, PLAIN, plain[0]))
    taken: set[str] = set()
    for server in sorted(listener.servers, key=lambda server: specificity(server.hostname), reverse=True):
        if server.named_tls:
            wanted = [_Chain(one.origin, one.name, server, one.server_names, tls=one.tls) for one in server.named_tls]
        elif server.protocol in ("https", "tls_terminate") and not server.streams:
            wanted = [_Chain(server.origin, chain_name(server), server, (server.hostname or ANY_HOST,))]
        elif server.protocol in ("tls_passthrough", "tls_terminate"):
            wanted = list(_plan_streams(server))
        elif server.protocol == "tcp" and not any(chain.names == () for chain in chains):
            stream = _oldest(server.streams)[0] if server.streams else None
            chains.append(_Chain(server.origin, chain_name(server, stream), server, stream=stream))
            continue
        else:
            continue
        for chain in wanted:
            free = tuple(name for name in chain.names if name not in taken)
            taken.update(free)
            if free:
                chains.append(chain._replace(names=free))
    return chains


def _plan_streams(server: Server) -> Iterator[_Chain]:
    """Give each route its server names, and the server's own name to nobody where no route takes it.

    Otherwise a connection for this server would be answered by one with a wider hostname.
    """
    for stream in _oldest(server.streams):
        wanted = (intersect(name, server.hostname) for name in stream.hostnames or ("",))
        names = tuple(dict.fromkeys(name for name in wanted if name is not None))
        yield _Chain(stream.origin, chain_name(server, stream), server, names, stream)
    yield _Chain(server.origin, chain_name(server), server, (server.hostname or ANY_HOST,))


def _oldest(streams: Sequence[StreamRoute]) -> list[StreamRoute]:
    return sorted(streams, key=lambda stream: (stream.created or "9999", stream.name, stream.rule))


def _build_chain(planned: _Chain, filters: list[dict[str, Any]], secrets: Secrets) -> Any:
    server = planned.server
    encrypted = server.protocol not in ("http", "tcp")
    socket = None
    if server.protocol in ("https", "tls_terminate"):
        alpn = _HTTP_ALPN if server.protocol == "https" else ()
        socket = tls_socket(_server_tls(server, planned.tls or server.tls, secrets, alpn))
    return build(
        _CHAIN,
        name=planned.name,
        filter_chain_match=_chain_match(planned.names) if encrypted else None,
        filters=filters,
        transport_socket=socket,
    )


def _network_filters(planned: _Chain, listener: Listener, placement: Placement) -> list[dict[str, Any]]:
    return [
        *_connection_limit(listener, planned.stream),
        *_source_filters(planned, listener),
        _network_filter(planned, listener, placement),
    ]


def _network_filter(planned: _Chain, listener: Listener, placement: Placement) -> dict[str, Any]:
    server = planned.server
    if server.protocol not in ("http", "https"):
        name = stream_name(planned.stream) if planned.stream else planned.name
        return build_tcp_proxy(planned.stream, name, listener.connection.tcp_idle_timeout, server.access_log)
    if server.protocol == "http":
        servers, routes = plain_servers(listener), routes_name(listener)
    else:
        servers, routes = [server], routes_name(listener, server)
    http3 = server.protocol == "https" and server.http.http3
    options = _connection_options(placement, placement.socket(listener).port if http3 else 0)
    manager = build_http_connection(server, rules_of(servers), routes, routes, options)
    return _as_filter(manager)


def _connection_options(placement: Placement, http3_port: int = 0) -> ConnectionOptions:
    recorded, traced = placement.recorded, placement.traced
    return ConnectionOptions(placement.access_log, http3_port, recorded, traced, placement.credentials)


def _as_filter(manager: Any) -> dict[str, Any]:
    return {"name": "envoy.filters.network.http_connection_manager", "typed_config": any_of(manager)}


def _server_tls(server: Server, tls: ServerTls | None, secrets: Secrets, alpn: Sequence[str]) -> Any:
    if tls is None:
        raise CannotBuild(server.origin, "a TLS server needs TLS settings")
    return build_server_tls(tls, secrets, alpn)


def _chain_match(names: tuple[str, ...]) -> dict[str, Any]:
    """Match by server name; a wildcard for any name is no condition in Envoy."""
    return {
        "server_names": () if ANY_HOST in names else names,
        "transport_protocol": "tls",
    }


def _connection_limit(listener: Listener, stream: StreamRoute | None) -> list[dict[str, Any]]:
    """Build the limit of connections, which Envoy counts for each filter chain, and so for each stream."""
    connection = listener.connection
    limits = (connection.connection_limit, stream.connection_limit if stream else None)
    known = [limit for limit in limits if limit is not None]
    if not known:
        return []
    config = typed(
        "envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit",
        stat_prefix=listener_name(listener),
        max_connections={"value": min(known)},
        delay=connection.close_delay,
    )
    return [{"name": "envoy.filters.network.connection_limit", "typed_config": config}]


def _source_filters(planned: _Chain, listener: Listener) -> list[dict[str, Any]]:
    """Build what looks at where a connection comes from: it closes it, or writes the address down for matches.

    Tried on Envoy 1.40: a route's `address_match` reads an address that stands in the connection's filter state.
    """
    if planned.stream is not None:
        return build_source_filters(planned.stream) if listener.transport == "tcp" else []
    server = planned.server
    rules = rules_of(plain_servers(listener) if server.protocol == "http" else [server])
    if not any(match.source_cidrs for rule in rules for match in rule.matches):
        return []
    value = {
        "object_key": SOURCE,
        "factory_key": "envoy.network.ip",
        "format_string": {"text_format_source": {"inline_string": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%"}},
    }
    config = typed("envoy.extensions.filters.network.set_filter_state.v3.Config", on_new_connection=[value])
    return [{"name": "envoy.filters.network.set_filter_state", "typed_config": config}]


def _listener_filters(listener: Listener) -> list[dict[str, Any]]:
    """Build what looks at a connection before a chain is chosen; the proxy protocol comes before TLS."""
    filters = []
    wanted = listener.connection.proxy_protocol
    if wanted:
        config = typed(
            "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol",
            allow_requests_without_proxy_protocol=wanted == "optional",
        )
        filters.append({"name": "envoy.filters.listener.proxy_protocol", "typed_config": config})
    if any(server.protocol not in ("http", "tcp") for server in listener.servers):
        config = typed("envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector")
        filters.append({"name": "envoy.filters.listener.tls_inspector", "typed_config": config})
    return filters


def _build_udp(listener: Listener, placement: Placement) -> Any:
    stream = next(iter(_oldest([stream for server in listener.servers for stream in server.streams])), None)
    name = stream_name(stream) if stream else listener_name(listener)
    return build(
        _LISTENER,
        name=listener_name(listener),
        stat_prefix=listener_name(listener),
        address=_address(placement.socket(listener), "UDP"),
        metadata=build_place(listener.origin),
        traffic_direction="INBOUND",
        socket_options=build_socket_buffers(listener.connection.socket_buffer_limit),
        listener_filters=[build_udp_proxy(stream, udp_cluster(stream), name)],
    )


def _build_quic(
    listener: Listener, servers: list[Server], placement: Placement, secrets: Secrets, found: list[Refusal]
) -> Any:
    chains = []
    for server in servers:
        try:
            context = _server_tls(server, server.tls, secrets, _HTTP3_ALPN)
            if server.tls is not None and server.tls.alpn is not None:
                context.common_tls_context.alpn_protocols[:] = _HTTP3_ALPN
            routes = routes_name(listener, server)
            manager = build_http_connection(
                server, rules_of([server]), routes, f"{routes}/quic", _connection_options(placement)
            )
        except CannotBuild as problem:
            found.append(Refusal(problem.origin, chain_name(server), problem.text))
            continue
        names = () if not server.hostname else (server.hostname,)
        chains.append(
            {
                "name": chain_name(server),
                "filter_chain_match": {"server_names": names} if names else None,
                "filters": [_as_filter(over_http3(manager))],
                "transport_socket": quic_socket(context),
            }
        )
    if not chains:
        return None
    return build(
        _LISTENER,
        name=quic_name(listener),
        stat_prefix=quic_name(listener),
        address=_address(placement.socket(listener), "UDP"),
        metadata=build_place(listener.origin),
        traffic_direction="INBOUND",
        udp_listener_config={"quic_options": {}},
        filter_chains=chains,
    )


def _address(socket: Socket, protocol: str) -> dict[str, Any]:
    return {"socket_address": {"protocol": protocol, "address": socket.address, "port_value": socket.port}}
