"""Which of many paths may take a request that another one takes, without looking at all of them.

Of two paths that both take some request one begins with all that is literal at the beginning of the other.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from anygate.model.match import PathMatch

_LITERAL = re.compile(r"(?:[-A-Za-z0-9/_~%]|\\[^A-Za-z0-9])*")


class _Stem(NamedTuple):
    """What paths begin with; more may follow an `open` one."""

    text: str
    is_open: bool


class Neighbours:
    """Paths, each with a number: the first is 0."""

    def __init__(self, paths: Iterable[PathMatch | None] = ()) -> None:
        self._by_stem: dict[str, list[tuple[int, bool]]] = {}
        self._sorted: list[str] = []
        self._count = 0
        for path in paths:
            self.add(path)

    def __len__(self) -> int:
        return self._count

    def add(self, path: PathMatch | None) -> None:
        """Give a path the next number."""
        stem = _read_stem(path)
        self._by_stem.setdefault(stem.text, []).append((self._count, stem.is_open))
        self._count += 1

    def of(self, path: PathMatch | None, *, after: int) -> list[int]:
        """The numbers beyond `after` of the paths that may take what this one takes, in their order."""
        found = set(self.over(path))
        stem = _read_stem(path)
        if stem.is_open:
            for text in self._below(stem.text):
                found.update(at for at, _ in self._by_stem[text])
        return sorted(at for at in found if at > after)

    def over(self, path: PathMatch | None) -> Iterator[int]:
        """The numbers of the paths that may take all that this one takes."""
        text = _read_stem(path).text
        for end in range(len(text)):
            yield from (at for at, is_open in self._by_stem.get(text[:end], ()) if is_open)
        yield from (at for at, _ in self._by_stem.get(text, ()))

    def _below(self, text: str) -> Iterator[str]:
        if len(self._sorted) < len(self._by_stem):
            self._sorted = sorted(self._by_stem)
        for at in range(bisect_left(self._sorted, text), len(self._sorted)):
            if not self._sorted[at].startswith(text):
                return
            yield self._sorted[at]


def _read_stem(path: PathMatch | None) -> _Stem:
    if path is None or path.ignore_case:
        return _Stem("", True)
    if path.kind == "exact":
        return _Stem(path.value, False)
    if path.kind == "prefix":
        return _Stem(path.value.rstrip("/"), True)
    if path.kind == "string_prefix":
        return _Stem("" if path.value == "/" else path.value, True)
    return _Stem("", True) if "|" in path.value else _Stem(_literal(path.value), True)


def _literal(pattern: str) -> str:
    """What all matches of an expression begin with; the last character may be about to be repeated or left out."""
    found = _LITERAL.match(pattern)
    text = found[0] if found else ""
    rest = pattern[len(text) :]
    if rest[:1] in ("*", "?", "{"):
        text = re.sub(r"(?:\\.|.)$", "", text)
    return re.sub(r"\\(.)", r"\1", text)
