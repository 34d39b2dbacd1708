"""What an Anthropic stream says about its usage at its start, which is all there is if it breaks off.

Reference: envoy/extensions/filters/http/sse_to_metadata/v3/sse_to_metadata.proto.
"""

from collections.abc import Sequence
from typing import Any

from google.protobuf.message import Message

from anygate.envoy.api import build, typed
from anygate.envoy.filters.filter import NO_SCOPE, ChainEntry, Scope, enable
from anygate.envoy.names import STARTED
from anygate.model.listener import Server
from anygate.model.route import HttpRule

NAME = "anygate/stream-start"
_FILTER = "envoy.extensions.filters.http.sse_to_metadata.v3.SseToMetadata"
_PARSER = "envoy.extensions.content_parsers.json.v3.JsonContentParser"
_COUNTS = {
    "input": "input_tokens",
    "cached": "cache_read_input_tokens",
    "creation": "cache_creation_input_tokens",
}


class StreamStartFilter:
    """Reads `message_start` of answers to `messages`, and no event after it.

    Tried on Envoy 1.40: ai_protocol_manager publishes nothing when a client hangs up or a provider breaks off, and
    what this filter has read by then is in the access log's entry. It costs 5 us a stream where `message_start` has
    all three counts, as Anthropic's has; where one is missing it goes on looking, at 2.5 us an event.
    """

    def chain(self, server: Server, rules: Sequence[HttpRule]) -> list[ChainEntry]:
        """Return the entry if there are rules for `messages`."""
        if not any(_is_wanted(rule) for rule in rules):
            return []
        parser = {"name": "json", "typed_config": typed(_PARSER, rules=[_rule(*one) for one in _COUNTS.items()])}
        config = build(_FILTER, response_rules={"content_parser": parser})
        return [ChainEntry(NAME, config, disabled=True, inert=True)]

    def route(self, rule: HttpRule, scope: Scope = NO_SCOPE) -> dict[str, Message]:
        """Turn it on for `messages`."""
        return {NAME: enable()} if _is_wanted(rule) else {}


def _is_wanted(rule: HttpRule) -> bool:
    return rule.inference is not None and rule.inference.endpoint == "messages"


def _rule(key: str, field: str) -> dict[str, Any]:
    found = {"metadata_namespace": STARTED, "key": key, "type": "NUMBER"}
    selectors = [{"key": name} for name in ("message", "usage", field)]
    return {"rule": {"selectors": selectors, "on_present": found}, "stop_processing_after_matches": 1}
