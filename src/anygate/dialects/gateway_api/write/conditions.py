"""Conditions in the few words that the Gateway API has: exact values and expressions, all of which must hold."""

import re
from typing import Any, Literal, NamedTuple

import msgspec
from pydantic import ValidationError

from anygate.dialects.gateway_api.kinds.httproute import check_path
from anygate.dialects.gateway_api.kinds.violations import Violations
from anygate.dialects.gateway_api.write.number_ranges import range_pattern
from anygate.model.match import HttpMatch, PathMatch, ValueMatch

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"))
ANYTHING = ".*"
_NEUTRAL = "(?:)"


class Value(NamedTuple):
    """A condition on a header, query parameter or cookie of this name."""

    name: str
    kind: Literal["exact", "regex"]
    value: str


Values = tuple[Value, ...]


class Wanted(NamedTuple):
    """Conditions of one match. `path` may be a `string_prefix`, which is written as a regular expression."""

    path: PathMatch | None = None
    method: str = ""
    headers: Values = ()
    query: Values = ()
    cookies: Values = ()


class Unsayable(Exception):  # noqa: N818 - it stands for a finding, not for a failure
    """A condition that has no words; the text says which."""


class Positive(NamedTuple):
    """A match without inverted conditions, and each inverted one the right way round."""

    wanted: Wanted
    holes: tuple[Wanted, ...] = ()


def read_match(match: HttpMatch | None, scheme: str) -> Positive | None:
    """A match in these words, None where no request meets it; raises Unsayable.

    `scheme` is that of the listener, by which a condition on `:scheme` is settled.
    """
    if match is None:
        return Positive(Wanted())
    match = _settle_method(match)
    if any(one.name == ":method" and one.kind == "exact" and not one.invert for one in match.headers) and match.method:
        return None
    if match.method and match.method not in METHODS:
        raise Unsayable(f"the method {match.method}")
    if match.source_cidrs:
        raise Unsayable("a condition on the client's address")
    if match.client_certificate is not None:
        raise Unsayable("a condition on the client's certificate")
    if match.body or match.is_read is not None:
        raise Unsayable("a condition on what stands in the body")
    if match.percent < 100:
        raise Unsayable(f"a share of {match.percent:g} % of the requests")
    plain: dict[str, list[Value]] = {"headers": [], "query": [], "cookies": []}
    holes = []
    for field, found in plain.items():
        for one in getattr(match, field):
            if one.name == ":scheme" and one.kind == "exact":
                if (one.value == scheme) == one.invert:
                    return None
                continue
            value = read_value(one, lower=field == "headers")
            if not one.invert:
                found.append(value)
                continue
            if field == "headers" and one.kind != "present" and not _is_present(match, one):
                _check_absent(value)
            holes.append(_only(field, value))
    wanted = Wanted(match.path, match.method)
    for field, found in plain.items():
        for value in found:
            both = join(wanted, _only(field, value))
            if both is None:
                return None
            if isinstance(both, _Unknown):
                raise Unsayable(f"two conditions on {value.name} at once")
            wanted = both
    return Positive(wanted, tuple(holes))


def _settle_method(match: HttpMatch) -> HttpMatch:
    """A match that asks for its method as such, also where it did so by the header that stands for it."""
    named = [one for one in match.headers if one.name == ":method" and one.kind == "exact" and not one.invert]
    if len(named) != 1 or match.method not in ("", named[0].value):
        return match
    headers = tuple(one for one in match.headers if one is not named[0])
    return msgspec.structs.replace(match, method=named[0].value, headers=headers)


def _only(field: str, value: Value) -> Wanted:
    fields: dict[str, Any] = {field: (value,)}
    return Wanted(**fields)


def _is_present(match: HttpMatch, wanted: ValueMatch) -> bool:
    """Whether a header has to be there anyway."""
    return any(one.kind == "present" and not one.invert and one.name == wanted.name for one in match.headers)


def _check_absent(value: Value) -> None:
    """An inverted condition takes a header that is not there for an empty one, which no words can say."""
    if value.kind == "regex" and matches(value.value, "") is not False:
        raise Unsayable(f"an inverted condition on {value.name} that an empty value meets")


def read_value(found: ValueMatch, *, lower: bool) -> Value:
    """A condition on a value, the right way round; raises Unsayable."""
    name = found.name.lower() if lower else found.name
    if name.startswith(":"):
        raise Unsayable(f"a condition on {name}")
    if found.kind == "exact":
        # The API wants a text where an empty value is asked for.
        return Value(name, "exact", found.value) if found.value else Value(name, "regex", "^$")
    if found.kind == "range":
        pattern = range_pattern(found.range_start, found.range_end)
    else:
        literal = re.escape(found.value)
        pattern = {
            "regex": found.value,
            "present": ANYTHING,
            "prefix": literal + ANYTHING,
            "suffix": ANYTHING + literal,
            "contains": ANYTHING + literal + ANYTHING,
        }[found.kind]
    return Value(name, "regex", pattern)


class _Unknown:
    """In place of conditions: they may meet, and cannot be put together."""


UNKNOWN = _Unknown()


def join(one: Wanted, other: Wanted) -> Wanted | _Unknown | None:
    """What meets both; None where nothing does, UNKNOWN where it cannot be said."""
    if one.method and other.method and one.method != other.method:
        return None
    values = [_join_values(getattr(one, name), getattr(other, name)) for name in ("headers", "query", "cookies")]
    path = _join_paths(one.path, other.path)
    if path is _NOWHERE or None in values:
        return None
    if path is UNKNOWN or UNKNOWN in values:
        return UNKNOWN
    return Wanted(path, one.method or other.method, *values)  # type: ignore[arg-type]


def same(one: Wanted, other: Wanted) -> bool:
    """Whether two matches ask for the same, in whatever order."""
    lists = ((getattr(one, name), getattr(other, name)) for name in ("headers", "query", "cookies"))
    return (_path_key(one.path), one.method) == (_path_key(other.path), other.method) and all(
        set(mine) == set(theirs) for mine, theirs in lists
    )


def _path_key(path: PathMatch | None) -> object:
    if path is None:
        return None
    value = path.value.rstrip("/") if path.kind == "prefix" else path.value
    return None if (path.kind, value) in (("prefix", ""), ("string_prefix", "/")) else (path.kind, value)


class _Nowhere:
    """In place of a path: none meets both."""


_NOWHERE = _Nowhere()


def _join_paths(one: PathMatch | None, other: PathMatch | None) -> PathMatch | _Unknown | _Nowhere | None:
    if one is None or other is None or _path_key(one) == _path_key(other):
        return one or other
    for first, second in ((one, other), (other, one)):
        if first.kind == "exact" and not first.ignore_case:
            holds = path_holds(second, first.value)
            return UNKNOWN if holds is None else first if holds else _NOWHERE
    if "regex" in (one.kind, other.kind) or one.ignore_case or other.ignore_case:
        return UNKNOWN
    for wide, narrow in ((one, other), (other, one)):
        if _covers(wide, narrow):
            return narrow
    return _NOWHERE


def _covers(wide: PathMatch, narrow: PathMatch) -> bool:
    """Whether a prefix holds for every path for which another does."""
    if wide.kind == "string_prefix":
        stem = narrow.value.rstrip("/") if narrow.kind == "prefix" else narrow.value
        return stem.startswith(wide.value) or (stem == "" and wide.value == "/")
    stem = wide.value.rstrip("/")
    if narrow.kind == "prefix":
        return f"{narrow.value.rstrip('/')}/".startswith(f"{stem}/")
    return narrow.value.startswith(f"{stem}/")


def path_holds(wanted: PathMatch, path: str) -> bool | None:
    """Whether a path meets a condition; None where only RE2 knows."""
    if wanted.kind != "regex":
        return wanted.holds(path)
    return matches(wanted.value, path)


def matches(pattern: str, text: str) -> bool | None:
    """Whether an expression takes all of a text; None where Python's cannot tell."""
    try:
        return re.fullmatch(pattern, text) is not None
    except re.error:
        return None


def _join_values(ones: Values, others: Values) -> Values | _Unknown | None:
    found = dict.fromkeys(ones)
    for other in others:
        mine = next((one for one in found if one.name == other.name), None)
        if mine is None:
            found[other] = None
            continue
        both = _join_value(mine, other)
        if both is None or both is UNKNOWN:
            return both
        found = {both if one is mine else one: None for one in found}  # type: ignore[misc]
    return tuple(found)


def _join_value(one: Value, other: Value) -> Value | _Unknown | None:
    if one == other or other[1:] == ("regex", ANYTHING):
        return one
    if one[1:] == ("regex", ANYTHING):
        return other
    if one.kind == other.kind == "exact":
        return None
    exact, pattern = (one, other) if one.kind == "exact" else (other, one)
    holds = matches(pattern.value, exact.value) if exact.kind == "exact" else None
    return UNKNOWN if holds is None else exact if holds else None


class Written(NamedTuple):
    """A path in the API's words."""

    type: Literal["Exact", "PathPrefix", "RegularExpression"]
    value: str


def write_path(path: PathMatch | None, longer_than: int = 0) -> Written:
    """A path in the API's words. `longer_than` asks for a regular expression of more characters than that."""
    if longer_than:
        pattern = _pattern(path)
        missing = longer_than + 1 - len(pattern)
        return Written("RegularExpression", pattern + _NEUTRAL * -(-missing // len(_NEUTRAL)))
    if path is None or _path_key(path) is None:
        return Written("PathPrefix", "/")
    if path.kind in ("exact", "prefix") and not path.ignore_case and _is_plain(path.value):
        value = path.value if path.kind == "exact" else path.value.rstrip("/")
        return Written("Exact" if path.kind == "exact" else "PathPrefix", value)
    return Written("RegularExpression", _pattern(path))


def _is_plain(value: str) -> bool:
    found = Violations()
    check_path(found, value)
    try:
        found.refuse()
    except ValidationError:
        return False
    return True


def _pattern(path: PathMatch | None) -> str:
    if path is None:
        return ANYTHING
    stem = re.escape(path.value.rstrip("/"))
    pattern = {
        "exact": re.escape(path.value),
        "prefix": f"{stem}(?:/.*)?",
        "string_prefix": re.escape(path.value) + ANYTHING,
        "regex": path.value,
    }[path.kind]
    return f"(?i){pattern}" if path.ignore_case else pattern
