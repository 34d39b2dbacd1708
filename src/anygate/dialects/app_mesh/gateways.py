"""Gateways with their listeners and routes, as the model has them."""

from collections.abc import Sequence
from itertools import combinations

from anygate.diagnostics import FieldPath
from anygate.dialects.app_mesh.certificates import read_server_tls
from anygate.dialects.app_mesh.context import Context, Fault, Member, origin
from anygate.dialects.app_mesh.findings import HIDDEN, POOL, TIE
from anygate.dialects.app_mesh.gateway_routes import Entrance, build_route
from anygate.dialects.app_mesh.kinds.connections import Logging
from anygate.dialects.app_mesh.kinds.virtualgateway import GatewayListener
from anygate.model.edit import HeaderEdit
from anygate.model.listener import AccessLog, Gateway, HttpServer, Listener, Server
from anygate.model.route import HttpRoute
from anygate.model.tls import ServerTls

INTERNAL_HEADER = "x-app-mesh-virtual-service"
"""By this App Mesh told itself the service of a request whose host it kept; a client must not send it."""


def read_gateways(context: Context, entrances: Sequence[Entrance]) -> tuple[Gateway, ...]:
    """Every gateway that listens somewhere, in the order of their names."""
    found = []
    for member in [*context.all("VirtualGateway")]:
        mine = [one for one in entrances if one.gateway is member]
        listeners = []
        for number, listener in enumerate(member.spec.listeners):
            made = _read_listener(context, member, number, listener, mine)
            if made is not None:
                listeners.append(made)
        if listeners:
            found.append(Gateway(origin=origin(member.kind), name=_name(member), listeners=tuple(listeners)))
    return tuple(sorted(found, key=lambda gateway: gateway.name))


def _name(member: Member) -> str:
    return f"{member.kind_name}/{member.namespace}/{member.name}"


def _read_listener(
    context: Context, member: Member, number: int, listener: GatewayListener, entrances: list[Entrance]
) -> Listener | None:
    """A listener with its routes; one whose TLS cannot be had is not served."""
    path: FieldPath = ("spec", "listeners", number)
    mapping = listener.port_mapping
    tls: ServerTls | None = None
    permissive = listener.tls is not None and listener.tls.mode == "PERMISSIVE"
    if listener.tls is not None and listener.tls.mode != "DISABLED":
        found = read_server_tls(context, member.kind, listener.tls, (*path, "tls"), mapping.protocol)
        if isinstance(found, Fault):
            context.refuse(member, found, (*path, "tls"))
            return None
        tls = found
    if listener.connection_pool is not None:
        text = "the bounds are kept towards each node by itself, not towards all together"
        context.note(POOL, text, member.kind, (*path, "connectionPool"))
    mine = [one for one in entrances if one.protocol == mapping.protocol]
    mine = [one for one in mine if one.conditions.port in (0, mapping.port)]
    routes = _build_routes(context, mine, listener)
    _note_order(context, mine)
    _note_hosts(context, member, mine, path)
    here = origin(member.kind, path)
    http = HttpServer(
        underscores="allow",
        escaped_slashes="keep",
        early_request_headers=HeaderEdit(remove=(INTERNAL_HEADER,)),
        access_log=_read_log(member.spec.logging),
    )
    servers = []
    if tls is None or permissive:
        servers.append(Server(origin=here, name="http", protocol="http", http=http, routes=routes, host_fallback=False))
    if tls is not None:
        servers.append(
            Server(origin=here, name="https", protocol="https", tls=tls, http=http, routes=routes, host_fallback=False)
        )
    name = f"{_name(member)}/{mapping.port}"
    return Listener(origin=here, name=name, port=mapping.port, transport="tcp", servers=tuple(servers))


def _build_routes(context: Context, entrances: list[Entrance], listener: GatewayListener) -> tuple[HttpRoute, ...]:
    routes = []
    for one in entrances:
        route = build_route(context, one, listener)
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
    if hosts and others:
        shown = ", ".join(hosts[:3]) + (f" and {len(hosts) - 3} more" if len(hosts) > 3 else "")
        routes = others[0] if len(others) == 1 else f"{others[0]} and {len(others) - 1} more"
        text = f"requests for {shown} are never tried on routes without a host: {routes}"
        context.note(HIDDEN, text, member.kind, path)


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


def _read_log(logging: Logging | None) -> AccessLog | None:
    found = logging.access_log.file if logging is not None and logging.access_log is not None else None
    if found is None:
        return None
    form = found.format
    fields = tuple((one.key, one.value) for one in form.json_fields or ()) if form is not None else ()
    return AccessLog(path=found.path, text=(form.text or "") if form is not None else "", fields=fields)
