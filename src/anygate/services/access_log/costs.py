"""The costs of a request, by the expressions that its row carries.

They mean what the expressions mean that Envoy charges limits by (`envoy/cel.py`), over plain variables. They are
reckoned here so that estimated usage has costs as well.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from anygate.cel import load_cel
from anygate.store.row import UsageRow

_NAME = re.compile(r"[a-z_]+")
_MOST = 1e15
"""Of a number beyond it Envoy makes nothing."""


def reckon_costs(expressions: Mapping[str, str], row: UsageRow, words: Mapping[str, str]) -> dict[str, int] | None:
    """Evaluate each expression: a whole number, at least zero. One that fails has no cost.

    None where there is no usage to reckon by. `words` are the variables that are texts.
    """
    if not expressions or row.total_tokens is None:
        return None
    seen: dict[str, float | str] = {
        "input_tokens": float(row.input_tokens or 0),
        "cached_input_tokens": float(row.cached_tokens or 0),
        "cache_creation_input_tokens": float(row.cache_creation_tokens or 0),
        "output_tokens": float(row.output_tokens or 0),
        "total_tokens": float(row.total_tokens),
        "reasoning_tokens": float(row.reasoning_tokens or 0),
        **words,
    }
    found = {}
    for key, text in expressions.items():
        value = _evaluate(text, seen)
        if value is not None:
            found[key] = value
    return found or None


class _Formula(NamedTuple):
    """A compiled expression with the variables that it uses: each one that is passed costs as much as the rest."""

    program: Any
    variables: tuple[str, ...]


@lru_cache(maxsize=1024)
def _compile(text: str) -> _Formula | None:
    try:
        return _Formula(load_cel().compile(text), tuple(dict.fromkeys(_NAME.findall(text))))
    except ValueError:
        return None


def _evaluate(text: str, seen: Mapping[str, float | str]) -> int | None:
    value: object = seen.get(text)  # most costs are a count and nothing else
    if value is None:
        formula = _compile(text)
        if formula is None:
            return None
        try:
            value = formula.program.execute({name: seen[name] for name in formula.variables if name in seen})
        except (TypeError, ValueError, RuntimeError, ArithmeticError):
            return None
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return int(value + 0.5) if 0 < value < _MOST else 0
