"""Callers whose requests another rule decides once they are known."""

from collections.abc import Iterable, Sequence

from google.protobuf.message import Message

from anygate.envoy.filters.filter import NO_SCOPE, ChainEntry, Scope
from anygate.envoy.filters.script import plain_script, script_entry, script_settings
from anygate.envoy.refusal import CannotBuild
from anygate.model.inference_rows import RESERVED
from anygate.model.listener import Server
from anygate.model.route import HttpRule

NAME = "anygate/handover"


class HandoverFilter:
    """One entry, with the callers of each route.

    Tried on Envoy 1.40: the filters behind it go by the settings of the route that is chosen then, and so does what
    those before it do with the answer. What they have done with the request is done.
    """

    def chain(self, server: Server, rules: Sequence[HttpRule]) -> list[ChainEntry]:
        """Return the entry where a rule hands requests over. A rule refuses these callers itself, so that on a
        connection from before the entry nobody gets past (see `HttpFilter.chain`)."""
        del server
        return [script_entry(NAME, plain_script("handover.lua"))] if hands_over(rules) else []

    def route(self, rule: HttpRule, scope: Scope = NO_SCOPE) -> dict[str, Message]:
        """Return the route's callers, and how the rules for them are told."""
        handover = rule.security.handover if rule.security else None
        if handover is None:
            return {}
        if scope.server and handover.header not in scope.server.http.caller_headers:
            raise CannotBuild(handover.origin, f"clients could send {handover.header} themselves")
        if not handover.mark.startswith(RESERVED):
            raise CannotBuild(handover.origin, f"clients could send {handover.mark} themselves")
        context = {"header": handover.header, "mark": handover.mark, "rules": dict(handover.rules)}
        return {NAME: script_settings(context)}


def hands_over(rules: Iterable[HttpRule]) -> bool:
    """Whether requests may be decided by another rule than the one that they meet first, so that filters which that
    one turned on have to be told when they are not wanted (see `envoy/switch.py`)."""
    return any(rule.security and rule.security.handover for rule in rules)
