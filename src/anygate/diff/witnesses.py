"""Requests that tell two route tables apart: for each row those that satisfy it, and those that just do not."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from anygate.diff.samples import bad_values, good_values, regex_samples, swapped
from anygate.explain.conditions import header_holds
from anygate.model.inference import MODEL_HEADER
from anygate.model.match import HttpMatch, PathMatch, ValueMatch
from anygate.model.route_table import Row

_METHODS = ("GET", "POST")
_PARTS = (":path", ":authority", ":method", ":scheme")


class Witness(NamedTuple):
    """What a request is made of, besides its host. `model` is what an AI request's body names."""

    path: str
    method: str = "GET"
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    cookies: tuple[tuple[str, str], ...] = ()
    model: str | None = None


class Found(NamedTuple):
    """Where a witness comes from. A `boundary` one shows only where a prefix ends: right behind it, or before its last
    slash; dialects differ there, and people seldom mean it."""

    row: Row
    boundary: bool


class _Path(NamedTuple):
    path: str
    boundary: bool = False


_SHOWN = frozenset(("origin", "path", "method", "headers", "query", "cookies", "rank"))


def is_obscure(match: HttpMatch | None) -> bool:
    """Whether a match asks for what no request shows, or by an expression for which no text is found."""
    if match is None:
        return False
    if any(getattr(match, one.name) != one.default for one in msgspec.structs.fields(match) if one.name not in _SHOWN):
        return True
    asked = [value for value in (*match.headers, *match.query, *match.cookies) if not value.invert]
    wanted = [value.value for value in (*asked, *((match.path,) if match.path else ())) if value.kind == "regex"]
    return not all(map(regex_samples, wanted))


def choose_word(rows: Iterable[Row]) -> str:
    """A path element that no row asks for."""
    paths = " ".join(row.match.path.value for row in rows if row.match and row.match.path)
    word = "any"
    while f"/{word}" in paths:
        word += "-other"
    return word


def collect_witnesses(rows: Iterable[tuple[Row, Sequence[Row]]], word: str) -> dict[Witness, Found]:
    """All witnesses of rows, each with those behind it; what two rows yield is a boundary if it is for both."""
    found: dict[Witness, Found] = {}
    for row, behind in rows:
        made = [*_witnesses(row, word), *(one for second in behind for one in _witnesses_through(row, second, word))]
        for witness, boundary in made:
            known = found.get(witness)
            if known is None or (known.boundary and not boundary):
                found[witness] = Found(row, boundary)
    return found


def _witnesses(row: Row, word: str) -> Iterator[tuple[Witness, bool]]:
    match = row.wanted
    if match is None:
        yield Witness("/"), False
        yield Witness(f"/{word}"), False
        return
    base = _satisfy(match)
    paths = [*_paths(match.path, word), *(_Path(path) for path in _targets(match.headers, word))]
    for path, boundary in paths:
        yield base._replace(path=path), boundary
    plain = next((path for path in paths if not path.boundary), _Path("/")).path
    for near in _near(base._replace(path=plain), match):
        yield near, False


def _witnesses_through(first: Row, second: Row, word: str) -> Iterator[tuple[Witness, bool]]:
    """Requests that the first row sends on, so that the second one takes them, or just does not."""
    entry = _satisfy(first.match) if first.match else Witness("/")
    for wanted, boundary in _witnesses(second, word):
        names = {name for name, _ in wanted.headers}
        headers = (*(pair for pair in entry.headers if pair[0] not in names), *wanted.headers)
        method = entry.method if first.match and first.match.method else wanted.method
        for path in _paths_before(first, wanted.path):
            query, cookies = entry.query + wanted.query, entry.cookies + wanted.cookies
            yield Witness(path, method, query, tuple(sorted(headers)), cookies, wanted.model), boundary


def _paths_before(first: Row, path: str) -> list[str]:
    """Paths of clients that a row makes into this one."""
    rewrite = first.rule.rewrite.path if first.rule.rewrite else None
    match = first.match.path if first.match else None
    if rewrite is None:
        return [path]
    if rewrite.kind != "prefix" or match is None:
        return []
    start, image = match.value.rstrip("/"), rewrite.value.rstrip("/")
    if not path.startswith(image):
        return []
    rest = path[len(image) :]
    glued = [start + rest.removeprefix("/")] if match.kind == "string_prefix" and start and rest != "/" else []
    return [f"{start}{rest}", *glued]


def _paths(match: PathMatch | None, word: str) -> list[_Path]:
    if match is None:
        return [_Path("/"), _Path(f"/{word}")]
    value = match.value
    if match.kind == "exact":
        made = [_Path(value)]
    elif match.kind == "regex":
        made = [_Path(path) for path in regex_samples(value, ignore_case=match.ignore_case) if path.startswith("/")]
    elif match.kind == "string_prefix":
        rest, glued = (word, []) if value.endswith("/") else (f"/{word}", [_Path(f"{value}X", True)])
        made = [_Path(value), _Path(value + rest), _Path(f"{value}{rest}/9"), *glued]
    else:
        stem = value.rstrip("/")
        edges = [_Path(stem, True), _Path(f"{stem}X", True)] if stem else []
        made = [_Path(f"{stem}/{word}"), _Path(f"{stem}/"), _Path(f"{stem}/{word}/9"), *edges]
    other = next((path for one in made if (path := swapped(match, one.path))), None)
    return made if other is None else [*made, _Path(other)]


def _targets(headers: tuple[ValueMatch, ...], word: str) -> Iterator[str]:
    """Paths that satisfy conditions on the path that are written as ones on a header."""
    for header in headers:
        if header.name.lower() == ":path":
            for value in (*good_values(header), *bad_values(header)):
                path = (value or "").partition("?")[0]
                if path.startswith("/"):
                    yield path
                    yield f"{path.rstrip('/')}/{word}"


def _satisfy(match: HttpMatch) -> Witness:
    """The witness with which every condition but that on the path holds, as far as texts for them can be found."""
    headers, model = [], None
    for name, wanted in _by_name(match.headers).items():
        value = _choose(wanted)
        if name == MODEL_HEADER:
            model = value
        elif value is not None and name not in _PARTS:
            headers.append((name, value))
    return Witness(
        path="/",
        method=match.method or ("GET" if model is None else "POST"),
        query=_pairs(match.query),
        headers=tuple(sorted(headers)),
        cookies=_pairs(match.cookies),
        model=model,
    )


def _pairs(matches: tuple[ValueMatch, ...]) -> tuple[tuple[str, str], ...]:
    chosen = ((name, _choose(wanted)) for name, wanted in _by_name(matches, fold=False).items())
    return tuple(sorted((name, value) for name, value in chosen if value is not None))


def _by_name(matches: tuple[ValueMatch, ...], *, fold: bool = True) -> dict[str, list[ValueMatch]]:
    found: dict[str, list[ValueMatch]] = {}
    for match in matches:
        found.setdefault(match.name.lower() if fold else match.name, []).append(match)
    return found


def _choose(wanted: list[ValueMatch]) -> str | None:
    """A value with which all conditions on one name hold, or else the first of them."""
    tried = [value for match in wanted for value in good_values(match)]
    for value in tried:
        values = () if value is None else (value,)
        if all(header_holds(match, values) for match in wanted):
            return value
    return tried[0] if tried else "x"


def _near(base: Witness, match: HttpMatch) -> Iterator[Witness]:
    """The base with one condition met in another way, or not met."""
    yield base
    if match.method:
        yield base._replace(method=next(method for method in _METHODS if method != match.method))
    for header in match.headers:
        name = header.name.lower()
        for value in (*good_values(header)[1:], *bad_values(header)):
            if name == MODEL_HEADER:
                yield base._replace(model=value)
            elif name not in _PARTS:
                yield base._replace(headers=_with(base.headers, name, value))
    for parameter in match.query:
        for value in (*good_values(parameter)[1:], *bad_values(parameter)):
            yield base._replace(query=_with(base.query, parameter.name, value))
    for cookie in match.cookies:
        for value in (*good_values(cookie)[1:], *bad_values(cookie)):
            yield base._replace(cookies=_with(base.cookies, cookie.name, value))


def _with(pairs: tuple[tuple[str, str], ...], name: str, value: str | None) -> tuple[tuple[str, str], ...]:
    others = [pair for pair in pairs if pair[0] != name]
    return tuple(sorted(others if value is None else [*others, (name, value)]))
