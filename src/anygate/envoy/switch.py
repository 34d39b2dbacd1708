"""Switches for filters that cannot be told by a route to do nothing.

An AI request meets an entrance first, and Envoy makes the chain of filters for the route that a request meets first.
So an entrance turns on every filter that any of the routes behind it may want, and a route that wants one of them no
more than the others has to be left alone by it.

Tried on Envoy 1.40, with a filter that the first route turned on and of which the final route says nothing: CORS,
faults, JWT, RBAC, both rate limits, sessions and usage do nothing. API keys and basic auth refuse the request, external
authorization asks its service, OAuth2 sends the client to log in, and the credential injector injects; none of them
but external authorization could be told not to. Those are wrapped: `match_delegate` evaluates its matcher when the
request reaches it, on the final route, and the filter inside finds the route's settings for it under the name of the
wrapper. The matcher asks whether the route's metadata names the filter; should that ever fail to evaluate, the filter
runs, and refuses.
"""

from collections.abc import Iterable
from functools import cache
from typing import Any

from anygate.envoy.api import any_of, build, typed
from anygate.envoy.cel_tree import call, route_metadata, text
from anygate.envoy.filters.filter import ChainEntry
from anygate.envoy.names import ORIGIN
from anygate.envoy.wire import text_entry

_MATCHING = "envoy.extensions.common.matching.v3.ExtensionWithMatcher"
_ON = "on"


def with_switches(entries: Iterable[ChainEntry]) -> list[ChainEntry]:
    """Wrap the entries that would do something on a route that says nothing of them."""
    return [entry if entry.inert or not entry.disabled else _wrap(entry) for entry in entries]


def switches(names: Iterable[str]) -> bytes:
    """What a route's metadata says (of the namespace that names origins) to have those filters run, serialised."""
    return b"".join(text_entry(_switch(name), _ON) for name in names)


def _switch(name: str) -> str:
    return f"filter:{name}"


def _wrap(entry: ChainEntry) -> ChainEntry:
    skip = {"name": "skip", "typed_config": typed("envoy.extensions.filters.common.matcher.action.v3.SkipFilter")}
    predicate = {
        "input": {"name": "route", "typed_config": typed("xds.type.matcher.v3.HttpAttributesCelMatchInput")},
        "custom_match": {"name": "off", "typed_config": _is_off(_switch(entry.name))},
    }
    matcher = {
        "matcher_list": {
            "matchers": [{"predicate": {"single_predicate": predicate}, "on_match": {"action": skip}}],
        }
    }
    inside = {"name": entry.name, "typed_config": any_of(entry.config)}
    config = build(_MATCHING, xds_matcher=matcher, extension_config=inside)
    return entry._replace(config=config)


@cache
def _is_off(switch: str) -> Any:
    """`!(switch in xds.route_metadata.filter_metadata[ORIGIN])`, parsed: the matcher takes no CEL text."""
    ours = call(5, "_[_]", route_metadata(2), text(6, ORIGIN))
    parsed = {"expr": call(1, "!_", call(7, "@in", text(8, switch), ours))}
    return typed("xds.type.matcher.v3.CelMatcher", expr_match={"cel_expr_parsed": parsed})
