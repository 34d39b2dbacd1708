"""Conditions of gateway routes and router routes, read into the model's, and the order in which they are asked."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

from anygate.dialects.app_mesh.flatten import Also
from anygate.dialects.app_mesh.kinds.matches import HeaderMatch, QueryMatch
from anygate.dialects.app_mesh.patterns import EVERYTHING
from anygate.model.match import PathMatch, ValueMatch

R = TypeVar("R")

LOWEST_PRIORITY = 1000
"""The priority of a route without one."""

GRPC = ValueMatch(name="content-type", kind="regex", value=r"application/grpc(?:\+.*)?")
"""What tells a gRPC call from any other request."""

_PATH_ORDER = {"exact": 3, "regex": 2, "string_prefix": 1}


class Conditions(NamedTuple):
    """All that a route asks of a request, the host left out."""

    path: PathMatch | None = None
    method: str = ""
    headers: Also = ()
    query: Also = ()
    port: int = 0


def read_http(match: Any) -> Conditions:
    """The conditions of an HTTP route or gateway route."""
    path = None
    if match.prefix is not None:
        path = PathMatch(kind="string_prefix", value=match.prefix)
    elif match.path is not None:
        exact = match.path.exact is not None
        path = PathMatch(kind="exact" if exact else "regex", value=match.path.exact or match.path.regex)
    headers = _read_headers(match.headers)
    scheme = getattr(match, "scheme", None)
    if scheme is not None:
        headers = (ValueMatch(name=":scheme", value=scheme), *headers)
    query = tuple(one for parameter in match.query_parameters for one in _read_parameter(parameter))
    return Conditions(path, match.method or "", headers, query, match.port)


def read_grpc(match: Any) -> Conditions:
    """The conditions of a gRPC route or gateway route: a call's path is `/service/method`."""
    service, method = match.service_name, getattr(match, "method_name", None)
    path = None
    if service is not None:
        kind = "exact" if method is not None else "string_prefix"
        path = PathMatch(kind=kind, value=f"/{service}/{method or ''}")  # type: ignore[arg-type]
    return Conditions(path, "", (GRPC, *_read_headers(match.metadata)), (), match.port)


def rank_of(priority: int | None, conditions: Conditions) -> tuple[int, ...]:
    """Where a route stands among those of its host, the greatest first.

    The priority comes first, and with the same one the longer prefix. App Mesh never said what comes next; conditions
    rank above the name, so that no route is hidden by one that asks for less.
    """
    path = conditions.path
    return (
        LOWEST_PRIORITY - (LOWEST_PRIORITY if priority is None else priority),
        _PATH_ORDER[path.kind] if path else 0,
        len(path.value) if path else 0,
        sum(one != GRPC for one in _asked(conditions.headers)),
        len(_asked(conditions.query)),
        1 if conditions.method else 0,
        1 if conditions.port else 0,
    )


def find_shadowed(routes: Iterable[tuple[Conditions, R]]) -> Iterator[tuple[R, R]]:
    """Each of the routes, which come in their order, that gets no requests, and the one before it that takes them.

    One that asks for the same or for nothing but a path is known to do so; in one pass, however many there are.
    """
    taken: dict[Conditions, dict[object, R]] = {}
    for conditions, route in routes:
        path = conditions.path
        asked = conditions._replace(path=None)
        nothing = Conditions(headers=tuple(one for one in asked.headers if one == GRPC))
        literal = path.value if path is not None and path.kind != "regex" else "/"
        paths = (*(literal[:end] for end in range(1, len(literal) + 1)), path)
        groups = [taken.get(key._replace(port=port), {}) for key in (nothing, asked) for port in (0, asked.port)]
        first = next((group[one] for group in groups for one in paths if one in group), None)
        if first is not None:
            yield route, first
        everything = path is None or path.value in EVERYTHING
        start = "/" if everything else path.value if path is not None and path.kind == "string_prefix" else path
        taken.setdefault(asked, {}).setdefault(start, route)


def join(first: Conditions, second: Conditions) -> Conditions | None:
    """Both conditions at once, paths left out; None where no request can meet both."""
    if first.method and second.method and first.method != second.method:
        return None
    headers = tuple(dict.fromkeys((*first.headers, *second.headers)))
    query = tuple(dict.fromkeys((*first.query, *second.query)))
    if _contradict(headers) or _contradict(query):
        return None
    return Conditions(None, first.method or second.method, headers, query)


def _contradict(values: Also) -> bool:
    exact: dict[str, str] = {}
    wanted = (one for one in values if one.kind == "exact" and not one.invert)
    return any(exact.setdefault(one.name.lower(), one.value) != one.value for one in wanted)


def _asked(values: Also) -> Also:
    """The conditions as they were written: an inverted one stands as two."""
    inverted = {one.name for one in values if one.invert and one.kind != "present"}
    return tuple(one for one in values if not (one.kind == "present" and not one.invert and one.name in inverted))


def _read_headers(headers: tuple[HeaderMatch, ...]) -> Also:
    return tuple(one for header in headers for one in _read_header(header))


def _read_header(header: HeaderMatch) -> Also:
    name, match = header.name.lower(), header.match
    if match is None or match.present is not None:
        absent = header.invert != (match is not None and match.present is False)
        return (ValueMatch(name=name, kind="present", invert=absent),)
    if match.range is not None:
        start, end = match.range.start, match.range.end
        value = ValueMatch(name=name, kind="range", range_start=start, range_end=end, invert=header.invert)
    else:
        kind = next(kind for kind in ("exact", "prefix", "suffix", "regex") if getattr(match, kind) is not None)
        value = ValueMatch(name=name, kind=kind, value=getattr(match, kind), invert=header.invert)  # type: ignore[arg-type]
    # App Mesh compares only headers that are there, inverted or not.
    return (value, ValueMatch(name=name, kind="present")) if header.invert else (value,)


def _read_parameter(parameter: QueryMatch) -> Also:
    match, name = parameter.match, parameter.name
    if match is None or match.present is not None:
        absent = parameter.invert != (match is not None and match.present is False)
        return (ValueMatch(name=name, kind="present", invert=absent),)
    kind = next(kind for kind in ("exact", "prefix", "suffix", "regex") if getattr(match, kind) is not None)
    value = ValueMatch(name=name, kind=kind, value=getattr(match, kind), invert=parameter.invert)  # type: ignore[arg-type]
    return (value, ValueMatch(name=name, kind="present")) if parameter.invert else (value,)
