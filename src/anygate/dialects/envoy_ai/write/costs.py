"""What requests cost, as `llmRequestCosts`, and limits that are charged with it."""

from typing import Any

import msgspec

from anygate.dialects.envoy_ai.write.findings import MODEL_ROUTING, MODEL_SETTING
from anygate.dialects.guest_routes import Host
from anygate.model.inference import Cost
from anygate.model.limits import Expression, LimitRule, MetadataNumber, RateLimit
from anygate.model.route import HttpRule

NAMESPACE = "io.envoy.ai_gateway"
_TYPES = {
    "input_tokens": "InputToken",
    "output_tokens": "OutputToken",
    "total_tokens": "TotalToken",
    "cached_input_tokens": "CachedInputToken",
    "cache_creation_input_tokens": "CacheCreationInputToken",
    "reasoning_tokens": "ReasoningToken",
}


def write_cost(key: str, expression: str) -> dict[str, Any]:
    """One number that is kept of each request."""
    kind = _TYPES.get(expression)
    if kind is not None:
        return {"metadataKey": key, "type": kind}
    return {"metadataKey": key, "type": "CEL", "cel": expression}


def charge(host: Host, rule: HttpRule, costs: dict[str, str]) -> HttpRule:
    """A rule whose limits are charged with costs of its route; `costs` by their keys get those that are missing."""
    costs.update((one.key, one.expression) for one in _costs_of(rule))
    for one in rule.rate_limit.rules if rule.rate_limit is not None else ():
        if one.backends:
            text = "the quota is left out: when it is used up, requests no longer go to other backends"
            host.lose(MODEL_ROUTING, one.origin, text)
    kept = keep_limits(rule)
    if kept is None:
        return msgspec.structs.replace(rule, rate_limit=None)
    limits = tuple(_charge(host, one, costs) for one in kept.rules)
    return msgspec.structs.replace(rule, rate_limit=msgspec.structs.replace(kept, rules=limits))


def keep_limits(rule: HttpRule) -> RateLimit | None:
    """The limits of a rule that are not those of single backends."""
    found = rule.rate_limit
    if found is None or not any(one.backends for one in found.rules):
        return found
    kept = tuple(one for one in found.rules if not one.backends)
    return msgspec.structs.replace(found, rules=kept) if kept else None


def _costs_of(rule: HttpRule) -> tuple[Cost, ...]:
    return rule.inference.costs if rule.inference is not None else ()


def _charge(host: Host, limit: LimitRule, costs: dict[str, str]) -> LimitRule:
    cost = limit.response_cost
    if not isinstance(cost, Expression):
        return limit
    if cost.estimated:
        text = "what a client that hangs up has used is not estimated, and not charged"
        host.lose(MODEL_SETTING, limit.origin, text)
    key = next((name for name, known in costs.items() if known == cost.expression), "")
    if not key:
        base = f"llm_{cost.expression.removesuffix('s')}" if cost.expression in _TYPES else "llm_cost"
        key = base if base not in costs else f"{base}_{len(costs)}"
        costs[key] = cost.expression
    return msgspec.structs.replace(limit, response_cost=MetadataNumber(namespace=NAMESPACE, key=key))
