"""Regular expressions as far as flattening has to know them: what is left of one behind a literal start."""

from functools import lru_cache

from pydantic_core import SchemaError, SchemaValidator, ValidationError, core_schema

_SPECIAL = frozenset(".*+?()[]{}|^$\\")
_REPEATS = ("*", "+", "?", "{")
EVERYTHING = (".*", "/.*")
"""Expressions that every path matches."""


def rest_behind(pattern: str, literal: str) -> str | None:
    """The expression for what follows `literal` in texts that match `pattern`; None where that is not plain.

    An expression that no such text matches is one that nothing matches.
    """
    rests = [_rest_of_branch(branch, literal) for branch in _branches(pattern)]
    if None in rests:
        return None
    possible = [rest for rest in rests if rest is not None and rest != NOTHING]
    return "|".join(possible) if possible else NOTHING


NOTHING = r"[^\x00-\x{10FFFF}]"
"""The expression that nothing matches."""


@lru_cache(maxsize=1024)
def matches_whole(pattern: str, text: str) -> bool | None:
    """Whether an expression matches all of a text; None where that cannot be told."""
    try:
        validator = SchemaValidator(core_schema.str_schema(pattern=f"^(?:{pattern})$"))
    except SchemaError:
        return None
    try:
        validator.validate_python(text)
    except ValidationError:
        return False
    return True


def _branches(pattern: str) -> list[str]:
    """The alternatives of an expression, split where no bracket is open."""
    found, start, depth, at, in_class = [], 0, 0, 0, False
    while at < len(pattern):
        letter = pattern[at]
        if letter == "\\":
            at += 1
        elif in_class:
            in_class = letter != "]"
        elif letter == "[":
            in_class = True
            # A bracket that comes first stands for itself.
            at += 1 if pattern[at + 1 : at + 2] == "^" else 0
            at += 1 if pattern[at + 1 : at + 2] == "]" else 0
        elif letter in "()":
            depth += 1 if letter == "(" else -1
        elif letter == "|" and depth == 0:
            found.append(pattern[start:at])
            start = at + 1
        at += 1
    return [*found, pattern[start:]]


def _rest_of_branch(branch: str, literal: str) -> str | None:
    if "\\Q" in branch:
        return None
    left = branch.removeprefix("^")
    for letter in literal:
        if left == ".*":
            return left
        if left.startswith(".*"):
            following = _first_letter(left[2:])
            # What stands for the letter can only be the dot.
            if following is None or following[0] == letter:
                return None
            continue
        first = _first_letter(left)
        if first is None:
            return None
        if first[0] != letter:
            return NOTHING
        left = first[1]
    return left


def _first_letter(pattern: str) -> tuple[str, str] | None:
    """The letter that an expression must begin with and what follows it; None where that is not plain."""
    escaped = pattern[:1] == "\\"
    letter, left = (pattern[1:2], pattern[2:]) if escaped else (pattern[:1], pattern[1:])
    plain = letter and (not letter.isalnum() if escaped else letter not in _SPECIAL)
    return (letter, left) if plain and not left.startswith(_REPEATS) else None
