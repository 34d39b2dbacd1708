"""The rate limits of a BackendTrafficPolicy, local and global."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Literal

from anygate.diagnostics import FieldPath
from anygate.dialects.gateway_api.context import origin
from anygate.dialects.gateway_api.kinds.envoy_gateway.rate_limit import (
    RateLimitCostMetadata,
    RateLimitCostSpecifier,
    RateLimitHeaderMatch,
    RateLimitQueryParamMatch,
    RateLimitRule,
    RateLimitSpec,
)
from anygate.dialects.limit_selectors import read_selector
from anygate.manifests.object import Manifest
from anygate.model.limits import LimitRule, MetadataNumber, RateLimit

_UNITS = {
    "Second": timedelta(seconds=1),
    "Minute": timedelta(minutes=1),
    "Hour": timedelta(hours=1),
    "Day": timedelta(days=1),
    # As the rate-limit service of Envoy has them.
    "Month": timedelta(days=30),
    "Year": timedelta(days=365),
}
_Scope = Literal["local", "global"]
_Named = RateLimitHeaderMatch | RateLimitQueryParamMatch


def read_rate_limit(manifest: Manifest, spec: RateLimitSpec) -> RateLimit:
    """Read the limits, the local ones first."""
    return RateLimit(
        origin=origin(manifest, ("spec", "rateLimit")),
        rules=tuple(_read_rule(manifest, rule, scope, path) for scope, path, rule in _all(spec)),
    )


def find_unread_limits(spec: RateLimitSpec | None) -> Iterator[tuple[FieldPath, str]]:
    """Fields of the limits that have no effect here, each with a sentence."""
    for scope, path, rule in _all(spec) if spec else ():
        request = rule.cost.request if rule.cost else None
        if scope == "local" and request is not None and request.number == 0:
            yield (*path, "cost", "request"), "a local limit from which requests take nothing holds nobody back"
        for place, selector in enumerate(rule.client_selectors):
            named: dict[str, Sequence[_Named]] = {
                "headers": selector.headers or (),
                "queryParams": selector.query_params or (),
            }
            for name, found in named.items():
                for number, one in enumerate(found):
                    if one.type == "Distinct" and one.invert:
                        at: FieldPath = (*path, "clientSelectors", place, name, number, "invert")
                        yield at, "invert means nothing where each value has its own limit"


def _all(spec: RateLimitSpec) -> Iterator[tuple[_Scope, FieldPath, RateLimitRule]]:
    for number, rule in enumerate(spec.local.rules if spec.local else ()):
        yield "local", ("spec", "rateLimit", "local", "rules", number), rule
    for number, rule in enumerate(spec.global_.rules if spec.global_ else ()):
        yield "global", ("spec", "rateLimit", "global", "rules", number), rule


def _read_rule(manifest: Manifest, rule: RateLimitRule, scope: _Scope, path: FieldPath) -> LimitRule:
    shown = rule.x_rate_limit_headers
    return LimitRule(
        origin=origin(manifest, path),
        requests=rule.limit.requests,
        unit=_UNITS[rule.limit.unit],
        scope=scope,
        selectors=tuple(read_selector(one) for one in rule.client_selectors),
        shadow=rule.shadow_mode,
        shared=rule.shared,
        request_cost=_read_cost(rule.cost.request if rule.cost else None, 1),
        response_cost=_read_cost(rule.cost.response if rule.cost else None, 0),
        limit_from=_read_metadata(rule.limit.from_metadata),
        headers=None if shown is None else shown == "DraftVersion03",
    )


def _read_cost(found: RateLimitCostSpecifier | None, otherwise: int) -> int | MetadataNumber:
    if found is None:
        return otherwise
    return _read_metadata(found.metadata) or found.number or 0


def _read_metadata(found: RateLimitCostMetadata | None) -> MetadataNumber | None:
    return MetadataNumber(namespace=found.namespace, key=found.key) if found else None
