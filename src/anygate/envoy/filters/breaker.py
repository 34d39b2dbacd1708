"""Breakers by host and path."""

from collections.abc import Sequence

from google.protobuf.message import Message

from anygate.envoy.filters.filter import NO_SCOPE, ChainEntry, Scope, label
from anygate.envoy.filters.script import plain_script, script_entry, script_settings
from anygate.model.listener import Server
from anygate.model.route import HttpRule

NAME = "anygate/breaker"


class BreakerFilter:
    """One entry, with the breaker of each route. Envoy's own detection of outliers is about endpoints, not paths."""

    def chain(self, server: Server, rules: Sequence[HttpRule]) -> list[ChainEntry]:
        """Return the entry where a rule has a breaker."""
        del server
        return [script_entry(NAME, plain_script("breaker.lua"))] if any(rule.breaker for rule in rules) else []

    def route(self, rule: HttpRule, scope: Scope = NO_SCOPE) -> dict[str, Message]:
        """Return the route's breaker."""
        del scope
        breaker = rule.breaker
        if breaker is None:
            return {}
        context = {
            "rule": label(breaker.origin),
            "status": breaker.status,
            "body": breaker.body,
            "headers": [{"name": name.lower(), "value": value} for name, value in breaker.headers],
            "longest": breaker.longest.total_seconds(),
            "failing": list(breaker.failing),
            "failures": breaker.failures,
            "healthy": list(breaker.healthy),
            "successes": breaker.successes,
        }
        return {NAME: script_settings(context)}
