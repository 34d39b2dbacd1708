"""CEL expressions of costs: read once, checked with values, and written so that they cannot fail while requests run.

CEL has no arithmetic between unsigned integers, in which token counts come, and other numbers; cost expressions that
people write have. So numbers become doubles where they have to, and the result is rounded and never less than zero.
"""

import math
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

from anygate.cel import load_cel

TOKENS = (
    "input_tokens",
    "cached_input_tokens",
    "cache_creation_input_tokens",
    "output_tokens",
    "total_tokens",
    "reasoning_tokens",
)
"""The variables that are token counts."""

NAMES = ("model", "backend", "route_name")
"""The variables that are strings."""

_PART = re.compile(
    r"""
    (?P<string>[rRbB]{0,2}(?:\"\"\"(?:\\.|[^\\])*?\"\"\"|'''(?:\\.|[^\\])*?'''|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))
    |(?P<number>(?:0[xX][0-9a-fA-F]+|(?:\d+\.\d+|\.\d+|\d+)(?:[eE][+-]?\d+)?)[uU]?)
    |(?P<field>\.\s*[A-Za-z_]\w*)
    |(?P<name>[A-Za-z_]\w*)
    |(?P<other>(?://[^\n]*)|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_SAFE = (
    re.compile(r"int\((.*)\) < 0 \? uint\(0\) : uint\(\1\)", re.DOTALL),
    re.compile(r"\((.*)\) < 0 \? uint\(0\) : uint\(\1\)", re.DOTALL),
    re.compile(r"\((.*)\) < 0\.0 \? uint\(0\) : uint\(\(\1\) \+ 0\.5\)", re.DOTALL),
)
"""What is written here, which is read as it is."""

_MOST_SAMPLES = 12
_OVERFLOW = "overflow"
_NEGATIVE = "CEL expression result is negative"


class Expression(NamedTuple):
    """An expression whose result is always a whole number from zero up, or what is wrong with it."""

    text: str = ""
    problem: str = ""
    coerced: bool = False


def replace_parts(text: str, change: Callable[[str, str], str]) -> str:
    """An expression with its parts changed; strings and fields of values are left as they are.

    `change` gets what a part is (`name` or `number`) and its text.
    """
    return "".join(change(kind, part) if kind in ("name", "number") else part for kind, part in _split(text))


def _split(text: str) -> Iterator[tuple[str, str]]:
    for found in _PART.finditer(text):
        yield str(found.lastgroup), found.group()


@lru_cache(maxsize=512)
def read_expression(text: str) -> Expression:
    """Check an expression as a controller does, and write it so that it cannot fail."""
    if text.strip() in TOKENS:
        return Expression(text.strip())
    problem = _find_problem(text, _unsigned)
    if not problem and any(one.fullmatch(text) for one in _SAFE):
        return Expression(text)
    if not problem and "-" not in text:
        return Expression(f"int({text}) < 0 ? uint(0) : uint({text})")
    if problem.startswith(_NEGATIVE):
        return Expression(problem=problem)
    # A difference of unsigned integers that is below zero is an error, one of signed integers or doubles is not.
    signed = replace_parts(text, _to_signed)
    if not problem and not _find_problem(signed, _plain):
        return Expression(f"({signed}) < 0 ? uint(0) : uint({signed})")
    doubled = replace_parts(text, _to_double)
    if not _find_problem(doubled, _plain):
        return Expression(f"({doubled}) < 0.0 ? uint(0) : uint(({doubled}) + 0.5)", coerced=bool(problem))
    if problem:
        return Expression(problem=problem)
    return Expression(f"int({text}) < 0 ? uint(0) : uint({text})")


def _unsigned(text: str, sample: int) -> str:
    """Token counts as a controller has them: values of the type of unsigned integers."""
    return replace_parts(text, lambda _, part: f"uint({sample})" if part in TOKENS else part)


def _plain(text: str, sample: int) -> str:
    """Token counts that the expression itself converts."""
    return replace_parts(text, lambda _, part: str(sample) if part in TOKENS else part)


def _to_signed(kind: str, part: str) -> str:
    if kind == "name":
        return f"int({part})" if part in TOKENS else part
    return part.rstrip("uU")


def _to_double(kind: str, part: str) -> str:
    if kind == "name":
        return f"double({part})" if part in TOKENS else part
    digits = part.rstrip("uU")
    if digits[:2] in ("0x", "0X"):
        return f"{int(digits, 16)}.0"
    return digits if any(mark in digits for mark in ".eE") else f"{digits}.0"


def _find_problem(text: str, fill: Callable[[str, int], str]) -> str:
    """Why an expression gives no number; empty when it gives one with zeros and with all that it distinguishes."""
    for sample in _samples(text):
        for name in _names(text):
            found = _evaluate(fill(text, sample), name)
            if isinstance(found, str):
                # A difference may be below zero for counts that no answer has.
                if sample == 0 or not found.startswith(_OVERFLOW):
                    return found
            elif isinstance(found, float) and not math.isfinite(found):
                return "division by zero"
            elif fill is _unsigned and isinstance(found, float):
                return "CEL expression result is a double, and an integer is wanted"
            elif fill is _unsigned and found < 0 and sample == 0:
                return f"{_NEGATIVE} ({found})"
    return ""


def _samples(text: str) -> list[int]:
    """Token counts to try: zero first, and those on both sides of each number that the expression has."""
    found = [0, 1, 1000]
    for kind, part in _split(text):
        digits = part.rstrip("uU")
        if kind == "number" and digits.isdecimal() and len(digits) < 12:
            found += [int(digits), int(digits) + 1]
    return list(dict.fromkeys(found))[:_MOST_SAMPLES]


def _names(text: str) -> list[str]:
    """Texts to try for the model and the like: none, and each that the expression has."""
    found = [""]
    for kind, part in _split(text):
        if kind == "string" and part[0] in "\"'" and "\\" not in part and part[1:2] != part[0]:
            found.append(part[1:-1])
    return list(dict.fromkeys(found))[:_MOST_SAMPLES]


def _evaluate(text: str, name: str) -> int | float | str:
    """The number that an expression gives, or what is wrong with it."""
    try:
        found = load_cel().evaluate(text, dict.fromkeys(NAMES, name))
    except OverflowError:
        return f"{_OVERFLOW}: the result of a subtraction is below zero, or too large"
    except ZeroDivisionError:
        return "division by zero"
    except (ValueError, TypeError, RuntimeError, KeyError, ArithmeticError, IndexError) as error:
        return _shorten(str(error))
    if isinstance(found, bool) or not isinstance(found, int | float):
        return "CEL expression result is not a number"
    return found


def _shorten(text: str) -> str:
    """The first sentence of the evaluator's message, without the expression as it was filled in."""
    line = text.strip().splitlines()[0] if text.strip() else "it cannot be evaluated"
    missing = re.search(r"Undefined variable or function: '([^']*)'", line)
    if missing:
        return f"undeclared reference to '{missing[1]}'"
    if "Failed to parse" in line:
        found = re.search(r"Syntax error: [^\n]{0,80}", line)
        return found[0].lower().split(" expecting ")[0] if found else "syntax error"
    return line.split(". ")[0][:200]
