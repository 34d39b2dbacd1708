"""RE2 expressions, evaluated with Python's `re` where both agree and refused where they may not.

Both engines agree on the syntax that manifests use. `compile_re2` translates what is only spelled differently
and returns None for what Python would read otherwise or not at all, so that nobody is told a wrong answer.
"""

import re
import warnings
from functools import cache

_CLASSES = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": r"\x00-\x7f",
    "blank": r"\t ",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\t\n\v\f\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
_TOKEN = re.compile(r"\\x\{[0-9A-Fa-f]+\}|\\.|\[:\^?[a-z]+:\]|\(\?P?<|\(\?P?[^)]?|\{,|.", re.DOTALL)
_SAME_ESCAPES = frozenset("AbBdDsSwWfnrtvxa")
_GROUPS = frozenset(["(?:", "(?i", "(?s", "(?m", "(?-"])


@cache
def compile_re2(pattern: str, ignore_case: bool = False) -> re.Pattern[str] | None:
    """Return an equivalent Python pattern, or None where Python cannot be trusted to agree with RE2."""
    translated = _translate(pattern)
    if translated is None:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return re.compile(translated, re.ASCII | (re.IGNORECASE if ignore_case else re.NOFLAG))
        except (re.error, OverflowError, RecursionError, Warning):
            return None


def replace_all(pattern: re.Pattern[str], substitution: str, text: str) -> str | None:
    """Replace every match as RE2's GlobalReplace does; None for a substitution that RE2 refuses.

    Unlike `re.sub`, an empty match right behind the previous match is not replaced.
    """
    made: list[str] = []
    at, last = 0, -1
    while at <= len(text):
        found = pattern.search(text, at)
        if found is None:
            break
        made.append(text[at : found.start()])
        if found.end() == found.start() == last:
            made.append(text[found.start() : found.start() + 1])
            at = found.start() + 1
            continue
        filled = _fill(substitution, found)
        if filled is None:
            return None
        made.append(filled)
        at = last = found.end()
    return "".join(made) + text[at:]


def _fill(substitution: str, found: re.Match[str]) -> str | None:
    made: list[str] = []
    at = 0
    while at < len(substitution):
        char = substitution[at]
        if char != "\\":
            made.append(char)
            at += 1
            continue
        following = substitution[at + 1 : at + 2]
        if following == "\\":
            made.append("\\")
        elif following.isascii() and following.isdigit() and int(following) <= found.re.groups:
            made.append(found[int(following)] or "")
        else:
            return None
        at += 2
    return "".join(made)


def _translate(pattern: str) -> str | None:
    """Walk the pieces; `in_set` is the number of characters into a `[...]`, or -1 outside of one."""
    made: list[str] = []
    in_set = -1
    for found in _TOKEN.finditer(pattern):
        piece = found[0]
        new = _in_set(piece) if in_set >= 0 else _outside(piece, made)
        if new is None:
            return None
        if in_set < 0 and piece == "[":
            in_set = 0
        elif in_set >= 0 and piece == "]" and in_set > 0:
            in_set = -1
        elif in_set >= 0 and not (piece == "^" and in_set == 0):
            in_set += 1
        made.append(new)
    return "".join(made)


def _in_set(piece: str) -> str | None:
    if piece.startswith("[:"):
        name = piece[2:-2]
        return _CLASSES.get(name)  # a negated class has no short form in Python
    if len(piece) > 1 and not piece.startswith("\\"):
        return re.escape(piece[0]) + piece[1:]
    if piece in ("[", "&", "|", "~"):
        return "\\" + piece
    return _escape(piece)


def _outside(piece: str, made: list[str]) -> str | None:
    if piece in ("(?<", "(?P<"):
        return "(?P<"
    if piece.startswith("(?"):
        # Flags in the middle of an expression are legal in RE2 only, and are an error in Python.
        return piece if piece in _GROUPS else None
    if piece == "{,":
        return r"\{,"
    if piece == "+" and made and made[-1] in ("*", "+", "?", "}"):
        return None  # possessive in Python, refused by RE2
    if piece == "$":
        return r"\Z"
    return _escape(piece)


def _escape(piece: str) -> str | None:
    if not piece.startswith("\\") or piece == "\\":
        return piece if piece != "\\" else None
    if piece.startswith(r"\x{"):
        return re.escape(chr(int(piece[3:-1], 16))) if int(piece[3:-1], 16) < 0x110000 else None
    if piece == r"\z":
        return r"\Z"
    if piece[1] in _SAME_ESCAPES or not piece[1].isalnum():
        return piece
    return None
