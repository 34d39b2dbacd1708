"""The routes of a service's provider as whoever calls the service meets them, and the stages that hold them."""

from collections.abc import Iterable

from anygate.dialects.app_mesh.backends import register_backend
from anygate.dialects.app_mesh.callers import Caller
from anygate.dialects.app_mesh.context import Context, Fault, Member, origin
from anygate.dialects.app_mesh.providers import Plan, Provider
from anygate.dialects.app_mesh.timeouts import read_timeouts
from anygate.model.edit import Rewrite
from anygate.model.listener import Stage
from anygate.model.match import HttpMatch
from anygate.model.route import BackendTarget, Forward, HttpRoute, HttpRule


def build_service_route(context: Context, caller: Caller, service: Member, provider: Provider) -> HttpRoute | Fault:
    """All routes of a service in their order, each with the conditions that were written for it."""
    rules = []
    for plan in provider.plans:
        rule = build_rule(context, caller, plan, (_read_match(plan),))
        if isinstance(rule, Fault):
            return rule
        rules.append(rule)
    return HttpRoute(
        origin=origin(service.kind),
        name=service.aws_name,
        kind="VirtualService",
        rules=tuple(rules),
    )


def _read_match(plan: Plan) -> HttpMatch:
    wanted = plan.conditions
    return HttpMatch(
        origin=origin(plan.item, plan.path),
        path=wanted.path,
        method=wanted.method,
        headers=wanted.headers,
        query=wanted.query,
    )


def build_rule(
    context: Context, caller: Caller, plan: Plan, matches: Iterable[HttpMatch], rewrite: Rewrite | None = None
) -> HttpRule | Fault:
    """What a route of a provider does with the requests that match."""
    targets = build_targets(context, caller, plan)
    if isinstance(targets, Fault):
        return targets
    here = origin(plan.item, plan.path)
    return HttpRule(
        origin=here,
        name=plan.name,
        action=Forward(origin=here, targets=targets),
        matches=tuple(matches),
        rewrite=rewrite,
        timeouts=read_timeouts(context, plan),
        retry=plan.retry,
    )


def build_targets(context: Context, caller: Caller, plan: Plan) -> tuple[BackendTarget, ...] | Fault:
    """The nodes behind a route, each with its share."""
    targets = []
    for target in plan.targets:
        name = register_backend(context, caller, target.node, target.number)
        if isinstance(name, Fault):
            return name
        targets.append(BackendTarget(origin=target.origin, backend=name, weight=target.weight))
    return tuple(targets)


class Stages:
    """The second stages of a gateway: for each of its listeners one for each service that needs one there."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._made: dict[str, Stage | Fault] = {}

    @property
    def all(self) -> tuple[Stage, ...]:
        """Those that could be made, in the order of their names."""
        return tuple(made for _, made in sorted(self._made.items()) if isinstance(made, Stage))

    def find(self, name: str, caller: Caller, service: Member, provider: Provider) -> str | Fault:
        """The name of the stage of a service, which is made when it is asked for the first time."""
        if name not in self._made:
            route = build_service_route(self._context, caller, service, provider)
            if isinstance(route, Fault):
                self._made[name] = route
            else:
                made = Stage(origin=origin(service.kind), name=name, routes=(route,))
                self._made[name] = self._context.cache.keep(made)
        found = self._made[name]
        return found if isinstance(found, Fault) else name
