"""Requests in words: which ones a difference is about, and one of them as for curl."""

import shlex
from collections.abc import Iterable, Sequence

from anygate.explain.conditions import describe_value
from anygate.explain.request import DEFAULT_PORTS, Request
from anygate.model.inference import MODEL_HEADER
from anygate.model.match import HttpMatch, PathMatch, ValueMatch
from anygate.model.route_table import Row

_SHOWN = 3


def describe_rows(domains: Iterable[str], port: int, scheme: str, rows: Sequence[Row]) -> str:
    """Which requests rows are about: hosts, methods, paths and conditions, a few of each."""
    shown = list(dict.fromkeys(describe_conditions(row.wanted) for row in rows))
    hosts = [describe_place(domain, port, scheme) for domain in domains]
    return f"{_few(hosts)} {_few(shown)}"


def describe_place(host: str, port: int, scheme: str) -> str:
    """A host with its port, unless that is the scheme's own."""
    return (host or "*") if port == DEFAULT_PORTS.get(scheme) else f"{host or '*'}:{port}"


def describe_conditions(match: HttpMatch | None) -> str:
    """What a match asks for, in a few characters: `GET /items/* (header x-version = 2)`."""
    if match is None:
        return "/*"
    asked = list_conditions(match)
    path = _describe_path(match.path)
    return " ".join(part for part in (match.method, path, f"({asked})" if asked else "") if part)


def list_conditions(match: HttpMatch | None) -> str:
    """What a match asks for besides method and path.

    That a body has been read goes without saying, and so do the paths that are cut out of the one that is shown.
    """
    if match is None:
        return ""
    silent = ((MODEL_HEADER, "present", False), (":path", "prefix", True), (":path", "regex", True))
    headers = [value for value in match.headers if (value.name, value.kind, value.invert) not in silent]
    asked = [_describe_value("header", value) for value in headers]
    asked += [_describe_value("query", value) for value in match.query]
    asked += [_describe_value("cookie", value) for value in match.cookies]
    asked += [_describe_value("body", value) for value in match.body]
    return ", ".join(asked)


def narrower(one: Row | None, other: Row | None) -> Row | None:
    """The row of two that asks for more; the first where neither does."""
    if one is None or other is None:
        return one or other
    return other if _narrowness(other.wanted) > _narrowness(one.wanted) else one


def _narrowness(match: HttpMatch | None) -> tuple[int, int, int]:
    if match is None:
        return 0, 0, 0
    asked = len(match.headers) + len(match.query) + len(match.cookies) + len(match.body) + bool(match.method)
    path = match.path
    return (2 if path and path.kind == "exact" else 1, len(path.value.rstrip("/")) if path else 0, asked)


def describe_request(request: Request) -> str:
    """A request as for `anygate explain` and curl."""
    words = [] if request.method == ("GET" if request.body is None else "POST") else ["-X", request.method]
    words.append(request.url)
    for name, value in request.headers:
        words += ["-H", f"{name}: {value}" if value else f"{name};"]
    if request.body is not None:
        words += ["-d", request.body.decode()]
    return shlex.join(words)


def _describe_path(match: PathMatch | None) -> str:
    if match is None:
        return "/*"
    ends = {"exact": "", "prefix": "/*", "string_prefix": "*"}
    if match.kind == "regex":
        return f"~{match.value}"
    value = match.value.rstrip("/") if match.kind == "prefix" else match.value
    return value + ends[match.kind] + (" (any case)" if match.ignore_case else "")


def _describe_value(kind: str, match: ValueMatch) -> str:
    return f"model {match.value}" if match.name == MODEL_HEADER else describe_value(kind, match)


def _few(words: Sequence[str]) -> str:
    more = len(words) - _SHOWN
    return ", ".join(words[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
