"""What a request is asked by a limit, as Envoy's local and global rate limits both have it."""

from typing import Any

from anygate.envoy.filters.filter import label
from anygate.envoy.filters.matches import cidr_range, path_header
from anygate.envoy.matches import build_header_match
from anygate.envoy.regex import checked_regex
from anygate.model.limits import LimitRule, LimitSelector
from anygate.model.match import ValueMatch
from anygate.model.origin import Origin

_YES = "yes"
Action = dict[str, Any]


def limit_name(rule: LimitRule, owner: Origin) -> str:
    """Name a limit after the place that asks for it, and after the rule it is counted for unless it is shared."""
    if rule.name:
        return rule.name
    return label(rule.origin) if rule.shared else f"{label(rule.origin)} {label(owner)}"


def generic(key: str, value: str) -> Action:
    """Return the action that adds the same entry to every request's descriptor."""
    return {"generic_key": {"descriptor_key": key, "descriptor_value": value}}


def build_actions(rule: LimitRule) -> list[Action]:
    """Return what a request is asked. Where an action finds nothing, the rule does not count the request."""
    return [action for selector in rule.selectors for action in _selector(selector, rule.origin)]


def build_entries(rule: LimitRule) -> list[dict[str, str]]:
    """Return what the actions give, in their order; an entry without a value stands for each value apart."""
    entries = []
    for action in build_actions(rule):
        (kind, said), *_ = action.items()
        key, value = said.get("descriptor_key", _KEYS.get(kind, "")), said.get("descriptor_value", "")
        entries.append({"key": key, "value": value} if value else {"key": key})
    return entries


_KEYS = {
    "header_value_match": "header_match",
    "query_parameter_value_match": "query_match",
    "remote_address_match": "remote_address_match",
    "remote_address": "remote_address",
}
"""The keys that Envoy gives where an action names none."""


def _selector(selector: LimitSelector, origin: Origin) -> list[Action]:
    actions: list[Action] = []
    matchers = _matchers(selector, origin)
    if matchers:
        actions.append({"header_value_match": {"descriptor_value": _YES, "headers": matchers}})
    actions.extend(_query(value, origin) for value in selector.query)
    if selector.cidr:
        matcher = {"ranges": [cidr_range(selector.cidr, origin)], "invert_match": selector.other_addresses or None}
        actions.append({"remote_address_match": {"descriptor_value": _YES, "address_matcher": matcher}})
    actions.extend(
        {"request_headers": {"header_name": name, "descriptor_key": name}} for name in selector.distinct_headers
    )
    actions.extend(
        {"query_parameters": {"query_parameter_name": name, "descriptor_key": name}} for name in selector.distinct_query
    )
    if selector.distinct_addresses:
        actions.append({"remote_address": {}})
    return actions


def _matchers(selector: LimitSelector, origin: Origin) -> list[Any]:
    found = [build_header_match(match, origin) for match in selector.headers]
    if selector.methods:
        pattern = "|".join(selector.methods)
        wanted = ValueMatch(name=":method", kind="regex", value=pattern, invert=selector.other_methods)
        found.append(build_header_match(wanted, origin))
    if selector.path:
        if selector.path.kind == "regex":
            checked_regex(selector.path.value, origin)
        matcher = path_header(selector.path)
        matcher.invert_match = selector.other_path
        found.append(matcher)
    return found


def _query(value: ValueMatch, origin: Origin) -> Action:
    if value.kind == "regex":
        wanted: dict[str, Any] = {"safe_regex": {"regex": checked_regex(value.value, origin)}}
    else:
        wanted = {"exact": value.value}
    return {
        "query_parameter_value_match": {
            "descriptor_value": _YES,
            "expect_match": {"value": not value.invert},
            "query_parameters": [{"name": value.name, "string_match": wanted}],
        }
    }
