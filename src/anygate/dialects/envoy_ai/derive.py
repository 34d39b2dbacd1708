"""AIGatewayRoute to HTTPRoute: the same parents, hosts, matches and paths of fields, to what its backends refer to."""

from typing import NamedTuple

from anygate.diagnostics import ObjectRef
from anygate.dialects.derived import (
    DerivedMatch,
    DerivedRoute,
    DerivedRouteSpec,
    DerivedRule,
    derive_manifest,
)
from anygate.dialects.envoy_ai.backends import Destination, Destinations
from anygate.dialects.envoy_ai.context import Context
from anygate.dialects.envoy_ai.kinds.aigatewayroute import (
    AIGatewayRouteRule,
    AIGatewayRouteRuleBackendRef,
    AIGatewayRouteSpec,
)
from anygate.dialects.envoy_ai.normalise import Normal, NormalBackend, find_timeouts
from anygate.dialects.envoy_ai.route_findings import NAME_TAKEN
from anygate.manifests.references import GATEWAY_API_GROUP


class Plan(NamedTuple):
    """A route, the HTTPRoute that it becomes, and where each reference of each rule leads."""

    source: Normal[AIGatewayRouteSpec]
    route: DerivedRoute
    rules: tuple[tuple[Destination, ...], ...]


def derive_routes(context: Context, destinations: Destinations) -> dict[str, Plan]:
    """Every route by the name that it has in the model."""
    plans = {}
    for source in context.routes.values():
        if not _is_free(context, source):
            continue
        _check_parents(context, source)
        rules = tuple(
            tuple(destinations.resolve(source, one) for one in rule.backend_refs) for rule in source.spec.rules
        )
        plans[f"{source.ref.namespace}/{source.ref.name}"] = Plan(source, _derive(context, source, rules), rules)
    return plans


def _is_free(context: Context, source: Normal[AIGatewayRouteSpec]) -> bool:
    """Whether no HTTPRoute has the name that the route would have as one."""
    ref = source.ref
    if context.index.get(GATEWAY_API_GROUP, "HTTPRoute", ref.namespace, ref.name) is None:
        return True
    message = f"HTTPRoute/{ref.namespace}/{ref.name} has the name that this route would have as an HTTPRoute"
    context.add(NAME_TAKEN, message, source.kind.manifest, ("metadata", "name"), hint="rename one of them")
    context.conditions.refuse(ref, message)
    return False


def _check_parents(context: Context, source: Normal[AIGatewayRouteSpec]) -> None:
    """Note a parent that is not there; it is reported where the route is attached."""
    for parent in source.spec.parent_refs:
        ref = ObjectRef(GATEWAY_API_GROUP, "Gateway", parent.namespace or source.ref.namespace, parent.name)
        if context.index.get(*ref) is None:
            text = f"failed to sync gw pods: gateway {ref.namespace}/{ref.name} not found"
            context.conditions.refuse(source.ref, text)


def _derive(
    context: Context, source: Normal[AIGatewayRouteSpec], rules: tuple[tuple[Destination, ...], ...]
) -> DerivedRoute:
    """The HTTPRoute: the one of the last compile if nothing that it is made of has changed."""

    def find(reference: AIGatewayRouteRuleBackendRef) -> NormalBackend | None:
        return context.backends.get((reference.namespace or source.ref.namespace, reference.name))

    timeouts = tuple(find_timeouts(rule, find)[0] for rule in source.spec.rules)
    facts = tuple((_facts(one), one.provider) for rule in rules for one in rule)
    key = ("derived-route", id(source), *map(id, timeouts))
    found = context.cache.get(key)
    if found is None or found[1] != facts:
        spec = DerivedRouteSpec.model_construct(
            parent_refs=source.spec.parent_refs,
            hostnames=source.spec.hostnames,
            rules=tuple(
                _derive_rule(rule, references, limits)
                for rule, references, limits in zip(source.spec.rules, rules, timeouts, strict=True)
            ),
        )
        made = DerivedRoute.model_construct(kind="HTTPRoute", metadata=source.kind.metadata, spec=spec)
        # The source and its timeouts are stored too, so that their ids stay taken.
        found = (made, facts, source, timeouts)
        context.cache.put(key, found)
    route: DerivedRoute = found[0]
    return route.attach(derive_manifest(source.kind.manifest, "HTTPRoute", source.ref.name, GATEWAY_API_GROUP))


def _facts(one: Destination) -> tuple[object, ...]:
    reference = one.reference
    return (reference.group, reference.kind, reference.namespace, reference.name, reference.port, reference.lost)


def _derive_rule(rule: AIGatewayRouteRule, destinations: tuple[Destination, ...], timeouts: object) -> DerivedRule:
    return DerivedRule.model_construct(
        name=rule.name,
        matches=tuple(DerivedMatch.model_construct(headers=tuple(match.headers)) for match in rule.matches),
        backend_refs=tuple(one.reference for one in destinations),
        timeouts=timeouts,
    )
