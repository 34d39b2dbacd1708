"""Limits that all Envoys share, counted by the rate-limit service."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from google.protobuf.message import Message

from anygate.envoy.api import build, uint64
from anygate.envoy.cel import cost_expression, metadata_expression, typed_cel
from anygate.envoy.cel_grammar import quote
from anygate.envoy.filters.filter import NO_SCOPE, ChainEntry, Scope, enable, label
from anygate.envoy.filters.limit_actions import Action, build_actions, generic, limit_name
from anygate.envoy.names import LIMITS, SERVICES
from anygate.envoy.quotas import clusters_of, quotas_of
from anygate.model.limits import Expression, LimitRule, MetadataNumber
from anygate.model.listener import Server
from anygate.model.origin import Origin
from anygate.model.route import HttpRule

NAME = LIMITS
CLOSED = f"{NAME}/closed"
COSTS = "io.envoy.ai_gateway"
"""The namespace in which manifests speak of the costs of a rule. Nothing is ever written there: a reference to it
becomes the expression of the cost."""

_FILTER = "envoy.extensions.filters.http.ratelimit.v3.RateLimit"
_ROUTE = "envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute"
_DOMAIN = "anygate"
_TIMEOUT = timedelta(seconds=1)
"""Long enough for a machine that is busy: the service itself answers within a millisecond or so."""
_AGAIN = "anygate/quotas/again"
_CHARGE, _LIMIT, _SHADOW, _QUOTA, _PER, _BUCKET = "charge", "limit", "shadow", "quota", "per", "bucket"


class GlobalRateLimitFilter:
    """Two entries, for limits that fail open and for those that fail closed, with the limits on each route.

    A third one asks the route table again, for the routes that leave out backends whose quota is used up.

    https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/rate_limit_filter
    """

    def chain(self, server: Server, rules: Sequence[HttpRule]) -> list[ChainEntry]:
        """Return the entries that some rule needs."""
        wanted = {limit.fail_closed for rule in rules for limit in _limits(rule)}
        entries = [_entry(server, closed) for closed in (False, True) if closed in wanted]
        again = [ChainEntry(_AGAIN, _ask_again(), disabled=True, inert=True)] if any(map(quotas_of, rules)) else []
        return [*entries, *again]

    def route(self, rule: HttpRule, scope: Scope = NO_SCOPE) -> dict[str, Message]:
        """Return the route's limits."""
        headers = scope.server is None or scope.server.http.rate_limit_headers
        found: dict[str, Message] = {}
        for closed, name in ((False, NAME), (True, CLOSED)):
            limits = [limit for limit in _limits(rule) if limit.fail_closed is closed]
            if limits:
                found[name] = build(
                    _ROUTE, rate_limits=[one for limit in limits for one in _build(limit, rule, headers)]
                )
        return {**found, _AGAIN: enable()} if quotas_of(rule) else found


def _limits(rule: HttpRule) -> list[LimitRule]:
    return [limit for limit in rule.rate_limit.rules if limit.scope == "global"] if rule.rate_limit else []


def _entry(server: Server, closed: bool) -> ChainEntry:
    """Return the entry, off by default: it has no limits of its own, so for a route without any it does nothing."""
    config = build(
        _FILTER,
        domain=_DOMAIN,
        metadata_namespace=LIMITS,
        timeout=_TIMEOUT,
        failure_mode_deny=closed or None,
        rate_limit_service={
            "grpc_service": {"envoy_grpc": {"cluster_name": SERVICES}, "timeout": _TIMEOUT},
            "transport_api_version": "V3",
        },
        enable_retry_after_header=server.http.rate_limit_headers or None,
    )
    return ChainEntry(CLOSED if closed else NAME, config, disabled=True, inert=True)


def _build(limit: LimitRule, rule: HttpRule, headers: bool) -> list[dict[str, Any]]:
    """Return what is asked on the way in, and what is charged when the answer has ended."""
    name, per = limit_name(limit, rule.origin), f"{limit.requests}/{_seconds(limit)}"
    selected = build_actions(limit)
    if limit.backends:  # a quota may have several counters
        selected = [generic(_BUCKET, label(limit.origin)), *selected]

    def actions(mode: str) -> list[Action]:
        return [generic(mode, name), generic(_PER, per), *selected]

    shown = headers if limit.headers is None else limit.headers
    override = _metadata_key(limit.limit_from)
    asked = {
        "actions": actions(_SHADOW if limit.shadow else _QUOTA if limit.backends else _LIMIT),
        "hits_addend": _hits(limit.request_cost, rule, limit.origin),
        "limit": override,
        "x_ratelimit_option": "DRAFT_VERSION_03" if shown and not (limit.shadow or limit.backends) else "OFF",
    }
    if not limit.response_cost:
        return [asked]
    charged = {
        "actions": actions(_CHARGE),
        "hits_addend": _charge(limit, rule),
        "limit": override,
        "apply_on_stream_done": True,
    }
    return [asked, charged]


def _seconds(limit: LimitRule) -> int:
    return max(1, round(limit.unit.total_seconds()))


def _hits(cost: int | MetadataNumber | Expression, rule: HttpRule, origin: Origin) -> dict[str, Any] | None:
    if isinstance(cost, int):
        return None if cost == 1 else {"number": uint64(cost)}
    return {"format": typed_cel(_expression(cost, rule, origin))}


def _charge(limit: LimitRule, rule: HttpRule) -> dict[str, Any] | None:
    cost = limit.response_cost
    if not limit.backends:
        return _hits(cost, rule, limit.origin)
    clusters = ", ".join(quote(name) for name in clusters_of(limit, rule))
    amount = f"{cost}u" if isinstance(cost, int) else _expression(cost, rule, limit.origin)
    return {"format": typed_cel(f"xds.cluster_name in [{clusters}] ? ({amount}) : 0u")}


def _ask_again() -> Any:
    """Filter state that nobody reads: the filter is there for its `clear_route_cache`."""
    value = {
        "object_key": "anygate.quotas.asked",
        "factory_key": "envoy.string",
        "format_string": {"text_format_source": {"inline_string": "yes"}},
    }
    config = "envoy.extensions.filters.http.set_filter_state.v3.Config"
    return build(config, clear_route_cache=True, on_request_headers=[value])


def _expression(cost: MetadataNumber | Expression, rule: HttpRule, origin: Origin) -> str:
    inference = rule.inference
    if isinstance(cost, Expression):
        return cost_expression(cost.expression, origin, inference)
    if cost.namespace != COSTS or inference is None:
        return metadata_expression(cost.namespace, cost.key)
    # Where a key is there twice, the last one holds.
    found = next((one for one in reversed(inference.costs) if one.key == cost.key), None)
    return cost_expression(found.expression, found.origin, inference) if found else "0u"


def _metadata_key(found: MetadataNumber | None) -> dict[str, Any] | None:
    if found is None:
        return None
    key = {"key": found.namespace, "path": [{"key": found.key}]}
    return {"dynamic_metadata": {"metadata_key": key}}
