"""Limits on the number of requests, counted in each Envoy by itself."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from google.protobuf.message import Message

from anygate.envoy.api import bool_value, build, uint32, uint64
from anygate.envoy.cel import metadata_expression, typed_cel
from anygate.envoy.filters.filter import NO_SCOPE, ChainEntry, Scope, enable, label, only
from anygate.envoy.filters.limit_actions import build_actions, build_entries, generic
from anygate.model.limits import LimitRule
from anygate.model.listener import Server
from anygate.model.origin import NOWHERE
from anygate.model.route import HttpRule

NAME = "envoy.filters.http.local_ratelimit"
LIMIT = "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"
_STATS = "local_rate_limit"
_DYNAMIC = 10_000
"""How many values of distinct headers or addresses one limit counts apart; the oldest is forgotten beyond it.

Envoy's own 20 would let a client reset its count by sending 20 other values.
"""
_UNLIMITED = 2**32 - 1
_ALL = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}


class LocalRateLimitFilter:
    """One entry with the limits on each route, and one for each limit that routes share; beyond a limit there is 429.

    A bucket belongs to the settings it stands in, so one that routes share stands in an entry of its own.
    https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/local_rate_limit_filter
    """

    def chain(self, server: Server, rules: Sequence[HttpRule]) -> list[ChainEntry]:
        """Return the entries that some rule needs."""
        shown = server.http.rate_limit_headers
        shared = [limit for rule in rules for limit in _limits(rule, shared=True)]
        entries = [
            (limit.origin, ChainEntry(_shared_name(limit), build_limits([limit], shown), True)) for limit in shared
        ]
        if any(_limits(rule, shared=False) for rule in rules):
            entries.append((NOWHERE, ChainEntry(NAME, build(LIMIT, stat_prefix=_STATS), disabled=True, inert=True)))
        return only(entries)

    def route(self, rule: HttpRule, scope: Scope = NO_SCOPE) -> dict[str, Message]:
        """Return the route's own limits, and turn on those that it shares with others."""
        headers = scope.server is None or scope.server.http.rate_limit_headers
        own = _limits(rule, shared=False)
        found: dict[str, Message] = {_shared_name(limit): enable() for limit in _limits(rule, shared=True)}
        return {**found, NAME: build_limits(own, headers)} if own else found


def build_limits(limits: Sequence[LimitRule], headers: bool) -> Any:
    """Return the `LocalRateLimit`: for each rule a descriptor with its own bucket, all of which need room."""
    return build(
        LIMIT,
        stat_prefix=_STATS,
        filter_enabled=_ALL,
        filter_enforced=_ALL,
        # Envoy wants a bucket for requests that no rule is about; it must not hold them back.
        token_bucket=_bucket(_UNLIMITED, timedelta(seconds=1)),
        always_consume_default_token_bucket=bool_value(False),
        max_dynamic_descriptors=uint32(_DYNAMIC),
        rate_limits=[
            {
                "actions": [generic("rule", str(number)), *build_actions(limit)],
                "hits_addend": _hits(limit),
                # Here and not for the whole filter, which would show that bucket's size to clients.
                "x_ratelimit_option": "DRAFT_VERSION_03" if _is_shown(limit, headers) else "OFF",
            }
            for number, limit in enumerate(limits)
        ],
        descriptors=[
            {
                "entries": [{"key": "rule", "value": str(number)}, *build_entries(limit)],
                "token_bucket": _bucket(max(1, limit.requests), limit.unit),
                "shadow_mode": limit.shadow or None,
            }
            for number, limit in enumerate(limits)
        ],
        enable_retry_after_header=any(_is_shown(limit, headers) for limit in limits) or None,
    )


def _limits(rule: HttpRule, *, shared: bool) -> list[LimitRule]:
    """Return a rule's local limits. One that takes nothing from its bucket holds nobody back, but Envoy would."""
    limits = rule.rate_limit.rules if rule.rate_limit else ()
    return [one for one in limits if one.scope == "local" and one.shared is shared and one.request_cost != 0]


def _shared_name(limit: LimitRule) -> str:
    return f"{NAME}/{label(limit.origin)}"


def _is_shown(limit: LimitRule, headers: bool) -> bool:
    return headers if limit.headers is None else limit.headers


def _hits(limit: LimitRule) -> dict[str, Any] | None:
    cost = limit.request_cost
    if limit.requests == 0:  # Envoy has no empty buckets, so each request wants more than is in it
        return {"number": uint64(2)}
    if isinstance(cost, int):
        return None if cost == 1 else {"number": uint64(cost)}
    return {"format": typed_cel(metadata_expression(cost.namespace, cost.key))}


def _bucket(requests: int, unit: timedelta) -> dict[str, Any]:
    return {"max_tokens": requests, "tokens_per_fill": uint32(requests), "fill_interval": unit}
