"""Gateway routes, each a route of the model, with the routes behind them in the same table or in a second stage."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from anygate.diagnostics import FieldPath
from anygate.dialects.app_mesh.callers import Caller, gateway_caller
from anygate.dialects.app_mesh.conditions import Conditions, join, rank_of, read_grpc, read_http
from anygate.dialects.app_mesh.context import Context, Fault, Member, origin
from anygate.dialects.app_mesh.findings import DEAD, DEPENDS, NOT_FLATTENED, PORT, PREFIX_REMOVED, ROUTE_TYPE
from anygate.dialects.app_mesh.flatten import NEVER, Composition, Entry, Passage, compose, take_all
from anygate.dialects.app_mesh.kinds.virtualgateway import GatewayListener
from anygate.dialects.app_mesh.membership import find_gateway
from anygate.dialects.app_mesh.providers import Plan, Provider, Providers
from anygate.dialects.app_mesh.references import find_service
from anygate.dialects.app_mesh.service_routes import Stages, build_rule
from anygate.model.edit import Respond, Rewrite
from anygate.model.match import HttpMatch
from anygate.model.route import Continue, HttpRoute, HttpRule


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
    target_port: int | None

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
        target_port=part.action.target.port,
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
    return "*" + str(match.suffix).lower().removeprefix("*")


def build_route(context: Context, entrance: Entrance, listener: GatewayListener, stages: Stages) -> HttpRoute | Fault:
    """A gateway route as one listener has it; where TLS cannot be had it is left out.

    With the routes behind it put into it where that can be said, else with one rule that leads to them. Either way
    requests that a gateway route has taken are never tried on another.
    """
    crossings = _put_together(entrance)
    _note_dead(context, entrance, crossings)
    caller = gateway_caller(entrance.gateway, listener)
    rules: list[HttpRule] | Fault
    if context.settings.two_stages or _note_doubt(context, entrance, crossings):
        rules = _lead_on(entrance, caller, listener, stages)
    else:
        rules = _flatten(context, entrance, caller, crossings)
    if isinstance(rules, Fault):
        return rules
    return HttpRoute(
        origin=origin(entrance.member.kind),
        name=entrance.member.aws_name,
        kind="GatewayRoute",
        hostnames=(entrance.hostname,) if entrance.hostname else (),
        rules=tuple(rules),
    )


class _Crossing(NamedTuple):
    """A gateway route and a route behind it as one; `composed` is None where that cannot be said.

    `last` says that no request of the gateway route gets past it.
    """

    plan: Plan
    conditions: Conditions
    composed: Composition | None
    last: bool


def _put_together(entrance: Entrance) -> list[_Crossing]:
    """The routes behind a gateway route, in their order, as far as requests get."""
    found: list[_Crossing] = []
    for plan in entrance.provider.plans:
        both = join(entrance.conditions, plan.conditions)
        if both is None:
            found.append(_Crossing(plan, entrance.conditions, NEVER, last=False))
            continue
        composed = compose(entrance.entry, plan.conditions.path)
        unconditional = both._replace(path=None, port=0) == entrance.conditions._replace(path=None, port=0)
        last = unconditional and composed is not None and composed.whole
        found.append(_Crossing(plan, both, composed, last))
        if last:
            break
    return found


def _note_dead(context: Context, entrance: Entrance, crossings: list[_Crossing]) -> None:
    for one in crossings:
        if one.composed == NEVER:
            name, service = one.plan.name, entrance.service.name
            text = f"route {name} of VirtualService {service} never takes a request that comes this way"
            context.note(DEAD, text, entrance.member.kind, entrance.match_path)


def _note_doubt(context: Context, entrance: Entrance, crossings: list[_Crossing]) -> bool:
    """Whether any route behind cannot be put together with the gateway route, which is then said."""
    doubtful = next((one.plan for one in crossings if one.composed is None), None)
    if doubtful is None:
        return False
    text = f"route {doubtful.name} of VirtualService {entrance.service.name} cannot be put together with these paths"
    context.note(NOT_FLATTENED, text, entrance.member.kind, entrance.match_path)
    return True


def _flatten(
    context: Context, entrance: Entrance, caller: Caller, crossings: list[_Crossing]
) -> list[HttpRule] | Fault:
    """One rule for each route behind; what they leave is answered by the last rule."""
    rules = []
    for one in crossings:
        if one.composed is None or one.composed == NEVER:
            continue
        matches = _matches(entrance, one.conditions, one.composed)
        rule = build_rule(context, caller, one.plan, matches, _rewrite(entrance, one.composed))
        if isinstance(rule, Fault):
            return rule
        rules.append(rule)
    if not crossings or not crossings[-1].last:
        rules.append(_answer_unrouted(entrance))
    return rules


def _lead_on(entrance: Entrance, caller: Caller, listener: GatewayListener, stages: Stages) -> list[HttpRule] | Fault:
    """The rule that sends everything on to the routes of the service, in a second stage."""
    service, gateway = entrance.service, entrance.gateway.ref
    name = f"{gateway.kind}/{gateway.namespace}/{gateway.name}/{listener.port_mapping.port}/stage/{service.aws_name}"
    if entrance.target_port:
        name += f":{entrance.target_port}"
    stage = stages.find(name, caller, service, entrance.provider)
    if isinstance(stage, Fault):
        return stage
    here, everything = origin(entrance.member.kind, entrance.match_path), take_all(entrance.entry)
    rule = HttpRule(
        origin=here,
        name=service.aws_name,
        action=Continue(origin=here, stage=stage),
        matches=tuple(_matches(entrance, entrance.conditions, everything)),
        rewrite=_rewrite(entrance, everything),
    )
    return [rule]


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


def _answer_unrouted(entrance: Entrance) -> HttpRule:
    """What is answered to the requests of a gateway route that no route behind it takes."""
    here = origin(entrance.member.kind, entrance.match_path)
    everything = Composition((Passage(entrance.entry.path),))
    return HttpRule(
        origin=here,
        name="unrouted",
        action=Respond(origin=here, status=404),
        matches=tuple(_matches(entrance, entrance.conditions, everything)),
    )


def _rewrite(entrance: Entrance, composed: Composition) -> Rewrite | None:
    host = "" if entrance.keeps_host else entrance.service.aws_name
    return Rewrite(host=host, path=composed.rewrite) if host or composed.rewrite else None
