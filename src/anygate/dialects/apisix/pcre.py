"""Perl's regular expressions, which APISIX searches for anywhere in a text, as RE2 that must match all of it."""

import re
from functools import lru_cache

from anygate.model.re2 import problem_of

_LOOKAROUND = re.compile(r"\(\?(?:<?[=!]|>|\||R|&|\()|\\(?:[1-9]|K|R|g\{?\w)|(?<!\\)[*+?}]\+")
_PIECE = re.compile(r"\\Q.*?(?:\\E|$)|\\[pPx]\{[^}]*\}|\\.|\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]|.", re.DOTALL)
_LEADING = re.compile(r"(\^?)([\w/:%=&,~@ -]+)", re.ASCII)
_NEGATED = {r"\S": r"[^\s?]", r"\W": r"[^\w?]", r"\D": r"[^\d?]"}


@lru_cache(maxsize=4096)
def refuse_pattern(pattern: str) -> str:
    """Why a pattern cannot be had in RE2; empty if it can."""
    unescaped = "".join(piece for piece in _PIECE.findall(pattern) if piece[0] != "[" and piece[:2] != r"\Q")
    found = _LOOKAROUND.search(unescaped)
    if found:
        return f"there are no look-arounds, back-references or possessive repetitions like {found[0]}"
    return problem_of(pattern) or ""


def leading_pattern(pattern: str) -> str:
    """A pattern for the text with which all begins that a pattern finds, for RE2; empty if nothing is known of it."""
    found = _LEADING.match(pattern)
    if found is None or "|" in pattern:
        return ""
    is_optional = pattern[found.end() : found.end() + 1] in ("?", "*", "{")
    text = found[2][:-1] if is_optional else found[2]
    return found[1] + re.escape(text) if text else ""


def search_pattern(pattern: str, *, ignore_case: bool = False) -> str:
    """What matches all of a text in which a pattern is found."""
    return f"(?s:.*){_group(pattern, ignore_case)}(?s:.*)"


def search_path_pattern(pattern: str, *, ignore_case: bool = False) -> str:
    """What matches all of a path with its query if a pattern is found in the path: nothing in it crosses a `?`."""
    inside = "".join(map(_within_path, _PIECE.findall(pattern)))
    return f"[^?]*{_group(inside, ignore_case)}[^?]*(?:\\?.*)?"


def search_query_pattern(pattern: str, *, ignore_case: bool = False) -> str | None:
    """What matches all of a query parameter's value in which a pattern is found, as the value stands in a query.

    For a place in the midst of a path: it has no anchors and never crosses a `&`. None if the pattern has anchors
    elsewhere than at its ends, or alternatives beside them.
    """
    pieces = _PIECE.findall(pattern)
    head, tail = "[^&]*", "[^&]*"
    if pieces[:1] and pieces[0] in ("^", r"\A"):
        head, pieces = "", pieces[1:]
    if pieces[-1:] and pieces[-1] in ("$", r"\z", r"\Z"):
        tail, pieces = "", pieces[:-1]
    if not (head and tail) and _has_bare_alternatives(pieces):
        return None
    if any(piece in ("^", "$", r"\A", r"\z", r"\Z", r"\b", r"\B") for piece in pieces):
        return None
    return f"{head}{_group(''.join(map(_within_value, pieces)), ignore_case)}{tail}"


def _has_bare_alternatives(pieces: list[str]) -> bool:
    depth = 0
    for piece in pieces:
        depth += (piece == "(") - (piece == ")")
        if piece == "|" and not depth:
            return True
    return False


def _within_value(piece: str) -> str:
    if piece == ".":
        return "[^&]"
    if piece in _NEGATED:
        return _NEGATED[piece].replace("?", "&")
    return piece[:-1] + "&]" if piece.startswith("[^") else piece


def _group(pattern: str, ignore_case: bool) -> str:
    return f"(?{'i' if ignore_case else ''}:{pattern})"


def _within_path(piece: str) -> str:
    if piece == ".":
        return "[^?]"
    if piece in ("$", r"\z", r"\Z"):
        return r"(?:\z|\?.*\z)"
    if piece in _NEGATED:
        return _NEGATED[piece]
    return piece[:-1] + "?]" if piece.startswith("[^") else piece
