"""The gateway that APISIX is: its ports for HTTP with and without TLS, with the routes that all of them have."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from anygate.dialects.apisix.context import Context
from anygate.dialects.apisix.findings import UPGRADES
from anygate.dialects.apisix.hosts import TlsHost, find_host
from anygate.dialects.apisix.kinds.apisixroute import ApisixRoute
from anygate.dialects.apisix.plugins.changes import without_headers
from anygate.dialects.apisix.plugins.consumer_rules import CLIENT_ADDRESS, MARK, SERVER_PORT
from anygate.dialects.apisix.plugins.consumers import CALLER_HEADERS
from anygate.dialects.apisix.plugins.transformation.https_redirect import TOLD_SCHEME
from anygate.dialects.apisix.routes import CONNECT_FAILURE, CONNECT_TIMEOUT
from anygate.dialects.apisix.streams import HTTP_PORT, HTTPS_PORT
from anygate.dialects.apisix.telemetry import read_span_source
from anygate.model.edit import HeaderEdit, Respond
from anygate.model.listener import HttpServer, Listener, NamedTls, Server, Stage
from anygate.model.match import HttpMatch, ValueMatch
from anygate.model.origin import Origin
from anygate.model.route import Continue, HttpRoute, HttpRule
from anygate.model.route_table import covers, is_forwarding
from anygate.model.text import Text, Variable

_TOLD = (
    (CLIENT_ADDRESS, Text(parts=(Variable(kind="client_address"),))),
    ("x-forwarded-host", Text(parts=(Variable(kind="host"),))),
    (SERVER_PORT, Text(parts=(Variable(kind="server_port"),))),
)
"""What APISIX tells backends about a request, whatever the client says there."""

_SAID = ((TOLD_SCHEME, Text(parts=(Variable(kind="header", name="x-forwarded-proto"),))),)
"""What is kept of what a request itself says about how it got here."""

_FIRST, _BEFORE_ALL = (2**31,), (2**32,)
_NO_CERTIFICATE = "the path needs a client certificate"


def make_listeners(
    context: Context, routes: tuple[HttpRoute, ...], stages: tuple[Stage, ...], hosts: Mapping[str, TlsHost]
) -> list[Listener]:
    """The two ports; the one for TLS only if there is a certificate."""
    if not routes:
        return []
    http = HttpServer(
        underscores="allow",
        # nginx decides by the path with its escaped slashes undone.
        escaped_slashes="forward",
        request_id="preserve",
        ignored_upgrades=_ignored_upgrades(context, routes),
        early_request_headers=HeaderEdit(set=_TOLD + (_SAID if context.settings.trusted else ())),
        caller_headers=CALLER_HEADERS,
        connect_failure_status=CONNECT_FAILURE,
        connect_timeout_status=CONNECT_TIMEOUT,
    )
    spans = read_span_source(context, [rule for route in routes for rule in route.rules])
    shared: dict[str, Any] = {"http": http, "rank_first": context.settings.path_first, "spans": spans}
    here = routes[0].origin
    if stages:
        routes = (_make_passage(stages[0], routes, context.settings.trusted), *routes)
    plain = Server(origin=here, name="http", protocol="http", routes=routes, **shared)
    found = [Listener(origin=here, name=f"apisix/{HTTP_PORT}", port=HTTP_PORT, transport="tcp", servers=(plain,))]
    servers = (*_open_servers(routes, hosts, shared), *_guarded_servers(routes, hosts, shared))
    if servers:
        first = servers[0].origin
        name = f"apisix/{HTTPS_PORT}"
        found.append(Listener(origin=first, name=name, port=HTTPS_PORT, transport="tcp", servers=servers))
    return found


def _ignored_upgrades(context: Context, routes: Sequence[HttpRoute]) -> tuple[str, ...]:
    """APISIX takes a request for a WebSocket that a route does not allow as a plain one. Envoy can do that for a whole
    port only; a port with routes of both kinds answers 403."""
    allowing = [bool(rule.upgrades) for route in routes for rule in route.rules if not isinstance(rule.action, Respond)]
    if not any(allowing):
        return ("websocket",)
    if not all(allowing):
        for item in context.all(ApisixRoute):
            for index, rule in enumerate(item.spec.http):
                if rule.websocket:
                    text = "requests for a WebSocket are answered with 403 by the routes that do not allow it"
                    context.note(UPGRADES, text, item, ("spec", "http", index, "websocket"))
                    return ()
    return ()


def _make_passage(stage: Stage, routes: Sequence[HttpRoute], trusted: tuple[str, ...]) -> HttpRoute:
    """What leads requests of consumers with plugins of their own to the stage, on every host, once they are marked.

    They have passed all that stands before by then, and may lack what their credential made it match. The stage cannot
    see where connections come from, so it is told only by proxies that are believed how requests came to them.
    """
    here: Origin = stage.origin
    match = HttpMatch(origin=here, headers=(ValueMatch(name=MARK, kind="present"),), rank=_BEFORE_ALL)
    upgrades = {name for route in routes for rule in route.rules for name in rule.upgrades if is_forwarding(rule)}
    rule = HttpRule(
        origin=here,
        name="consumers",
        matches=(match,),
        action=Continue(origin=here, stage=stage.name),
        upgrades=tuple(sorted(upgrades)),
    )
    rules: tuple[HttpRule, ...] = (rule,)
    if trusted:
        near = msgspec.structs.replace(match, source_cidrs=trusted)
        believed = msgspec.structs.replace(rule, name="consumers-of-proxies", matches=(near,))
        rules = (believed, without_headers(rule, [TOLD_SCHEME]))
    names = {name for route in routes for name in route.hostnames or ("",)}
    return HttpRoute(origin=here, name="", kind="ApisixConsumer", hostnames=tuple(sorted(names)), rules=rules)


def _open_servers(
    routes: tuple[HttpRoute, ...], hosts: Mapping[str, TlsHost], shared: Mapping[str, Any]
) -> list[Server]:
    """One server for all names that ask for no client certificate: its requests may be for any host but those that do.

    A certificate that is asked of clients could otherwise be evaded by the name of another host.
    """
    alike: dict[object, list[TlsHost]] = {}
    for host in hosts.values():
        if not host.asks_clients:
            alike.setdefault(host.tls.certificates, []).append(host)
    if not alike:
        return []
    ways = []
    for group in alike.values():
        names = tuple(sorted(host.name for host in group))
        first = min(group, key=lambda host: host.name)
        ways.append(NamedTls(origin=first.origin, name=f"https/{first.name}", server_names=names, tls=first.tls))
    ways.sort(key=lambda way: way.name)
    kept = [made for route in routes if (made := _without_guarded(route, hosts)) is not None]
    here = ways[0].origin
    return [Server(origin=here, name="https", protocol="https", named_tls=tuple(ways), routes=tuple(kept), **shared)]


def _without_guarded(route: HttpRoute, hosts: Mapping[str, TlsHost]) -> HttpRoute | None:
    kept = tuple(name for name in route.hostnames if not _is_guarded(name, hosts))
    if len(kept) == len(route.hostnames):
        return route
    return msgspec.structs.replace(route, hostnames=kept) if kept else None


def _is_guarded(name: str, hosts: Mapping[str, TlsHost]) -> bool:
    owner = find_host(hosts, name)
    return owner is not None and owner.asks_clients


def _guarded_servers(
    routes: tuple[HttpRoute, ...], hosts: Mapping[str, TlsHost], shared: Mapping[str, Any]
) -> list[Server]:
    """A server for each name that asks for client certificates, with the routes of hosts below it."""
    found = []
    for host in sorted((one for one in hosts.values() if one.asks_clients), key=lambda one: one.name):
        near = [] if host.closed else [route for route in routes if _may_serve(route, host.name)]
        guards = [_make_guard(host, near)] if host.open_paths else []
        if host.closed:
            guards = [_make_wall(host)]
        found.append(
            Server(
                origin=host.origin,
                name=f"https/{host.name}",
                protocol="https",
                hostname=host.name,
                tls=host.tls,
                routes=(*guards, *near),
                **shared,
            )
        )
    return found


def _may_serve(route: HttpRoute, name: str) -> bool:
    wanted = route.hostnames or ("",)
    return any(covers(one, name) or covers(name, one) for one in wanted)


def _make_wall(host: TlsHost) -> HttpRoute:
    """What answers every request for a host whose clients cannot be checked."""
    here: Origin = host.origin
    answer = Respond(origin=here, status=503, reason=host.closed)
    return HttpRoute(
        origin=here,
        name="",
        kind="ApisixTls",
        hostnames=(host.name,),
        rules=(HttpRule(origin=here, name="closed", action=answer),),
    )


def _make_guard(host: TlsHost, routes: Sequence[HttpRoute]) -> HttpRoute:
    """What answers requests without a client certificate first, on every host, except for the paths that need none."""
    paths = tuple(ValueMatch(name=":path", kind="regex", value=one, invert=True) for one in host.open_paths)
    here: Origin = host.origin
    match = HttpMatch(origin=here, headers=paths, client_certificate=False, rank=_FIRST)
    answer = Respond(origin=here, status=400, reason=_NO_CERTIFICATE)
    names = {name for route in routes for name in route.hostnames}
    return HttpRoute(
        origin=here,
        name="",
        kind="ApisixTls",
        hostnames=tuple(sorted({*names, host.name})),
        rules=(HttpRule(origin=here, name="client-certificate", matches=(match,), action=answer),),
    )
