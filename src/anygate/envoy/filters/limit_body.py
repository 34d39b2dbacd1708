"""What limits want to know of a request's body: who the user is, and how many tokens are asked for at most."""

from collections.abc import Sequence
from typing import Any

from google.protobuf.message import Message

from anygate.envoy.api import build
from anygate.envoy.filters.filter import NO_SCOPE, ChainEntry, Scope, enable
from anygate.model.listener import Server
from anygate.model.route import HttpRule

NAME = "anygate/limits/body"
ASKED = "anygate.asked"
"""The dynamic metadata with what a body says."""

USER_KEYS = ("user", "user_id")
"""The keys of the user, in OpenAI's formats and in Anthropic's."""

MOST_KEYS = ("max_completion_tokens", "max_output_tokens", "max_tokens")
"""The keys of the most tokens that an answer may have, in the order in which they are believed."""

_PLACES = {
    "user": ("user",),
    "user_id": ("metadata", "user_id"),
    **{key: (key,) for key in MOST_KEYS},
}


class LimitBodyFilter:
    """One entry, on for rules with limits that want to know.

    It holds JSON bodies until they are whole; other bodies pass as they come.
    https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/json_to_metadata_filter
    """

    def chain(self, server: Server, rules: Sequence[HttpRule]) -> list[ChainEntry]:
        """Return the entry if there are such limits."""
        del server
        if not any(map(_is_wanted, rules)):
            return []
        found = [
            {"selectors": [{"key": one} for one in path], "on_present": _note(key)} for key, path in _PLACES.items()
        ]
        config = build(
            "envoy.extensions.filters.http.json_to_metadata.v3.JsonToMetadata",
            request_rules={
                "rules": found,
                "allow_empty_content_type": True,
                "allow_content_types_regex": {"regex": "(?i)application/.*json.*"},
            },
        )
        return [ChainEntry(NAME, config, disabled=True, inert=True)]

    def route(self, rule: HttpRule, scope: Scope = NO_SCOPE) -> dict[str, Message]:
        """Turn it on."""
        del scope
        return {NAME: enable()} if _is_wanted(rule) else {}


def _is_wanted(rule: HttpRule) -> bool:
    limits = rule.rate_limit.rules if rule.rate_limit else ()
    return any(limit.reserves or any(one.distinct_callers == "user" for one in limit.selectors) for limit in limits)


def _note(key: str) -> dict[str, Any]:
    return {"metadata_namespace": ASKED, "key": key, "type": "NUMBER" if key in MOST_KEYS else "STRING"}
