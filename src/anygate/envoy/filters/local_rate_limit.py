"""Limits on the number of requests, counted in each Envoy by itself."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from google.protobuf.message import Message

from anygate.envoy.api import bool_value, build, uint32
from anygate.envoy.filters.filter import NO_SCOPE, ChainEntry, Scope
from anygate.envoy.filters.matches import cidr_range, path_header
from anygate.envoy.matches import build_header_match
from anygate.model.limits import LimitRule, LimitSelector, RateLimit
from anygate.model.listener import Server
from anygate.model.match import ValueMatch
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
    """One entry, with the limits on each route; a request beyond a limit is answered with 429.

    https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/local_rate_limit_filter
    """

    def chain(self, server: Server, rules: Sequence[HttpRule]) -> list[ChainEntry]:
        """Return the entry where a rule has local limits."""
        del server
        if not any(_limits(rule) for rule in rules):
            return []
        return [ChainEntry(NAME, build(LIMIT, stat_prefix=_STATS), disabled=True)]

    def route(self, rule: HttpRule, scope: Scope = NO_SCOPE) -> dict[str, Message]:
        """Return the route's limits."""
        limits = _limits(rule)
        if not limits:
            return {}
        headers = scope.server is None or scope.server.http.rate_limit_headers
        return {NAME: build_limits(limits, headers=headers)}


def build_limits(limits: RateLimit, *, headers: bool) -> Any:
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
                "actions": _actions(number, rule),
                # Here and not for the whole filter, which would show that bucket's size to clients.
                "x_ratelimit_option": "DRAFT_VERSION_03" if headers else "OFF",
            }
            for number, rule in enumerate(limits.rules)
        ],
        descriptors=[
            {
                "entries": _entries(number, rule),
                "token_bucket": _bucket(rule.requests, rule.unit),
                "shadow_mode": rule.shadow or None,
            }
            for number, rule in enumerate(limits.rules)
        ],
        enable_retry_after_header=headers or None,
    )


def _limits(rule: HttpRule) -> RateLimit | None:
    found = rule.rate_limit
    return found if found and found.scope == "local" and found.rules else None


def _bucket(requests: int, unit: timedelta) -> dict[str, Any]:
    return {"max_tokens": requests, "tokens_per_fill": uint32(requests), "fill_interval": unit}


def _actions(number: int, rule: LimitRule) -> list[dict[str, Any]]:
    """What a request is asked. Where an action finds nothing, the rule does not count the request."""
    actions: list[dict[str, Any]] = [{"generic_key": {"descriptor_key": "rule", "descriptor_value": str(number)}}]
    for selector in rule.selectors:
        matchers = _matchers(selector, rule)
        if matchers:
            actions.append({"header_value_match": {"descriptor_value": "yes", "headers": matchers}})
        if selector.cidr:
            ranges = [cidr_range(selector.cidr, rule.origin)]
            actions.append({"remote_address_match": {"descriptor_value": "yes", "address_matcher": {"ranges": ranges}}})
        actions.extend(
            {"request_headers": {"header_name": name, "descriptor_key": name}} for name in selector.distinct_headers
        )
        if selector.distinct_addresses:
            actions.append({"remote_address": {}})
    return actions


def _entries(number: int, rule: LimitRule) -> list[dict[str, str]]:
    """What the actions give, in their order; an entry without a value stands for each value apart."""
    entries = [{"key": "rule", "value": str(number)}]
    for selector in rule.selectors:
        if _matchers(selector, rule):
            entries.append({"key": "header_match", "value": "yes"})
        if selector.cidr:
            entries.append({"key": "remote_address_match", "value": "yes"})
        entries.extend({"key": name} for name in selector.distinct_headers)
        if selector.distinct_addresses:
            entries.append({"key": "remote_address"})
    return entries


def _matchers(selector: LimitSelector, rule: LimitRule) -> list[Any]:
    found = [build_header_match(match, rule.origin) for match in selector.headers]
    if selector.methods:
        wanted = ValueMatch(name=":method", kind="regex", value="|".join(selector.methods))
        found.append(build_header_match(wanted, rule.origin))
    if selector.path:
        found.append(path_header(selector.path))
    return found
