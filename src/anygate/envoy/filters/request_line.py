"""Changes to a request's first line that Envoy's routes have no field for: its method, and a query to begin with."""

from collections.abc import Sequence

from google.protobuf.message import Message

from anygate.envoy.filters.filter import NO_SCOPE, ChainEntry, Scope
from anygate.envoy.filters.script import plain_script, script_entry, script_settings
from anygate.model.listener import Server
from anygate.model.route import HttpRule

NAME = "anygate/request_line"


class RequestLineFilter:
    """One entry, with the method and the query on each route. A route is chosen before, by what the client sent.

    Tried on Envoy 1.40: its header mutation filter refuses headers that begin with a colon, and a query in
    `path_rewrite` is put before a second question mark.
    """

    def chain(self, server: Server, rules: Sequence[HttpRule]) -> list[ChainEntry]:
        """Return the entry where a rule changes either."""
        del server
        return [script_entry(NAME, plain_script("request_line.lua"))] if any(map(_context, rules)) else []

    def route(self, rule: HttpRule, scope: Scope = NO_SCOPE) -> dict[str, Message]:
        """Return the route's method and query."""
        del scope
        context = _context(rule)
        return {NAME: script_settings(context)} if context else {}


def _context(rule: HttpRule) -> dict[str, str]:
    if rule.rewrite is None:
        return {}
    wanted = {"method": rule.rewrite.method, "query": rule.rewrite.query}
    return {name: value for name, value in wanted.items() if value}
