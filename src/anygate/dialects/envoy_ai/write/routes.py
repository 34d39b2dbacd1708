"""AIGatewayRoutes: one for what was one route, with the backends and credentials that its rules need."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from anygate.dialects.envoy_ai.kinds.aigatewayroute import NOT_FOUND_RULE
from anygate.dialects.envoy_ai.normalise import MAX_RULES
from anygate.dialects.envoy_ai.write.costs import charge, write_cost
from anygate.dialects.envoy_ai.write.findings import MODEL_PATHS, MODEL_ROUTING
from anygate.dialects.envoy_ai.write.groups import Group, put_together
from anygate.dialects.envoy_ai.write.listings import Listings, without_listings
from anygate.dialects.envoy_ai.write.order import settle
from anygate.dialects.envoy_ai.write.passing import find_provider, pass_on
from anygate.dialects.envoy_ai.write.providers import Providers
from anygate.dialects.envoy_ai.write.rules import CARRIED, RuleWords
from anygate.dialects.envoy_ai.write.words import given
from anygate.dialects.guest_routes import Host, Line
from anygate.model.backend import Backend
from anygate.model.match import HttpMatch
from anygate.model.root import Model
from anygate.model.route import HttpRule

_KIND = "AIGatewayRoute"
_MOST_HOSTNAMES = 16
_DEFAULT_NAMESPACE = "default"


@dataclass
class _Route:
    """A route that is being put together: its rules, and what is kept of each request."""

    first: Group
    costs: dict[str, str] = field(default_factory=dict)
    rules: list[tuple[Group, HttpRule, dict[HttpMatch, list[dict[str, str]]]]] = field(default_factory=list)

    def key(self, hostnames: Sequence[str]) -> tuple[object, ...]:
        """What two routes have in common that say the same for different listeners."""
        rules = [(id(group.list_shares()[0].rule), repr(list(matches.values()))) for group, _, matches in self.rules]
        return tuple(hostnames), *rules


class AiRoutes:
    """Writes the rules of a model that are for AI requests; the guest of whoever writes its Gateways."""

    carried = CARRIED

    def __init__(self) -> None:
        self._providers = Providers()
        self._listings = Listings(Model())
        self._written: dict[tuple[object, ...], list[dict[str, Any]]] = {}

    def prepare(self, model: Model) -> Model:
        """The model without the lists of models, which AIGatewayRoutes bring with them."""
        self._listings = Listings(model)
        return without_listings(model)

    def is_for(self, line: Line, backends: Mapping[str, Backend]) -> bool:
        """Whether a row is for AI requests, or leads to a model's provider."""
        return line.rule.inference is not None or find_provider(line.rule, backends) is not None

    def write(self, host: Host, hostnames: Sequence[str], lines: Sequence[Line]) -> Sequence[Line | None]:
        """Write the rows of one table; those that pass on what is no AI request are plain ones from here on."""
        self._write_asked(host, hostnames, [line for line in lines if line.rule.inference is not None])
        plain = [line for line in lines if line.rule.inference is None]
        instead = dict(zip(map(id, plain), pass_on(host, plain), strict=True))
        return [instead.get(id(line)) for line in lines]

    def _write_asked(self, host: Host, hostnames: Sequence[str], lines: Sequence[Line]) -> None:
        words = RuleWords(host, self._providers)
        found = [(group, matches) for group in put_together(lines) if (matches := words.write_matches(group))]
        routes = self._share_out(host, settle(host, found))
        if any(one.first.route.origin.kind != _KIND for one in routes):
            text = "GET /v1/models is answered with the models of AIGatewayRoutes"
            host.lose(MODEL_PATHS, routes[0].first.route.origin, text)
        for route in routes:
            self._write_route(host, hostnames, route, words)

    def finish(self, host: Host) -> None:
        """Write the credentials."""
        self._providers.finish(host)

    def _share_out(
        self, host: Host, groups: Sequence[tuple[Group, dict[HttpMatch, list[dict[str, str]]]]]
    ) -> list[_Route]:
        """The routes: as many for each of the source as the limits of a route, and costs of one name, ask for."""
        found: list[_Route] = []
        for group, matches in groups:
            rule = group.list_shares()[0].rule
            for route in found:
                costs = dict(route.costs)
                charged = charge(host, rule, costs)
                same = route.first.route.name == group.route.name and len(route.rules) < MAX_RULES
                if same and all(costs[key] == known for key, known in route.costs.items()):
                    break
            else:
                costs = {}
                charged = charge(host, rule, costs)
                route = _Route(group)
                found.append(route)
            route.costs = costs
            route.rules.append((group, charged, matches))
        return found

    def _write_route(self, host: Host, hostnames: Sequence[str], route: _Route, words: RuleWords) -> None:
        origin = route.first.route.origin
        namespace = origin.namespace or _DEFAULT_NAMESPACE
        parents = host.write_parents(namespace)
        known = self._written.setdefault(route.key(hostnames), parents)
        if known is not parents:
            # Other listeners serve the same.
            known += [one for one in parents if one not in known]
            return
        spec: dict[str, Any] = {"parentRefs": parents}
        body: dict[str, Any] = {"spec": spec}
        if hostnames:
            spec["hostnames"] = list(hostnames)[:_MOST_HOSTNAMES]
        if len(hostnames) > _MOST_HOSTNAMES:
            text = f"an {_KIND} takes {_MOST_HOSTNAMES} hostnames, and there are {len(hostnames)}"
            host.lose(MODEL_ROUTING, origin, text)
        name = host.add(_KIND, namespace, origin.name, body, [origin])
        taken = {NOT_FOUND_RULE}
        rules = []
        for group, rule, matches in route.rules:
            called = _free_name(group.name, taken)
            made = words.write(group, list(matches.values()), namespace, called)
            rules.append({**made, **self._listings.describe(group.route, hostnames, list(matches))})
            words.ask_policies(group, rule, namespace, name, called)
        spec.update(given({"rules": rules, "llmRequestCosts": [write_cost(*one) for one in route.costs.items()]}))


def _free_name(base: str, taken: set[str]) -> str:
    found, number = base, 1
    while found in taken:
        number += 1
        found = f"{base}-{number}"
    taken.add(found)
    return found
