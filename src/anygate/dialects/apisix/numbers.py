"""Comparisons of numbers as regular expressions: Envoy compares only headers, and only whole numbers.

A pattern takes what Lua's `tonumber` reads as a plain decimal number: a sign, digits and a fraction.
"""

import re
from collections.abc import Iterator
from typing import Literal

Comparison = Literal["GreaterThan", "GreaterThanEqual", "LessThan", "LessThanEqual"]

_NUMBER = re.compile(r"([+-]?)0*(\d+?)(?:\.(\d*?)0*)?")
_ANY = r"\d+(?:\.\d*)?"


def compare_pattern(comparison: Comparison, bound: str) -> str | None:
    """A pattern for all of a text that is a number on the right side of `bound`; None if that is not a number."""
    found = _NUMBER.fullmatch(bound.strip())
    if found is None:
        return None
    negative = found[1] == "-"
    whole, fraction = found[2].lstrip("0"), found[3] or ""
    is_greater = comparison.startswith("GreaterThan")
    beyond = _beyond(whole, fraction) if is_greater != negative else _within(whole, fraction)
    choices = list(beyond)
    if comparison.endswith("Equal"):
        choices.append(_equal(whole, fraction))
    side = f"0*(?:{'|'.join(choices)})" if choices else ""
    sign, other = ("-", r"\+?") if negative else (r"\+?", "-")
    parts = [f"{sign}{side}"] if side else []
    # Every number on the other side of zero is greater than a negative bound, or less than one that is not.
    if is_greater == negative:
        parts.append(f"{other}{_ANY}")
    return "|".join(parts)


def _equal(whole: str, fraction: str) -> str:
    head = whole or "0"
    return rf"{head}\.{fraction}0*" if fraction else rf"{head}(?:\.0*)?"


def _beyond(whole: str, fraction: str) -> Iterator[str]:
    """Magnitudes above one, without leading zeros."""
    yield rf"[1-9]\d{{{len(whole)},}}(?:\.\d*)?"
    for at, digit in enumerate(whole):
        if digit != "9":
            rest = len(whole) - at - 1
            yield rf"{whole[:at]}[{int(digit) + 1}-9]\d{{{rest}}}(?:\.\d*)?"
    head = whole or "0"
    for at, digit in enumerate(fraction):
        if digit != "9":
            yield rf"{head}\.{fraction[:at]}[{int(digit) + 1}-9]\d*"
    yield rf"{head}\.{fraction}\d*[1-9]\d*"


def _within(whole: str, fraction: str) -> Iterator[str]:
    """Magnitudes below one, without leading zeros."""
    if len(whole) > 1:
        yield rf"[1-9]\d{{0,{len(whole) - 2}}}(?:\.\d*)?"
    if whole:
        yield r"0(?:\.\d*)?"
    for at, digit in enumerate(whole):
        least = 1 if at == 0 else 0
        if int(digit) > least:
            rest = len(whole) - at - 1
            yield rf"{whole[:at]}[{least}-{int(digit) - 1}]\d{{{rest}}}(?:\.\d*)?"
    head = whole or "0"
    if fraction:
        yield rf"{head}(?:\.0*)?"
    for at, digit in enumerate(fraction):
        if digit != "0":
            yield rf"{head}\.{fraction[:at]}[0-{int(digit) - 1}]\d*"
            if at:
                yield rf"{head}\.{fraction[:at]}"
