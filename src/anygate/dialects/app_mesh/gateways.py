"""Gateways with their listeners and routes, as the model has them."""

from collections.abc import Sequence
from itertools import combinations

import msgspec

from anygate.diagnostics import FieldPath
from anygate.dialects.app_mesh.conditions import find_shadowed
from anygate.dialects.app_mesh.context import Context, Fault, Member, origin
from anygate.dialects.app_mesh.findings import HIDDEN, POOL, SHADOWED, TIE
from anygate.dialects.app_mesh.gateway_routes import Entrance, build_route
from anygate.dialects.app_mesh.kinds.virtualgateway import GatewayListener
from anygate.dialects.app_mesh.servers import HTTP, build_servers, read_log, read_tls
from anygate.dialects.app_mesh.service_routes import Stages
from anygate.model.edit import HeaderEdit
from anygate.model.listener import Gateway, Listener, Server
from anygate.model.route import HttpRoute

INTERNAL_HEADER = "x-app-mesh-virtual-service"
"""By this App Mesh told itself the service of a request whose host it kept; a client must not send it."""

_HTTP = msgspec.structs.replace(HTTP, early_request_headers=HeaderEdit(remove=(INTERNAL_HEADER,)))


def read_gateways(context: Context, entrances: Sequence[Entrance]) -> tuple[Gateway, ...]:
    """Every gateway that listens somewhere, in the order of their names."""
    found = []
    for member in [*context.all("VirtualGateway")]:
        mine = [one for one in entrances if one.gateway is member]
        listeners, stages = [], Stages(context)
        refused: dict[int, str] = {}
        for number, listener in enumerate(member.spec.listeners):
            made = _read_listener(context, member, number, listener, mine, stages)
            if isinstance(made, Fault):
                context.add(made, member.kind, ("spec", "listeners", number, "tls"))
                refused[listener.port_mapping.port] = made.message
            else:
                listeners.append(made)
        context.conditions.judge_listeners(member.ref, [one.port for one in listeners], refused)
        if listeners:
            here, name = origin(member.kind), _name(member)
            found.append(Gateway(origin=here, name=name, listeners=tuple(listeners), stages=stages.all))
    return tuple(sorted(found, key=lambda gateway: gateway.name))


def _name(member: Member) -> str:
    return f"{member.kind_name}/{member.namespace}/{member.name}"


def _read_listener(
    context: Context, member: Member, number: int, listener: GatewayListener, entrances: list[Entrance], stages: Stages
) -> Listener | Fault:
    """A listener with its routes; one whose TLS cannot be had is not served."""
    path: FieldPath = ("spec", "listeners", number)
    mapping = listener.port_mapping
    tls = read_tls(context, member.kind, listener.tls, path, mapping.protocol)
    if isinstance(tls, Fault):
        return tls
    if listener.connection_pool is not None:
        text = "the bounds are kept towards each node by itself, not towards all together"
        context.note(POOL, text, member.kind, (*path, "connectionPool"))
    mine = [one for one in entrances if one.protocol == mapping.protocol]
    mine = [one for one in mine if one.conditions.port in (0, mapping.port)]
    routes = _build_routes(context, mine, listener, stages)
    _note_shadowed(context, mine)
    _note_order(context, mine)
    _note_hosts(context, member, mine, path)
    here = origin(member.kind, path)
    server = Server(
        origin=here,
        name="http",
        protocol="http",
        http=_HTTP,
        routes=routes,
        host_fallback=context.settings.host_fallback,
        access_log=read_log(member.spec.logging),
    )
    name = f"{_name(member)}/{mapping.port}"
    servers = build_servers(server, tls, listener.tls)
    return Listener(origin=here, name=name, port=mapping.port, transport="tcp", servers=servers)


def _build_routes(
    context: Context, entrances: list[Entrance], listener: GatewayListener, stages: Stages
) -> tuple[HttpRoute, ...]:
    routes = []
    for one in entrances:
        route = build_route(context, one, listener, stages)
        if isinstance(route, Fault):
            # What is to blame stands in the gateway or in a node.
            blamed = Fault(route.rule, route.message, route.hint, ("metadata", "name"))
            context.refuse(one.member, blamed)
        else:
            routes.append(context.cache.keep(route))
    return tuple(routes)


def _note_hosts(context: Context, member: Member, entrances: list[Entrance], path: FieldPath) -> None:
    """Say once for a listener that its hosts hide the routes without one."""
    hosts = sorted({one.hostname for one in entrances if one.hostname})
    others = [one.member.name for one in entrances if not one.hostname]
    if hosts and others and not context.settings.host_fallback:
        shown = ", ".join(hosts[:3]) + (f" and {len(hosts) - 3} more" if len(hosts) > 3 else "")
        routes = others[0] if len(others) == 1 else f"{others[0]} and {len(others) - 1} more"
        text = f"requests for {shown} are never tried on routes without a host: {routes}"
        context.note(HIDDEN, text, member.kind, path)


def _note_shadowed(context: Context, entrances: list[Entrance]) -> None:
    """Say which gateway routes get nothing because another one of their host takes it all before."""
    hosts: dict[str, list[Entrance]] = {}
    for one in sorted(entrances, key=lambda one: (*(-number for number in one.rank), one.member.aws_name)):
        hosts.setdefault(one.hostname, []).append(one)
    for group in hosts.values():
        for behind, before in find_shadowed((one.conditions, one) for one in group):
            if behind.rank != before.rank:
                text = f"it gets no requests: {before.member.ref} is asked before it and takes them all"
                hint = "give it the lower priority number of both"
                context.note(SHADOWED, text, behind.member.kind, behind.match_path, hint)


def _note_order(context: Context, entrances: list[Entrance]) -> None:
    """Say where only names settle which of two gateway routes is asked first."""
    groups: dict[object, list[Entrance]] = {}
    for one in entrances:
        groups.setdefault((one.hostname, one.rank, one.conditions.path), []).append(one)
    for group in groups.values():
        for first, second in combinations(sorted(group, key=lambda one: one.member.aws_name), 2):
            if first.conditions._replace(port=0) == second.conditions._replace(port=0):
                text = f"it takes the same requests as {first.member.ref}, whose name comes first"
                context.note(TIE, text, second.member.kind, second.match_path, "give one of them a priority")
