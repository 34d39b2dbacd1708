"""Conditions of `vars` on the status of an answer, which is not known when a request is routed."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

_NAMES = ("status", "upstream_status")
_FIRST, _LAST = 100, 599

_COMPARISONS: Mapping[str, Callable[[int, list[int]], bool]] = MappingProxyType(
    {
        "==": lambda status, numbers: status == numbers[0],
        "~=": lambda status, numbers: status != numbers[0],
        ">": lambda status, numbers: status > numbers[0],
        ">=": lambda status, numbers: status >= numbers[0],
        "<": lambda status, numbers: status < numbers[0],
        "<=": lambda status, numbers: status <= numbers[0],
        "in": lambda status, numbers: status in numbers,
    }
)

Ranges = tuple[tuple[int, int], ...]


def take_statuses(written: list[Any]) -> tuple[Ranges | None, list[Any]]:
    """The ranges of statuses that are asked for (none: any; None: it cannot be said), and all other conditions."""
    others = [entry for entry in written if not _is_status(entry)]
    wanted = set(range(_FIRST, _LAST + 1))
    asked = [entry for entry in written if _is_status(entry)]
    for entry in asked:
        found = _read(entry)
        if found is None:
            return None, others
        wanted &= found
    return (_ranges(wanted) if asked else ()), others


def _is_status(entry: Any) -> bool:
    return isinstance(entry, list) and bool(entry) and entry[0] in _NAMES


def _read(entry: list[Any]) -> set[int] | None:
    negated = len(entry) == 4 and entry[1] == "!"
    operator, value = entry[-2:] if len(entry) > 2 else ("", "")
    values = value if isinstance(value, list) else [value]
    if not values:
        return None
    try:
        numbers = [int(one) for one in values]
    except (TypeError, ValueError):
        return None
    every = range(_FIRST, _LAST + 1)
    compare = _COMPARISONS.get(str(operator))
    if compare is None:
        return None
    return {status for status in every if compare(status, numbers) != negated}


def _ranges(wanted: set[int]) -> Ranges:
    """What nothing satisfies is a range without any status."""
    found: list[tuple[int, int]] = []
    for status in sorted(wanted):
        if found and found[-1][1] == status - 1:
            found[-1] = (found[-1][0], status)
        else:
            found.append((status, status))
    return tuple(found) or ((_LAST, _FIRST),)
