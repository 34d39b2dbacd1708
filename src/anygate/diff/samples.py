"""Texts that satisfy a condition, and texts that do not: what requests are made of."""

import re
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any

from anygate.explain.conditions import path_holds, value_matches
from anygate.explain.regexes import compile_re2
from anygate.model.match import PathMatch, ValueMatch

_TURNS = 6
_LONGEST = 3
_ODD = ("x", "", "-1", "Zz9", "/", "\x7f")
_ANY = "x9-/ .A_"
_CATEGORIES = {"DIGIT": "09", "WORD": "xZ9_", "SPACE": " ", "NOT_DIGIT": "x-", "NOT_WORD": "-.", "NOT_SPACE": "x9-"}


def good_values(match: ValueMatch) -> list[str | None]:
    """Values with which a condition holds, the plainest first; None is to be absent."""
    return _wrong(match) if match.invert else _right(match)


def bad_values(match: ValueMatch) -> list[str | None]:
    """Values with which a condition does not hold."""
    return _right(match) if match.invert else _wrong(match)


def regex_samples(pattern: str, *, ignore_case: bool = False) -> list[str]:
    """Texts that an RE2 expression matches as a whole: short and long ones, of each alternative; perhaps none."""
    compiled = compile_re2(pattern, ignore_case)
    if compiled is None:
        return []
    try:
        parsed = _parser.parse(compiled.pattern, compiled.flags & ~re.UNICODE)
    except (re.error, RecursionError):
        return []
    made = dict.fromkeys(_generate(parsed, turn) for turn in range(_TURNS))
    return [text for text in made if compiled.fullmatch(text)]


def swapped(match: PathMatch, path: str) -> str | None:
    """The path in another case, where that is asked to mean nothing."""
    other = path.swapcase()
    return other if match.ignore_case and other != path and path_holds(match, other) else None


def _right(match: ValueMatch) -> list[str | None]:
    value = match.value
    if match.kind == "present":
        return ["x"]
    if match.kind == "range":
        return [str(match.range_start), str(match.range_end - 1)]
    if match.kind == "regex":
        return [*regex_samples(value)]
    return [{"exact": value, "prefix": f"{value}x", "suffix": f"x{value}", "contains": f"x{value}x"}[match.kind]]


def _wrong(match: ValueMatch) -> list[str | None]:
    if match.kind == "present":
        return [None]
    if match.kind == "range":
        return [None, str(match.range_end), str(match.range_start - 1)]
    tried = (f"{match.value}x", f"x{match.value}", *_ODD) if match.kind != "regex" else _ODD
    other = next((text for text in tried if text and value_matches(match, text) is False), None)
    return [None] if other is None else [None, other]


def _generate(parsed: Any, turn: int) -> str:
    return "".join(_piece(operator, argument, turn) for operator, argument in parsed)


def _piece(operator: Any, argument: Any, turn: int) -> str:
    """One element of an expression: early turns take what is first and shortest, odd ones what is last and longer."""
    if operator is _constants.LITERAL:
        return chr(argument)
    if operator is _constants.NOT_LITERAL:
        return next(char for char in _ANY if char != chr(argument))
    if operator is _constants.ANY:
        return "x"
    if operator is _constants.IN:
        return _from_set(argument, turn)
    if operator is _constants.BRANCH:
        return _generate(argument[1][turn % len(argument[1])], turn)
    if operator is _constants.SUBPATTERN:
        return _generate(argument[3], turn)
    if operator in (_constants.MAX_REPEAT, _constants.MIN_REPEAT):
        least, most, inner = argument
        count = min(int(most), max(int(least) + (1 if turn % 2 else 0), 0), int(least) + _LONGEST)
        return "".join(_generate(inner, turn + at * (turn > 1)) for at in range(count))
    return ""


def _from_set(items: Any, turn: int) -> str:
    """A character of a set: the first or the last of one of its ranges, or any that an inverted set leaves."""
    if items[0][0] is _constants.NEGATE:
        return next((char for char in _ANY if not any(_has(item, char) for item in items[1:])), "x")
    operator, argument = items[(turn // 2) % len(items)]
    if operator is _constants.RANGE:
        return chr(argument[turn % 2])
    if operator is _constants.CATEGORY:
        choices = _CATEGORIES[str(argument).removeprefix("CATEGORY_")]
        return choices[turn % len(choices)]
    return chr(argument)


def _has(item: Any, char: str) -> bool:
    operator, argument = item
    if operator is _constants.RANGE:
        return bool(argument[0] <= ord(char) <= argument[1])
    if operator is _constants.CATEGORY:
        return char in _CATEGORIES[str(argument).removeprefix("CATEGORY_")]
    return bool(argument == ord(char))
