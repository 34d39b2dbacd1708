"""What a request is asked by a limit, as Envoy's local and global rate limits both have it."""

from typing import Any

from anygate.envoy.api import typed, uint32
from anygate.envoy.filters import jwt as tokens
from anygate.envoy.filters.filter import label
from anygate.envoy.filters.limit_body import ASKED, USER_KEYS
from anygate.envoy.filters.matches import cidr_range, path_header
from anygate.envoy.matches import build_header_match
from anygate.envoy.refusal import CannotBuild
from anygate.envoy.regex import checked_regex
from anygate.model.inference import MODEL_HEADER
from anygate.model.limits import LimitRule, LimitSelector
from anygate.model.match import ValueMatch
from anygate.model.origin import Origin
from anygate.model.security import Security
from anygate.model.text import SecretValue, Text, Variable

_YES = "yes"
PART = "part"
"""The key of a part of a text, which the rate-limit service knows by it."""
CALLER, AUTHORIZATION = "caller", "caller/authorization"
"""The keys of what may tell who calls: the rate-limit service takes the first one, the latter without its scheme."""
Action = dict[str, Any]
_HEADERS = {"host": ":authority", "target": ":path", "method": ":method", "scheme": ":scheme"}


def limit_name(rule: LimitRule, owner: Origin) -> str:
    """Name a limit after the place that asks for it, and after the rule it is counted for unless it is shared."""
    if rule.name:
        return rule.name
    return label(rule.origin) if rule.shared else f"{label(rule.origin)} {label(owner)}"


def generic(key: str, value: str) -> Action:
    """Return the action that adds the same entry to every request's descriptor."""
    return {"generic_key": {"descriptor_key": key, "descriptor_value": value}}


def build_actions(rule: LimitRule, security: Security | None = None) -> list[Action]:
    """Return what a request is asked. Where an action finds nothing, the rule does not count the request.

    `security` is what tells who a caller is before limits are asked.
    """
    actions = []
    for selector in rule.selectors:
        actions += [*_selector(selector, rule.origin), *_callers(selector, security)]
    return actions


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
    if selector.distinct_text is not None:
        actions += _text(selector.distinct_text, origin)
    return actions


def _callers(selector: LimitSelector, security: Security | None) -> list[Action]:
    """Return an entry for each place that may tell who calls, in the order in which they are believed."""
    if selector.distinct_callers == "credential":  # a check of ours may have taken it off
        sent = [_header(AUTHORIZATION, "authorization"), _header(CALLER, "x-api-key"), _header(CALLER, "api-key")]
        return [*sent, *_known(security)]
    if selector.distinct_callers == "model":
        return [_header(CALLER, MODEL_HEADER)]
    if selector.distinct_callers == "user":
        return [*(_metadata(ASKED, key) for key in USER_KEYS), *_known(security)]
    return []


def _known(security: Security | None) -> list[Action]:
    """Return the subject of the token, and the header in which a check of ours names a caller."""
    if security is None:
        return []
    actions = []
    if security.jwt is not None:
        actions += [_metadata(tokens.NAME, provider.name, "sub") for provider in security.jwt.providers]
    checks = (security.api_key, security.basic)
    headers = [security.caller.header if security.caller else "", *(one.forward_header for one in checks if one)]
    return actions + [_header(CALLER, name) for name in headers if name]


def _header(key: str, name: str) -> Action:
    return {"request_headers": {"header_name": name, "descriptor_key": key, "skip_if_absent": True}}


def _metadata(namespace: str, *path: str) -> Action:
    place = {"key": namespace, "path": [{"key": key} for key in path]}
    return {"metadata": {"descriptor_key": CALLER, "metadata_key": place, "skip_if_absent": True}}


def _text(text: Text, origin: Origin) -> list[Action]:
    """Return an entry for each part of a text that a request has, and one for its client, if it has none of them."""
    actions = [generic("text", part) if isinstance(part, str) else _part(part, origin) for part in text.parts if part]
    if text.variables:
        actions.append({"masked_remote_address": {"v4_prefix_mask_len": uint32(32), "v6_prefix_mask_len": uint32(128)}})
    return actions


def _part(variable: Variable | SecretValue, origin: Origin) -> Action:
    if isinstance(variable, SecretValue):
        raise CannotBuild(origin, "Envoy cannot count requests apart by a secret")
    name = variable.name if variable.kind == "header" else _HEADERS.get(variable.kind)
    if name:
        return _header(PART, name)
    if variable.kind == "client_address":
        return {"remote_address": {}}
    if variable.kind == "query":
        wanted = {"query_parameter_name": variable.name, "descriptor_key": PART, "skip_if_absent": True}
        return {"query_parameters": wanted}
    expression = _EXPRESSIONS.get(variable.kind)
    if expression is None:
        raise CannotBuild(origin, f"Envoy cannot count requests apart by {variable}")
    config = typed("envoy.extensions.rate_limit_descriptors.expr.v3.Descriptor", descriptor_key=PART, text=expression)
    return {"extension": {"name": "envoy.rate_limit_descriptors.expr", "typed_config": config}}


_EXPRESSIONS = {
    "server_address": "destination.address",
    "server_port": "string(destination.port)",
    "path": "request.url_path",
    "query_string": "request.query",
    "protocol": "request.protocol",
}
"""Parts of a request that Envoy has no other action for, in CEL."""


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
