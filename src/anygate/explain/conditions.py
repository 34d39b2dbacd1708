"""Conditions on a request, evaluated one at a time as Envoy 1.40 does, each with words for people."""

from collections.abc import Iterator
from typing import NamedTuple

from anygate.explain.regexes import compile_re2
from anygate.explain.seen import SeenRequest
from anygate.model.match import HttpMatch, PathMatch, ValueMatch

_ALL = 100


class Condition(NamedTuple):
    """What was asked for, whether it holds (None: cannot be evaluated here), and what the request had."""

    kind: str
    text: str
    holds: bool | None
    why: str = ""


def check_match(match: HttpMatch | None, seen: SeenRequest) -> list[Condition]:
    """Evaluate every condition of a match; one that is absent asks for anything and is left out."""
    return [] if match is None else list(_each(match, seen))


def describe_match(match: HttpMatch | None) -> str:
    """Say what a match asks for."""
    if match is None:
        return "any request"
    said = [match.method] if match.method else []
    said += [describe_path(match.path)] if match.path else []
    for kind, values in (("header", match.headers), ("query", match.query), ("cookie", match.cookies)):
        said += [describe_value(kind, value) for value in values]
    said += [describe_value("body", value) for value in match.body]
    said += [f"{match.percent:g}% of requests"] if match.percent < _ALL else []
    said += [_describe_source(match)] if match.source_cidrs else []
    said += [_describe_certificate(match)] if match.client_certificate is not None else []
    return ", ".join(said) or "any request"


def describe_path(match: PathMatch) -> str:
    """Say what a path condition asks for."""
    words = {
        "exact": "path",
        "prefix": "path prefix",
        "string_prefix": "path starting with",
        "regex": "path regex",
    }
    return f"{words[match.kind]} {match.value}" + (" (any case)" if match.ignore_case else "")


def describe_value(kind: str, match: ValueMatch) -> str:
    """Say what a condition on a header, query parameter or cookie asks for."""
    if match.kind == "present":
        return f"{'no ' if match.invert else ''}{kind} {match.name}"
    shown = f"{match.range_start}..{match.range_end - 1}" if match.kind == "range" else match.value
    relation = {
        "exact": "=",
        "regex": "~",
        "prefix": "starts with",
        "suffix": "ends with",
        "contains": "contains",
        "range": "in",
    }[match.kind]
    return f"{kind} {match.name} {'not ' if match.invert else ''}{relation} {shown or repr('')}"


def path_holds(match: PathMatch, path: str) -> bool | None:
    """Whether a path (without query) satisfies a condition."""
    if match.kind == "regex":
        pattern = compile_re2(match.value, match.ignore_case)
        return None if pattern is None else pattern.fullmatch(path) is not None
    return match.holds(path)


def query_values(query: str | None, name: str) -> tuple[str, ...]:
    """The values of a parameter, all of them; nothing is decoded, and one without `=` is empty."""
    found = (part.partition("=") for part in (query or "").split("&") if part)
    return tuple(value for key, _, value in found if key == name)


def cookie_values(headers: tuple[str, ...]) -> dict[str, str]:
    """The cookies by name: the first of each counts."""
    found: dict[str, str] = {}
    for part in ";".join(headers).split(";"):
        name, equals, value = part.strip().partition("=")
        if equals:
            quoted = len(value) > 1 and value[0] == value[-1] == '"'
            found.setdefault(name, value[1:-1] if quoted else value)
    return found


def value_holds(match: ValueMatch, values: tuple[str, ...]) -> bool | None:
    """Whether any of the values satisfies a condition; an absent one is empty to an inverted condition."""
    if match.kind == "present":
        return bool(values) != match.invert
    if not values and not match.invert:
        return False
    found = [value_matches(match, value) for value in values or ("",)]
    if None in found and True not in found:
        return None
    return (True in found) != match.invert


def header_holds(match: ValueMatch, values: tuple[str, ...]) -> bool | None:
    """Whether a header satisfies a condition; one that any text satisfies asks for presence."""
    if match.kind in ("prefix", "suffix", "contains") and not match.value:
        return bool(values) != match.invert
    return value_holds(match, values)


def query_holds(match: ValueMatch, values: tuple[str, ...]) -> bool | None:
    """Whether a query parameter satisfies a condition: its first value, or any where inverted."""
    if match.kind == "range":
        return False  # Envoy has no such condition, and the builder leaves the whole match out
    if match.invert:
        return value_holds(match, values) if values else True
    return value_holds(match, values[:1])


def cookie_holds(match: ValueMatch, values: tuple[str, ...]) -> bool | None:
    """Whether a cookie satisfies a condition; an absent one satisfies every inverted condition."""
    if match.kind == "range":
        return False
    return value_holds(match, values) if values else match.invert


def body_holds(match: ValueMatch, values: tuple[str, ...]) -> bool | None:
    """Whether any of the values at a path satisfies a condition; one that is not there satisfies the inverted ones."""
    return value_holds(match, values) if values else match.invert


def value_matches(match: ValueMatch, value: str) -> bool | None:
    """Whether one value is the one asked for, before any inversion."""
    if match.kind == "regex":
        pattern = compile_re2(match.value)
        return None if pattern is None else pattern.fullmatch(value) is not None
    if match.kind == "range":
        digits = value.strip().removeprefix("-").removeprefix("+")
        return digits.isascii() and digits.isdigit() and match.range_start <= int(value) < match.range_end
    if match.kind == "exact":
        return value == match.value
    if match.kind == "prefix":
        return value.startswith(match.value)
    return value.endswith(match.value) if match.kind == "suffix" else match.value in value


def _each(match: HttpMatch, seen: SeenRequest) -> Iterator[Condition]:
    if match.path:
        holds = path_holds(match.path, seen.path)
        yield Condition("path", describe_path(match.path), holds, _path_why(match.path, seen.path, holds))
    if match.method:
        holds = match.method == seen.method
        yield Condition("method", f"method {match.method}", holds, f"the method is {seen.method}")
    if match.percent < _ALL:
        yield Condition("share", f"{match.percent:g}% of requests", None)
    for header in match.headers:
        values = _header_values(header.name.lower(), seen)
        yield _say("header", header, values, header_holds(header, values))
    for parameter in match.query:
        values = query_values(seen.query, parameter.name)
        yield _say("query", parameter, values, query_holds(parameter, values))
    cookies = cookie_values(seen.headers.get("cookie", ())) if match.cookies else {}
    for cookie in match.cookies:
        values = (cookies[cookie.name],) if cookie.name in cookies else ()
        yield _say("cookie", cookie, values, cookie_holds(cookie, values))
    for value in match.body:
        found = seen.body.find(value.name) if seen.body is not None else ()
        yield _say("body", value, found, seen.body is not None and body_holds(value, found))
    if match.is_read is not None:
        yield Condition("read", "a body that was looked at", (seen.body is not None) == match.is_read)
    unknown = "a request is described here without its connection"
    if match.source_cidrs:
        yield Condition("source", _describe_source(match), None, unknown)
    if match.client_certificate is not None:
        yield Condition("certificate", _describe_certificate(match), None, unknown)


def _describe_source(match: HttpMatch) -> str:
    return f"a connection from {' or '.join(match.source_cidrs)}"


def _describe_certificate(match: HttpMatch) -> str:
    return "a verified client certificate" if match.client_certificate else "no verified client certificate"


def _header_values(name: str, seen: SeenRequest) -> tuple[str, ...]:
    """The values of a header; two that begin with a colon stand for parts of the request."""
    parts = {":path": seen.target, ":scheme": seen.scheme, ":method": seen.method, ":authority": seen.host}
    return (parts[name],) if name in parts else seen.headers.get(name, ())


def _say(kind: str, match: ValueMatch, values: tuple[str, ...], holds: bool | None) -> Condition:
    if holds is None:
        why = "this condition cannot be evaluated here"
    elif not values:
        why = f"the request has no such {'query parameter' if kind == 'query' else kind}"
    else:
        why = "it is " + " and ".join(value or "empty" for value in values)
        folded = {value.lower() for value in values}
        if match.kind == "exact" and match.value not in values and match.value.lower() in folded:
            why += ", which differs in case"
    return Condition(kind, describe_value(kind, match), holds, why)


def _path_why(match: PathMatch, path: str, holds: bool | None) -> str:
    if holds is None:
        return "this expression cannot be evaluated here"
    why = f"the path is {path}"
    if holds or match.kind == "regex":
        return why
    if path.rstrip("/") == match.value.rstrip("/"):
        return why + ", which differs in the last slash"
    if path_holds(PathMatch(kind=match.kind, value=match.value, ignore_case=True), path):
        return why + ", which differs in case"
    if path.startswith(match.value):
        return why + (", which only starts with it" if match.kind == "exact" else ", a longer word")
    return why
