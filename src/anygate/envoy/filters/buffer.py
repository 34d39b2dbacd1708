"""Whole request bodies before anything is sent on, and a bound on their size."""

from collections.abc import Sequence

from google.protobuf.message import Message

from anygate.envoy.api import build, uint32
from anygate.envoy.filters.filter import NO_SCOPE, ChainEntry, Scope
from anygate.model.listener import Server
from anygate.model.route import HttpRule

NAME = "envoy.filters.http.buffer"
_PLACEHOLDER = 1
"""Envoy wants a limit in the chain too; every route that turns the filter on brings its own."""


class BufferFilter:
    """One entry, with `HttpRule.request_buffer` as the limit on each route; larger bodies get 413.

    Tried on Envoy 1.40: a body that an earlier filter has already held passes whatever the limit, also one that arrived
    while a filter waited for a service. So it stands before all that wait, and for AI requests, whose model is read
    first, the limit is a matter of the routes (`envoy/inference_actions.py`).
    https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/buffer_filter
    """

    def chain(self, server: Server, rules: Sequence[HttpRule]) -> list[ChainEntry]:
        """Return the entry where a rule has a limit, and in every chain of a gateway whose limits guard its rules.

        (See `HttpFilter.chain`.)
        """
        if not server.http.caller_headers and not any(rule.request_buffer and not rule.inference for rule in rules):
            return []
        config = build("envoy.extensions.filters.http.buffer.v3.Buffer", max_request_bytes=uint32(_PLACEHOLDER))
        return [ChainEntry(NAME, config, disabled=True)]

    def route(self, rule: HttpRule, scope: Scope = NO_SCOPE) -> dict[str, Message]:
        """Return the route's limit."""
        del scope
        if not rule.request_buffer or rule.inference:
            return {}
        return {
            NAME: build(
                "envoy.extensions.filters.http.buffer.v3.BufferPerRoute",
                buffer={"max_request_bytes": uint32(rule.request_buffer)},
            )
        }
