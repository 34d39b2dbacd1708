"""Rules of derived routes as rules of AI requests: one for each endpoint, to the backends that can serve it."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import NamedTuple

import msgspec

from anygate.dialects.envoy_ai.backends import Destination, name_backend
from anygate.dialects.envoy_ai.context import Context
from anygate.dialects.envoy_ai.derive import Plan
from anygate.dialects.envoy_ai.kinds.aigatewayroute import AIGatewayRouteRule
from anygate.dialects.envoy_ai.quotas import Quotas
from anygate.dialects.inference_refusals import UNAVAILABLE, UNPROCESSABLE, refuse
from anygate.dialects.provider_backends import specialise
from anygate.dialects.ways import ENDPOINTS, Way, find_way
from anygate.model.backend import Backend
from anygate.model.edit import Respond, Rewrite
from anygate.model.inference import Cost, Inference, ModelEndpoint, Provider
from anygate.model.match import HttpMatch, PathMatch
from anygate.model.origin import Origin
from anygate.model.retry import Retry
from anygate.model.route import BackendTarget, Forward, HttpRoute, HttpRule, Timeouts
from anygate.providers.paths import ENDPOINT_PATHS

FIRST_BYTE = timedelta(seconds=60)
"""How long an answer may take to begin when nothing says otherwise."""

UNSERVED = "the backends of this model do not serve this endpoint"
"""What clients are told who ask a model for what none of its backends has."""

RETRY_ON = ("connect-failure", "refused-stream", "reset-before-request", "5xx", "retriable-status-codes")
RETRY_STATUSES = (429, 500, 502, 503, 504, 529)
_EXACT_PATH = 3
_NEVER = timedelta(0)


class Usable(NamedTuple):
    """A target that requests may go to, and who answers there."""

    target: BackendTarget
    provider: Provider


class Refiner:
    """Refines the routes of one model; `backends` are those of the model, and `made` those that refined rules name."""

    def __init__(self, context: Context, backends: dict[str, Backend]) -> None:
        self._context = context
        self._backends = backends
        self._quotas = Quotas(context)
        self.made: dict[str, Backend] = {}
        self.replaced: set[str] = set()

    def refine(self, route: HttpRoute, plan: Plan, costs: tuple[Cost, ...], proxy: str = "") -> HttpRoute:
        """A route with its rules refined: the one of the last compile if nothing that it is made of has changed.

        `proxy` is the address of the forward proxy that providers with TLS are reached through.
        """
        bases = [self._backends[name] for name in list_backends(route)]
        providers = [one.provider for rule in plan.rules for one in rule]
        priorities = tuple(one.priority for rule in plan.rules for one in rule)
        policies = self._quotas.policies
        key = ("ai-route", proxy, id(route), id(plan.source), *map(id, (*costs, *bases, *providers, *policies)))
        found = self._context.cache.get(key)
        if found is None:
            made: dict[str, Backend] = {}
            rules = tuple(self._refine_rules(route, plan, costs, proxy, made))
            kept = (route, plan.source, costs, tuple(bases), tuple(providers), priorities, policies)
            found = (msgspec.structs.replace(route, rules=rules), made, kept)
            self._context.cache.put(key, found)
        self.made |= found[1]
        self.replaced.update(base.name for base in bases)
        refined: HttpRoute = found[0]
        return refined

    def _refine_rules(
        self, route: HttpRoute, plan: Plan, costs: tuple[Cost, ...], proxy: str, made: dict[str, Backend]
    ) -> Iterator[HttpRule]:
        for rule, written, destinations in zip(route.rules, plan.source.spec.rules, plan.rules, strict=True):
            usable = self._find_usable(rule, destinations, proxy)
            for endpoint in ENDPOINTS:
                inference = Inference(origin=rule.origin, endpoint=endpoint, route=route.name, costs=costs)
                matches = tuple(_matches(rule, endpoint))
                asked = msgspec.structs.replace(
                    rule, name=f"{rule.name}/{endpoint}", matches=matches, inference=inference
                )
                yield self._answer(asked, endpoint, written, usable, made)

    def _find_usable(self, rule: HttpRule, destinations: Sequence[Destination], proxy: str) -> list[Usable]:
        """The targets of a rule that requests may go to; Envoy Gateway's fallback backends come after all others."""
        if not isinstance(rule.action, Forward):
            return []
        last = max((one.priority for one in destinations), default=0)
        found = []
        for target, one in zip(rule.action.targets, destinations, strict=True):
            if not target.backend or one.provider is None or not target.weight:
                continue
            base, provider = self._backends[target.backend], one.provider
            if proxy and base.tls is not None:
                # What speaks no TLS is on this side of the proxy: models in the cluster or on this machine.
                provider = msgspec.structs.replace(provider, forward_proxy=proxy)
            priority = one.priority + (last + 1 if base.fallback else 0)
            found.append(Usable(msgspec.structs.replace(target, priority=priority), provider))
        return found

    def _answer(
        self,
        rule: HttpRule,
        endpoint: ModelEndpoint,
        written: AIGatewayRouteRule,
        usable: list[Usable],
        made: dict[str, Backend],
    ) -> HttpRule:
        if not isinstance(rule.action, Forward):
            return rule
        if not usable:
            return _answered(rule, refuse(endpoint, UNAVAILABLE, *_explain_unusable(rule)))
        targets = []
        providers: dict[str, Provider] = {}
        for target, provider in usable:
            way = find_way(endpoint, provider)
            if way is Way.NOT:
                continue
            name = name_backend(target.backend, provider)
            if name not in made:
                made[name] = specialise(self._backends[target.backend], name, provider)
            providers[name] = provider
            targets.append(msgspec.structs.replace(target, backend=name, translated=way is Way.TRANSLATED))
        if not targets:
            formats = ", ".join(sorted({one.provider.format for one in usable}))
            text = f"{UNSERVED}: they speak {formats}"
            return _answered(rule, refuse(endpoint, UNPROCESSABLE, text, rule.origin))
        rewrite = rule.rewrite
        if not any(one.is_pool for one in written.backend_refs):
            # Providers are told apart by their host; the pods of a pool get the client's.
            rewrite = msgspec.structs.replace(rewrite or Rewrite(), host_from_backend=True)
        return msgspec.structs.replace(
            self._quotas.add(rule, providers),
            action=msgspec.structs.replace(rule.action, targets=tuple(targets)),
            rewrite=rewrite,
            timeouts=_complete_timeouts(rule, written),
            retry=rule.retry or _default_retry(rule, targets),
        )


def list_backends(route: HttpRoute) -> list[str]:
    """The backends that a route's rules go to, each once."""
    actions = (rule.action for rule in route.rules)
    targets = (target for action in actions if isinstance(action, Forward) for target in action.targets)
    return list(dict.fromkeys(target.backend for target in targets if target.backend))


def _matches(rule: HttpRule, endpoint: ModelEndpoint) -> Iterator[HttpMatch]:
    """A rule's matches at each path of an endpoint; among those for one path, more headers go first."""
    for path in ENDPOINT_PATHS[endpoint]:
        for match in rule.matches or (HttpMatch(origin=rule.origin),):
            yield msgspec.structs.replace(
                match,
                path=PathMatch(kind="exact", value=path),
                rank=(_EXACT_PATH, len(path), 0, len(match.headers), 0),
            )


def _answered(rule: HttpRule, answer: Respond) -> HttpRule:
    """A rule that answers by itself."""
    return msgspec.structs.replace(rule, action=answer, mirrors=(), retry=None, session=None, hash_policies=())


def _explain_unusable(rule: HttpRule) -> tuple[str, Origin, str]:
    """What a client hears of a rule that has no backend left, where the rule stands, and what people hear of it."""
    assert isinstance(rule.action, Forward)
    reasons = dict.fromkeys(one.reason for one in rule.action.targets if one.reason)
    why = "; ".join(reasons) or "the rule has no backend that takes requests"
    return "no backend of this model can be used: see the gateway's configuration", rule.origin, why


def _complete_timeouts(rule: HttpRule, written: AIGatewayRouteRule) -> Timeouts:
    """A rule's timeouts: without a limit for the whole exchange, one for the time until the answer begins.

    Tried on Envoy 1.40: the limit of one try ends with the first byte of its answer, so that it cuts no stream.
    """
    known = rule.timeouts
    first = known.attempt
    if known.request is None and first is None and (rule.retry is None or rule.retry.per_try_timeout is None):
        first = FIRST_BYTE
    return msgspec.structs.replace(
        known,
        request=_NEVER if known.request is None else known.request,
        attempt=first,
        attempt_idle=written.stream_idle_timeout,
    )


def _default_retry(rule: HttpRule, targets: Sequence[BackendTarget]) -> Retry | None:
    """A try for each further priority, so that failover needs no policy."""
    priorities = {target.priority for target in targets}
    if len(priorities) < 2:
        return None
    return Retry(origin=rule.origin, attempts=len(priorities) - 1, triggers=RETRY_ON, statuses=RETRY_STATUSES)
