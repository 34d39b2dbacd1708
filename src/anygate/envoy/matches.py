"""Conditions on requests as Envoy's route matches.

Reference: envoy/config/route/v3/route_components.proto (RouteMatch, HeaderMatcher, QueryParameterMatcher,
CookieMatcher) and envoy/type/matcher/v3/string.proto.
"""

import re
from functools import lru_cache
from typing import Any

from anygate.envoy.api import bool_value, build
from anygate.envoy.refusal import CannotBuild
from anygate.envoy.regex import checked_regex
from anygate.model.match import HttpMatch, PathMatch, ValueMatch
from anygate.model.origin import Origin

_ROUTE = "envoy.config.route.v3."
_NO_RANGE = 'Envoy compares only headers by range, so "{}" cannot be matched'
_ANYTHING = {"safe_regex": {"regex": ".*"}}


def build_route_match(match: HttpMatch | None) -> Any:
    """Build a RouteMatch; None matches every request."""
    if match is None:
        return build(_ROUTE + "RouteMatch", prefix="/")
    headers = [build_header_match(value, match.origin) for value in match.headers]
    if match.method:
        headers.insert(0, _method(match.method))
    headers.extend(_inverted_query(value, match.origin) for value in match.query if value.invert)
    return build(
        _ROUTE + "RouteMatch",
        **build_path(match.path, match.origin),
        headers=headers,
        query_parameters=[build_query_match(value, match.origin) for value in match.query if not value.invert],
        cookies=[build_cookie_match(value, match.origin) for value in match.cookies],
    )


def build_path(path: PathMatch | None, origin: Origin) -> dict[str, Any]:
    """Build the path fields of a RouteMatch. Envoy compares the path without its query, a regex with all of it."""
    if path is None:
        return {"prefix": "/"}
    case = {"case_sensitive": bool_value(False)} if path.ignore_case else {}
    if path.kind == "exact":
        return {"path": path.value, **case}
    if path.kind == "regex":
        pattern = checked_regex(path.value, origin)
        return {"safe_regex": {"regex": f"(?i){pattern}" if path.ignore_case else pattern}}
    if path.kind == "string_prefix":
        return {"prefix": path.value, **case}
    prefix = path.value.rstrip("/")
    return {"path_separated_prefix": prefix, **case} if prefix else {"prefix": "/"}


def build_header_match(value: ValueMatch, origin: Origin) -> Any:
    """Build a HeaderMatcher.

    An inverted condition holds for a request without the header: Envoy needs to be told to take it as empty, since
    a value match on an absent header fails before it is inverted.
    """
    name = value.name.lower()
    if value.kind == "present" or (value.kind in ("prefix", "suffix", "contains") and not value.value):
        return _header(name, present_match=True, invert_match=value.invert or None)
    absent = {"invert_match": True, "treat_missing_header_as_empty": True} if value.invert else {}
    if value.kind == "range":
        return _header(name, range_match={"start": value.range_start, "end": value.range_end}, **absent)
    return _header(name, string_match=build_string_match(value, origin), **absent)


def build_query_match(value: ValueMatch, origin: Origin) -> Any:
    """Build a QueryParameterMatcher."""
    name = _ROUTE + "QueryParameterMatcher"
    if value.kind == "present":
        return build(name, name=value.name, present_match=True)
    return build(name, name=value.name, string_match=build_string_match(value, origin))


def build_cookie_match(value: ValueMatch, origin: Origin) -> Any:
    """Build a CookieMatcher. It has no test for presence, so any value stands for that."""
    wanted = _ANYTHING if value.kind == "present" else build_string_match(value, origin)
    return build(_ROUTE + "CookieMatcher", name=value.name, string_match=wanted, invert_match=value.invert)


def build_string_match(value: ValueMatch, origin: Origin) -> dict[str, Any]:
    """Build a StringMatcher; a regex must match all of the value."""
    if value.kind in ("exact", "prefix", "suffix", "contains"):
        if not value.value and value.kind != "exact":
            return _ANYTHING
        return {value.kind: value.value}
    if value.kind == "regex":
        return {"safe_regex": {"regex": checked_regex(value.value, origin)}}
    raise CannotBuild(origin, _NO_RANGE.format(value.name))


@lru_cache(maxsize=64)
def _method(method: str) -> Any:
    return _header(":method", string_match={"exact": method})


def _header(name: str, **fields: Any) -> Any:
    return build(_ROUTE + "HeaderMatcher", name=name, **fields)


def _inverted_query(value: ValueMatch, origin: Origin) -> Any:
    """Build the inverse of a condition on a query parameter on `:path`: QueryParameterMatcher cannot be inverted."""
    pattern = {
        "exact": re.escape(value.value),
        "prefix": re.escape(value.value) + "[^&]*",
        "suffix": "[^&]*" + re.escape(value.value),
        "contains": "[^&]*" + re.escape(value.value) + "[^&]*",
        "present": "[^&]*",
    }.get(value.kind)
    if value.kind == "regex":
        pattern = f"(?:{checked_regex(value.value, origin)})"
    if pattern is None:
        raise CannotBuild(origin, _NO_RANGE.format(value.name))
    equals = "(?:=[^&]*)?" if value.kind == "present" else "="
    found = pattern if value.kind != "present" else ""
    return _header(
        ":path",
        string_match={"safe_regex": {"regex": rf"[^?]*\?(?:.*&)?{re.escape(value.name)}{equals}{found}(?:&.*)?"}},
        invert_match=True,
    )
