"""Regular expressions: what RE2 would refuse, and Envoy with it.

RE2's syntax is at https://github.com/google/re2/wiki/Syntax. Python's `re` knows another one; the engine inside
pydantic descends from RE2 and differs from it only in the places that are ironed out here.
"""

import re
from functools import lru_cache

from pydantic_core import SchemaError, SchemaValidator, core_schema

_MOST_REPEATS = 1000
_PIECE = re.compile(
    r"\\Q.*?(?:\\E|$)"  # a quoted literal
    r"|\\[pPx]\{[^}]*\}|\\0?[0-7]{2,3}|\\."  # an escape
    r"|\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]"  # a class
    r"|\(\?x|\{\d+(?:,\d*)?\}|\{",
    re.DOTALL,
)
_COUNT = r"\{\d+(?:,\d*)?\}"
_REPEATED_REPEAT = re.compile(rf"(?<!\()(?:[*+?]|{_COUNT})(?:[*+]|{_COUNT}|\?(?:[*+?]|{_COUNT}))")
_LITERAL = re.compile(r"\\[pPx]\{[^}]*\}|\\.|\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]", re.DOTALL)
_NAMED = re.compile(
    r"\[:\^?(?!(?:alnum|alpha|ascii|blank|cntrl|digit|graph|lower|print|punct|space|upper|word|xdigit):\])\w+:\]"
)
_IN_CLASS = re.compile(r"(\\[dDwWsS])-(?!\])|&&|--|~~|\[(?!:)")


@lru_cache(maxsize=4096)
def problem_of(pattern: str) -> str | None:
    """Say what is wrong with a pattern, or None."""
    if _REPEATED_REPEAT.search(_LITERAL.sub("a", pattern)):
        return "a repetition is repeated"
    try:
        SchemaValidator(core_schema.str_schema(pattern=_PIECE.sub(_translate, pattern)))
    except _UnknownSyntaxError as unknown:
        return str(unknown)
    except SchemaError as error:
        return _reason(str(error))
    return None


def groups_of(pattern: str) -> int:
    """The number of groups that a substitution may refer to."""
    bare = _PIECE.sub("", pattern)
    return len(re.findall(r"\((?!\?)|\(\?P?<", bare))


class _UnknownSyntaxError(ValueError):
    """Something that RE2 lacks and the other engine has."""


def _translate(found: re.Match[str]) -> str:
    piece = found[0]
    if piece.startswith("\\Q"):
        return "".join(f"\\x{{{ord(letter):x}}}" for letter in piece[2:].removesuffix("\\E"))
    if piece == "\\C":
        return "."
    if piece[0] == "\\" and piece[1:].isdigit() and len(piece) > 2 and piece[1] in "01234567":
        return f"\\x{{{int(piece[1:], 8):x}}}"
    if piece in ("\\<", "\\>") or piece == "\\_":
        return re.escape(piece[1:])
    if piece in ("\\u", "\\U"):
        raise _UnknownSyntaxError(f"there is no escape {piece}")
    if piece == "(?x":
        raise _UnknownSyntaxError("there is no flag x")
    if piece == "{":
        return "\\{"  # RE2 takes a brace that starts no repetition as itself
    if piece[0] == "{":
        if any(int(count) > _MOST_REPEATS for count in re.findall(r"\d+", piece)):
            raise _UnknownSyntaxError(f"more than {_MOST_REPEATS} repetitions")
        return piece
    return _translate_class(piece) if piece[0] == "[" else piece


def _translate_class(piece: str) -> str:
    """RE2's classes have no set operations and no classes inside, apart from named ones."""
    if _NAMED.search(piece):
        raise _UnknownSyntaxError("there is no such named class")
    return "[" + _IN_CLASS.sub(_escape_in_class, piece[1:])


def _escape_in_class(found: re.Match[str]) -> str:
    if found[1]:
        return f"{found[1]}\\-"
    return "".join(f"\\{letter}" for letter in found[0])


def _reason(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return next((line.removeprefix("error: ") for line in lines if line.startswith("error: ")), "it cannot be parsed")
