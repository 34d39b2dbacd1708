"""QuotaPolicy: what a backend may spend on a model in a time, whichever routes lead there.

A quota belongs to a backend, so when it is used up that backend is left out, and requests go to others that their rule
has; without any they are answered with 429. Each bucket has to have something left, the default one and all whose
clients a request is from.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

import msgspec

from anygate.diagnostics import FieldPath
from anygate.dialects.envoy_ai.context import Context, origin
from anygate.dialects.envoy_ai.expressions import read_expression
from anygate.dialects.envoy_ai.kinds.groups import AI_GATEWAY_GROUP
from anygate.dialects.envoy_ai.kinds.quotapolicy import QuotaPolicy, QuotaRule, QuotaValue
from anygate.dialects.envoy_ai.route_findings import COST_INVALID, NOT_HONOURED, POLICY_TARGET_NOT_FOUND
from anygate.dialects.limit_selectors import read_selector
from anygate.model.inference import MODEL_HEADER, Provider
from anygate.model.limits import Expression, LimitRule, RateLimit
from anygate.model.route import HttpRule

_UNITS = {
    "1s": timedelta(seconds=1),
    "1m": timedelta(minutes=1),
    "1h": timedelta(hours=1),
    "1d": timedelta(days=1),
    "1w": timedelta(weeks=1),
    "1mo": timedelta(days=30),
    "1y": timedelta(days=365),
}
_EVERY_MODEL = "*"
_DEFAULT_COST = "total_tokens"


class _Quota(NamedTuple):
    """The limits of one backend and model; those of a rule are the same with the rule's backends in them."""

    limits: tuple[LimitRule, ...]
    policy: QuotaPolicy
    path: FieldPath


class Quotas:
    """The quotas by backend (`namespace/name`) and model. Of two the policy whose name comes first holds."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._quotas: dict[tuple[str, str], _Quota] = {}
        found = [one for one in context.index.all(AI_GATEWAY_GROUP, "QuotaPolicy") if isinstance(one, QuotaPolicy)]
        self.policies = tuple(sorted(found, key=lambda one: (one.namespace, one.name)))
        for policy in self.policies:
            self._read(policy)

    def add(self, rule: HttpRule, providers: Mapping[str, Provider]) -> HttpRule:
        """A rule with the quotas of its backends; `providers` are who answers at each."""
        named: dict[tuple[str, str], list[str]] = {}
        for backend, provider in providers.items():
            model = provider.model or _find_model(rule)
            key = (provider.name, model) if (provider.name, model) in self._quotas else (provider.name, _EVERY_MODEL)
            if key in self._quotas:
                named.setdefault(key, []).append(backend)
        if not named:
            return rule
        own = rule.rate_limit or RateLimit(origin=self._quotas[next(iter(named))].limits[0].origin)
        added = tuple(
            msgspec.structs.replace(limit, backends=tuple(sorted(backends)))
            for key, backends in named.items()
            for limit in self._quotas[key].limits
        )
        return msgspec.structs.replace(rule, rate_limit=msgspec.structs.replace(own, rules=(*own.rules, *added)))

    def _read(self, policy: QuotaPolicy) -> None:
        targets = list(self._find_targets(policy))
        for number, quota in enumerate(policy.spec.per_model_quotas):
            path: FieldPath = ("spec", "perModelQuotas", number)
            inner = (*path, "quota")
            cost = self._read_cost(policy, quota.quota.cost_expression, inner)
            buckets = list(_list_buckets(quota.quota.default_bucket, quota.quota.bucket_rules, inner))
            self._keep(policy, targets, quota.model_name, path, cost, buckets)
        service = policy.spec.service_quota
        if service is not None:
            path = ("spec", "serviceQuota")
            cost = self._read_cost(policy, service.cost_expression, path)
            self._keep(policy, targets, _EVERY_MODEL, path, cost, [((*path, "quota"), service.quota, None)])

    def _find_targets(self, policy: QuotaPolicy) -> Iterator[str]:
        for number, target in enumerate(policy.spec.target_refs):
            if (policy.namespace, target.name) in self._context.backends:
                yield f"{policy.namespace}/{target.name}"
                continue
            text = f"there is no AIServiceBackend/{policy.namespace}/{target.name}"
            self._context.add(POLICY_TARGET_NOT_FOUND, text, policy.manifest, ("spec", "targetRefs", number))
            self._context.conditions.refuse(policy.ref, text)

    def _read_cost(self, policy: QuotaPolicy, text: str | None, path: FieldPath) -> str:
        if not text:
            return _DEFAULT_COST
        found = read_expression(text)
        if found.problem:
            message = f"invalid CEL expression of a quota: {found.problem}"
            self._context.add(COST_INVALID, message, policy.manifest, (*path, "costExpression"))
            self._context.conditions.refuse(policy.ref, message)
        return "" if found.problem else text

    def _keep(
        self,
        policy: QuotaPolicy,
        targets: Sequence[str],
        model: str,
        path: FieldPath,
        cost: str,
        buckets: Sequence["_Bucket"],
    ) -> None:
        for target in targets if cost else ():
            known = self._quotas.get((target, model))
            if known is not None:
                text = f"{known.policy.ref} already has a quota for this model of {target}"
                self._context.add(NOT_HONOURED, text, policy.manifest, path)
                continue
            name = f"{policy.ref}/{target}/{model}"
            limits = tuple(_limit(policy, name, cost, *bucket) for bucket in buckets)
            if limits:
                self._quotas[target, model] = _Quota(limits, policy, path)


_Bucket = tuple[FieldPath, QuotaValue, QuotaRule | None]


def _list_buckets(default: QuotaValue | None, rules: Sequence[QuotaRule], path: FieldPath) -> Iterator[_Bucket]:
    if default is not None:
        yield (*path, "defaultBucket"), default, None
    for number, rule in enumerate(rules):
        yield (*path, "bucketRules", number), rule.quota, rule


def _limit(
    policy: QuotaPolicy, name: str, cost: str, path: FieldPath, value: QuotaValue, rule: QuotaRule | None
) -> LimitRule:
    return LimitRule(
        origin=origin(policy.manifest, path),
        requests=value.limit,
        unit=_UNITS[value.duration],
        name=name,
        scope="global",
        selectors=tuple(read_selector(one) for one in rule.client_selectors) if rule else (),
        shadow=rule.shadow_mode if rule else False,
        request_cost=0,
        response_cost=Expression(expression=cost),
    )


def _find_model(rule: HttpRule) -> str:
    """The one model that a rule is for, or nothing."""
    models = {
        next((one.value for one in match.headers if one.name.lower() == MODEL_HEADER and one.kind == "exact"), "")
        for match in rule.matches
    }
    return models.pop() if len(models) == 1 else ""
