"""Conditions on requests as Envoy's route matches.

Reference: envoy/config/route/v3/route_components.proto (RouteMatch, HeaderMatcher, QueryParameterMatcher,
CookieMatcher) and envoy/type/matcher/v3/string.proto.
"""

import re
from functools import lru_cache
from ipaddress import ip_network
from typing import Any, NamedTuple

from anygate.envoy.api import bool_value, build, serialise, uint32
from anygate.envoy.constraints import Violation, check
from anygate.envoy.names import BODY, BODY_READ, SOURCE
from anygate.envoy.refusal import CannotBuild
from anygate.envoy.regex import checked_regex, not_a_regex
from anygate.model.match import HttpMatch, PathMatch, ValueMatch
from anygate.model.origin import Origin
from anygate.model.re2 import problem_of

_ROUTE = "envoy.config.route.v3."
_NO_RANGE = 'Envoy compares only headers by range, so "{}" cannot be matched'
_METADATA_MATCHER = "envoy.type.matcher.v3.MetadataMatcher"
_Values = tuple[ValueMatch, ...]
_ANYTHING = {"safe_regex": {"regex": ".*"}}


class BuiltMatch(NamedTuple):
    """A serialised RouteMatch, with what Envoy would refuse about it."""

    body: bytes
    wrong: tuple[Violation, ...] = ()


def build_route_match(match: HttpMatch | None) -> BuiltMatch:
    """Build a RouteMatch; None matches every request.

    The path and the other conditions are built apart: many matches share a method or a header, few a path.
    """
    if match is None:
        return _EVERYTHING
    built = build(_ROUTE + "RouteMatch", **build_path(match.path, match.origin))
    wrong = tuple(check(built))
    connection = (match.source_cidrs, match.client_certificate)
    body = (match.body, True if match.body else match.is_read)
    if match.percent < _ALL:
        built.runtime_fraction.default_value.numerator = round(match.percent * 100)
        built.runtime_fraction.default_value.denominator = _TEN_THOUSAND
    if not (match.method or match.headers or match.query or match.cookies) and (connection, body) == _ANYTHING_ELSE:
        return BuiltMatch(serialise(built), wrong)
    try:
        rest = _build_conditions(match.method, match.headers, match.query, match.cookies, *connection, *body)
    except _UnbuildableError as problem:
        raise CannotBuild(match.origin, str(problem)) from problem
    return BuiltMatch(serialise(built) + rest.body, wrong + rest.wrong)


_ALL = 100
_TEN_THOUSAND = 1
"""The denominator of shares of requests. Envoy compares one random number of a request with all fractions; those of
weights count in millions, which leaves the last digits of the number to these."""
_EVERYTHING = BuiltMatch(b"\n\x01/")  # prefix: "/"
_ANYTHING_ELSE = (((), None), ((), None))


@lru_cache(maxsize=8192)
def _build_conditions(
    method: str,
    headers: _Values,
    query: _Values,
    cookies: _Values,
    source_cidrs: tuple[str, ...],
    client_certificate: bool | None,
    body: _Values,
    is_read: bool | None,
) -> BuiltMatch:
    """Build the part of a RouteMatch that is not about the path."""
    wanted = [_build_header_match(value) for value in headers]
    if method:
        wanted.insert(0, _header(":method", string_match={"exact": method}))
    wanted.extend(_inverted_query(value) for value in query if value.invert)
    built = build(
        _ROUTE + "RouteMatch",
        prefix="/",  # enough of a path for the check
        headers=wanted,
        query_parameters=[_build_query_match(value) for value in query if not value.invert],
        cookies=[_build_cookie_match(value) for value in cookies],
        filter_state=[_build_source_match(source_cidrs)] if source_cidrs else [],
        dynamic_metadata=[*_read_marks(is_read), *map(_build_body_match, body)],
        tls_context=None if client_certificate is None else {"validated": bool_value(client_certificate)},
    )
    wrong = tuple(check(built))
    built.ClearField("prefix")
    return BuiltMatch(serialise(built), wrong)


def _build_source_match(cidrs: tuple[str, ...]) -> dict[str, Any]:
    """Match where the connection came from, which a network filter wrote down (`listeners.py`)."""
    try:
        networks = [ip_network(text, strict=False) for text in cidrs]
    except ValueError as problem:
        raise _UnbuildableError(str(problem)) from problem
    ranges = [{"address_prefix": str(one.network_address), "prefix_len": uint32(one.prefixlen)} for one in networks]
    return {"key": SOURCE, "address_match": {"ranges": ranges}}


def _read_marks(is_read: bool | None) -> list[Any]:
    """Ask for the mark that the filter leaves which reads bodies; no client can leave it."""
    if is_read is None:
        return []
    return [_body_value(BODY_READ, {"present_match": True}, invert=not is_read)]


def _build_body_match(value: ValueMatch) -> Any:
    """Match any of the values that the filter has found at a path of a body. Tried on Envoy 1.40: an inverted matcher
    holds where there is none."""
    wanted = {"present_match": True} if value.kind == "present" else {"string_match": _build_string_match(value)}
    return _body_value(value.name, {"list_match": {"one_of": wanted}}, invert=value.invert)


def _body_value(name: str, wanted: dict[str, Any], *, invert: bool) -> Any:
    return build(_METADATA_MATCHER, filter=BODY, path=[{"key": name}], value=wanted, invert=invert)


class _UnbuildableError(ValueError):
    """A condition that Envoy has no configuration for."""


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
    """Build a HeaderMatcher, for filters that match by themselves; `origin` is whose fault it is if it cannot be."""
    try:
        return _build_header_match(value)
    except _UnbuildableError as problem:
        raise CannotBuild(origin, str(problem)) from problem


def _build_header_match(value: ValueMatch) -> Any:
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
    return _header(name, string_match=_build_string_match(value), **absent)


def _build_query_match(value: ValueMatch) -> Any:
    """Build a QueryParameterMatcher."""
    name = _ROUTE + "QueryParameterMatcher"
    if value.kind == "present":
        return build(name, name=value.name, present_match=True)
    return build(name, name=value.name, string_match=_build_string_match(value))


def _build_cookie_match(value: ValueMatch) -> Any:
    """Build a CookieMatcher. It has no test for presence, so any value stands for that."""
    wanted = _ANYTHING if value.kind == "present" else _build_string_match(value)
    return build(_ROUTE + "CookieMatcher", name=value.name, string_match=wanted, invert_match=value.invert)


def _build_string_match(value: ValueMatch) -> dict[str, Any]:
    """Build a StringMatcher; a regex must match all of the value."""
    if value.kind in ("exact", "prefix", "suffix", "contains"):
        if not value.value and value.kind != "exact":
            return _ANYTHING
        return {value.kind: value.value}
    if value.kind == "regex":
        return {"safe_regex": {"regex": _regex(value)}}
    raise _UnbuildableError(_NO_RANGE.format(value.name))


def _regex(value: ValueMatch) -> str:
    problem = problem_of(value.value)
    if problem is not None:
        raise _UnbuildableError(not_a_regex(value.value, problem))
    return value.value


def _header(name: str, **fields: Any) -> Any:
    return build(_ROUTE + "HeaderMatcher", name=name, **fields)


def _inverted_query(value: ValueMatch) -> Any:
    """Build the inverse of a condition on a query parameter on `:path`: QueryParameterMatcher cannot be inverted."""
    pattern = {
        "exact": _escaped(value.value),
        "prefix": re.escape(value.value) + "[^&]*",
        "suffix": "[^&]*" + re.escape(value.value),
        "contains": "[^&]*" + re.escape(value.value) + "[^&]*",
        "present": "[^&]*",
    }.get(value.kind)
    if value.kind == "regex":
        pattern = f"(?:{_regex(value)})"
    if pattern is None:
        raise _UnbuildableError(_NO_RANGE.format(value.name))
    equals = "(?:=[^&]*)?" if value.kind == "present" else "="
    found = pattern if value.kind != "present" else ""
    return _header(
        ":path",
        string_match={"safe_regex": {"regex": rf"[^?]*\?(?:.*&)?{re.escape(value.name)}{equals}{found}(?:&.*)?"}},
        invert_match=True,
    )


def _escaped(text: str) -> str:
    """A pattern for a text of a query, however a client has escaped it: what is kept out must not get in as `%61`."""
    return "".join(map(_escaped_character, text))


def _escaped_character(character: str) -> str:
    octets = "".join(f"%(?i:{octet:02x})" for octet in character.encode())
    plus = r"|\+" if character == " " else ""
    return f"(?:{re.escape(character)}|{octets}{plus})"
