"""Two stages of routing as one: a gateway route picks requests and rewrites their paths, then a router's route picks
among the rewritten ones. Here is which paths of clients pass both.

Paths are compared as Envoy has put them in order, so that none has two slashes in a row, and none has a query. What
cannot be said by one condition on the path is said by further ones on the header `:path`, which has the query.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from anygate.dialects.app_mesh.patterns import EVERYTHING, NOTHING, matches_whole, rest_behind
from anygate.model.edit import PathRewrite
from anygate.model.match import PathMatch, ValueMatch
from anygate.model.outside import outside_pattern

Also = tuple[ValueMatch, ...]


class Entry(NamedTuple):
    """What a gateway route asks of the path (None: nothing), and what becomes of it.

    `prefix` is what the matched prefix becomes, `full` what the whole path becomes; with neither it stays.
    """

    path: PathMatch | None
    prefix: str = ""
    full: str = ""


class Passage(NamedTuple):
    """One condition on the client's path, with further ones that must hold too."""

    path: PathMatch | None
    also: Also = ()


class Composition(NamedTuple):
    """The paths that pass both stages: those of any of the passages, with what becomes of them.

    `whole` says that whatever passes the first stage passes the second.
    """

    passages: tuple[Passage, ...] = ()
    rewrite: PathRewrite | None = None
    whole: bool = False


NEVER = Composition()
"""No request passes both stages."""

_EVERY_PATH = frozenset((("string_prefix", "/"), *(("regex", value) for value in EVERYTHING)))


def compose(entry: Entry, wanted: PathMatch | None) -> Composition | None:
    """Put both stages together; None where it cannot be said in Envoy's terms."""
    if wanted is not None and wanted.kind != "regex" and ("?" in wanted.value or _is_out_of_order(wanted)):
        return NEVER
    if wanted is None or (wanted.kind, wanted.value) in _EVERY_PATH:
        return take_all(entry)
    if entry.full:
        return _compose_constant(entry, entry.full, wanted, PathRewrite(kind="full", value=entry.full))
    if entry.prefix and not _keeps_path(entry):
        return _compose_prefix(entry, wanted)
    path = entry.path
    if path is None or (path.kind == "string_prefix" and path.value == "/"):
        return Composition((Passage(wanted),))
    if path.kind == "exact":
        return _compose_constant(entry, path.value, wanted, None)
    if path.kind == "regex":
        return _compose_regex(path, wanted)
    return _compose_kept(path, wanted)


def _is_out_of_order(wanted: PathMatch) -> bool:
    """Whether a literal has `.` or `..` between slashes, as no path has that Envoy has put in order."""
    elements = wanted.value.split("/")
    return not {".", ".."}.isdisjoint(elements if wanted.kind == "exact" else elements[:-1])


def take_all(entry: Entry) -> Composition:
    """Everything that passes the first stage, with its rewrite."""
    if entry.full:
        return Composition((Passage(entry.path),), PathRewrite(kind="full", value=entry.full), whole=True)
    if entry.prefix and not _keeps_path(entry):
        passages = tuple(Passage(_prefix(door)) for door in _doors(entry))
        return Composition(passages, PathRewrite(kind="prefix", value=entry.prefix), whole=True)
    return Composition((Passage(entry.path),), whole=True)


def _keeps_path(entry: Entry) -> bool:
    return entry.prefix == "/" and (entry.path is None or entry.path.value == "/")


def _doors(entry: Entry) -> Sequence[str]:
    """The literal starts that become the new prefix, the first that fits counts: without a slash at the end there are
    two, so that no path gets two slashes."""
    start = entry.path.value if entry.path else "/"
    return (start,) if start.endswith("/") else (f"{start}/", start)


def _compose_prefix(entry: Entry, wanted: PathMatch) -> Composition | None:
    image, doors = entry.prefix, _doors(entry)
    if wanted.kind == "regex":
        return _compose_prefix_regex(image, doors, wanted.value)
    if wanted.kind == "string_prefix" and image.startswith(wanted.value):
        return take_all(entry)
    rest = wanted.value.removeprefix(image)
    # What follows the prefix never begins with a slash: there would be two in a row.
    if not wanted.value.startswith(image) or rest.startswith("/"):
        return NEVER
    paths = (PathMatch(kind=wanted.kind, value=door + rest) for door in doors)
    return Composition(tuple(map(Passage, paths)), PathRewrite(kind="prefix", value=wanted.value))


def _compose_prefix_regex(image: str, doors: Sequence[str], pattern: str) -> Composition | None:
    rest = rest_behind(pattern, image)
    if rest is None:
        return None
    if rest == NOTHING:
        return NEVER
    passages = [Passage(PathMatch(kind="regex", value=f"{re.escape(door)}(?:{rest})")) for door in doors]
    if len(doors) == 2:
        # A path that fits the first door never takes the second, nor does one that a rewrite would put out of order.
        other = ValueMatch(name=":path", kind="prefix", value=doors[0], invert=True)
        passages[1] = passages[1]._replace(also=(other,))
        outside = outside_pattern(doors[1], image)
        if outside:
            left = ValueMatch(name=":path", kind="regex", value=rf"{outside}(?:\?.*)?", invert=True)
            passages[1] = passages[1]._replace(also=(other, left))
    start = f"^{re.escape(doors[-1])}" + ("/?" if len(doors) == 2 else "")
    rewrite = PathRewrite(kind="regex", pattern=start, value=image.replace("\\", "\\\\"))
    return Composition(tuple(passages), rewrite)


def _compose_constant(entry: Entry, image: str, wanted: PathMatch, rewrite: PathRewrite | None) -> Composition | None:
    """The second stage sees one path only."""
    if wanted.kind == "regex":
        holds = matches_whole(wanted.value, image)
        if holds is None:
            return None
    else:
        holds = image == wanted.value if wanted.kind == "exact" else image.startswith(wanted.value)
    return Composition((Passage(entry.path),), rewrite, whole=True) if holds else NEVER


def _compose_kept(path: PathMatch, wanted: PathMatch) -> Composition:
    """A prefix that stays."""
    start = path.value
    if wanted.kind == "regex":
        return Composition((Passage(wanted, (_starting(start),)),))
    if wanted.kind == "string_prefix" and start.startswith(wanted.value):
        return Composition((Passage(path),), whole=True)
    return Composition((Passage(wanted),)) if wanted.value.startswith(start) else NEVER


def _compose_regex(path: PathMatch, wanted: PathMatch) -> Composition | None:
    """An expression, whose paths stay."""
    if wanted.kind == "regex":
        if path.value in EVERYTHING:
            return Composition((Passage(wanted),))
        return Composition((Passage(path),), whole=True) if path.value == wanted.value else None
    if wanted.kind == "string_prefix":
        return Composition((Passage(path, (_starting(wanted.value),)),))
    # The path is the literal one, with or without a query.
    literal = ValueMatch(name=":path", kind="regex", value=rf"{re.escape(wanted.value)}(?:\?.*)?")
    return Composition((Passage(path, (literal,)),))


def _prefix(start: str) -> PathMatch:
    return PathMatch(kind="string_prefix", value=start)


def _starting(start: str) -> ValueMatch:
    return ValueMatch(name=":path", kind="prefix", value=start)
