"""Gateway routes and the routes behind them as one table: each gateway route is a route of the model."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from anygate.diagnostics import FieldPath
from anygate.dialects.app_mesh.backends import register_backend
from anygate.dialects.app_mesh.conditions import Conditions, join, rank_of, read_grpc, read_http
from anygate.dialects.app_mesh.context import Context, Fault, Member, origin
from anygate.dialects.app_mesh.findings import CAPPED, DEAD, DEPENDS, NOT_FLATTENED, PORT, PREFIX_REMOVED, ROUTE_TYPE
from anygate.dialects.app_mesh.flatten import NEVER, Composition, Entry, Passage, compose
from anygate.dialects.app_mesh.kinds.virtualgateway import GatewayListener
from anygate.dialects.app_mesh.membership import find_gateway
from anygate.dialects.app_mesh.providers import Plan, Provider, Providers
from anygate.dialects.app_mesh.references import find_service
from anygate.model.edit import Respond, Rewrite
from anygate.model.match import HttpMatch
from anygate.model.route import BackendTarget, Forward, HttpRoute, HttpRule, Timeouts


@dataclass(frozen=True)
class Entrance:
    """A gateway route with what it leads to, before its rules are laid out for a listener."""

    member: Member
    gateway: Member
    service: Member
    provider: Provider
    conditions: Conditions
    entry: Entry
    hostname: str
    rank: tuple[int, ...]
    keeps_host: bool
    protocol: str
    field: str

    @property
    def match_path(self) -> FieldPath:
        """Where its conditions stand."""
        return ("spec", self.field, "match")


def read_entrances(context: Context, providers: Providers) -> list[Entrance]:
    """Every gateway route that leads somewhere."""
    found = []
    for member in [*context.all("GatewayRoute")]:
        entrance = _read_entrance(context, providers, member)
        if isinstance(entrance, Fault):
            context.refuse(member, entrance)
        else:
            found.append(entrance)
    return found


def _read_entrance(context: Context, providers: Providers, member: Member) -> Entrance | Fault:
    gateway = find_gateway(context, member)
    if isinstance(gateway, Fault):
        return gateway
    mesh = context.meshes[gateway.ref]
    named = member.spec.mesh_ref.name if member.spec.mesh_ref is not None else member.spec.mesh_name
    if named and named not in (mesh.name, mesh.aws_name):
        path: FieldPath = ("spec", "meshRef", "name")
        return Fault(DEPENDS, f"VirtualGateway {gateway.name} belongs to Mesh {mesh.name}, not {named}", path=path)
    context.meshes[member.ref] = mesh
    protocol, field, part = member.spec.body
    conditions = read_grpc(part.match) if protocol == "grpc" else read_http(part.match)
    fault = _check_listeners(gateway, protocol, conditions.port, ("spec", field, "match"))
    if fault is not None:
        return fault
    target: FieldPath = ("spec", field, "action", "target")
    service = find_service(context, member, mesh, part.action.target.virtual_service, (*target, "virtualService"))
    if isinstance(service, Fault):
        return service
    provider = providers.find(service, part.action.target.port)
    if isinstance(provider, Fault):
        at = (*target, "port") if part.action.target.port else (*target, "virtualService")
        return Fault(provider.rule, provider.message, provider.hint, at)
    if any(plan.protocol == "tcp" for plan in provider.plans if plan.conditions != Conditions()):
        return Fault(ROUTE_TYPE, "a gateway does not route to routes for TCP", path=target)
    if protocol != "grpc":
        _note_removed(context, member, field, part)
    hostname = part.match.hostname
    return Entrance(
        member=member,
        gateway=gateway,
        service=service,
        provider=provider,
        conditions=conditions,
        entry=_read_entry(part, conditions),
        hostname=_read_hostname(hostname),
        rank=rank_of(member.spec.priority, conditions),
        keeps_host=_keeps_host(part),
        protocol=protocol,
        field=field,
    )


def _check_listeners(gateway: Member, protocol: str, port: int, path: FieldPath) -> Fault | None:
    mappings = [one.port_mapping for one in gateway.spec.listeners]
    if port and not any(one.port == port for one in mappings):
        ports = ", ".join(str(one.port) for one in mappings)
        text = f"VirtualGateway {gateway.name} has no listener at port {port}"
        return Fault(PORT, text, f"its ports are {ports}", (*path, "port"))
    near = [one for one in mappings if not port or one.port == port]
    if not any(one.protocol == protocol for one in near):
        spoken = " and ".join(sorted({one.protocol for one in near}))
        return Fault(ROUTE_TYPE, f"VirtualGateway {gateway.name} speaks {spoken} there, not {protocol}", path=path)
    return None


def _note_removed(context: Context, member: Member, field: str, part: Any) -> None:
    edit, prefix = part.edit, part.match.prefix
    rewritten = edit is not None and (edit.prefix is not None or edit.path is not None)
    if prefix is not None and prefix != "/" and not rewritten:
        text = f"the prefix {prefix} is taken off: {prefix.rstrip('/')}/a reaches the service as /a"
        hint = "rewrite.prefix.defaultPrefix: DISABLED keeps it, ENABLED says that it is meant"
        context.note(PREFIX_REMOVED, text, member.kind, ("spec", field, "match", "prefix"), hint)


def _read_entry(part: Any, conditions: Conditions) -> Entry:
    """What becomes of the path: without a word about it, a matched prefix becomes `/`."""
    match, edit = part.match, part.edit
    prefix = getattr(edit, "prefix", None)
    full = getattr(edit, "path", None)
    if full is not None:
        return Entry(conditions.path, full=full.exact)
    if prefix is not None and prefix.value is not None:
        return Entry(conditions.path, prefix=prefix.value)
    removed = getattr(match, "prefix", None) is not None and (prefix is None or prefix.default_prefix == "ENABLED")
    return Entry(conditions.path, prefix="/" if removed else "")


def _keeps_host(part: Any) -> bool:
    hostname = part.edit.hostname if part.edit is not None else None
    return hostname is not None and hostname.default_target_hostname == "DISABLED"


def _read_hostname(match: Any) -> str:
    if match is None:
        return ""
    if match.exact is not None:
        return str(match.exact).lower().rstrip(".")
    return "*." + str(match.suffix).lower().removeprefix("*").removeprefix(".")


def build_route(context: Context, entrance: Entrance, listener: GatewayListener) -> HttpRoute | Fault:
    """A gateway route with the routes behind it, as one listener has it; where TLS cannot be had it is left out.

    Rules keep their order, and what they leave is answered by the last one: requests that a gateway route has taken
    are never tried on another.
    """
    rules: list[HttpRule] = []
    for plan in entrance.provider.plans:
        made = _build_rule(context, entrance, plan, listener)
        if isinstance(made, Fault):
            return made
        if made is None:
            continue
        rules.append(made.rule)
        if made.last:
            break
    else:
        rules.append(_answer(entrance, 404, "unrouted"))
    return HttpRoute(
        origin=origin(entrance.member.kind),
        name=entrance.member.aws_name,
        kind="GatewayRoute",
        hostnames=(entrance.hostname,) if entrance.hostname else (),
        rules=tuple(rules),
    )


@dataclass(frozen=True)
class _Made:
    """A rule, and whether no request of the gateway route gets past it."""

    rule: HttpRule
    last: bool


def _build_rule(context: Context, entrance: Entrance, plan: Plan, listener: GatewayListener) -> _Made | Fault | None:
    both = join(entrance.conditions, plan.conditions)
    composed = compose(entrance.entry, plan.conditions.path) if both is not None else NEVER
    if composed is None:
        text = f"route {plan.name} of the service cannot be put together with the path asked for here"
        hint = "ask for a prefix in one of them, or for a regular expression that begins with a plain path"
        context.note(NOT_FLATTENED, text, entrance.member.kind, entrance.match_path, hint)
        return _Made(_answer(entrance, 500, plan.name, text), last=True)
    if both is None or composed == NEVER:
        text = f"route {plan.name} of VirtualService {entrance.service.name} never takes a request that comes this way"
        context.note(DEAD, text, entrance.member.kind, entrance.match_path)
        return None
    targets = []
    for target in plan.targets:
        name = register_backend(context, entrance.gateway, listener, target.node, target.number)
        if isinstance(name, Fault):
            return name
        targets.append(BackendTarget(origin=target.origin, backend=name, weight=target.weight))
    here = origin(plan.item, plan.path)
    rule = HttpRule(
        origin=here,
        name=plan.name,
        action=Forward(origin=here, targets=tuple(targets)),
        matches=tuple(_matches(entrance, both, composed)),
        rewrite=_rewrite(entrance, composed),
        timeouts=_read_timeouts(context, plan),
        retry=plan.retry,
    )
    unconditional = both._replace(path=None, port=0) == entrance.conditions._replace(path=None, port=0)
    return _Made(rule, last=composed.whole and unconditional)


def _matches(entrance: Entrance, conditions: Conditions, composed: Composition) -> Iterator[HttpMatch]:
    here = origin(entrance.member.kind, entrance.match_path)
    for passage in composed.passages:
        yield HttpMatch(
            origin=here,
            path=passage.path,
            method=conditions.method,
            headers=(*conditions.headers, *passage.also),
            query=conditions.query,
            # One rank for all rules keeps them together, in the order in which they are written.
            rank=entrance.rank,
        )


def _answer(entrance: Entrance, status: int, name: str, reason: str = "") -> HttpRule:
    """What is answered to the requests of a gateway route that no route behind it takes."""
    here = origin(entrance.member.kind, entrance.match_path)
    everything = Composition((Passage(entrance.entry.path),))
    return HttpRule(
        origin=here,
        name=name,
        action=Respond(origin=here, status=status, reason=reason),
        matches=tuple(_matches(entrance, entrance.conditions, everything)),
    )


def _rewrite(entrance: Entrance, composed: Composition) -> Rewrite | None:
    host = "" if entrance.keeps_host else entrance.service.aws_name
    return Rewrite(host=host, path=composed.rewrite) if host or composed.rewrite else None


def _read_timeouts(context: Context, plan: Plan) -> Timeouts:
    """The limits of a route, and of the nodes it leads to: there is no proxy beside them that could keep theirs."""
    request, idle = plan.request, plan.idle
    for target in plan.targets:
        listener = target.node.spec.listeners[target.number]
        protocol = listener.port_mapping.protocol
        own = getattr(listener.timeout, protocol, None)
        path: FieldPath = ("spec", "listeners", target.number, "timeout", protocol)
        wanted = getattr(own, "per_request", None)
        if wanted is not None and _tighter(wanted.span, request):
            request = wanted.span
            context.note(CAPPED, "the routes to this listener take this limit", target.node.kind, (*path, "perRequest"))
        silence = getattr(own, "idle", None)
        if silence is not None and _tighter(silence.span, idle):
            idle = silence.span
            context.note(CAPPED, "the routes to this listener take this limit", target.node.kind, (*path, "idle"))
    return Timeouts(request=request, stream_idle=idle, attempt=None if plan.retry else plan.attempt)


def _tighter(limit: timedelta, other: timedelta | None) -> bool:
    """Whether a limit is below another; 0 is none."""
    return bool(limit) and (not other or limit < other)
