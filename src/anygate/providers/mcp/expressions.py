"""CEL expressions about a request: a variable `request`, and an answer that is true or false."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from anygate.cel import load_cel

_LONGEST = 4096
_PARSE_PROBLEM = re.compile(r"ERROR: <input>:(.*?)(?: expecting .*)?$", re.MULTILINE)


class ExpressionError(ValueError):
    """An expression that cannot be compiled, or one that fails on a request."""


@lru_cache(maxsize=1024)
def _compile(expression: str) -> Any:
    if len(expression) > _LONGEST:
        raise ExpressionError(f"the expression is longer than {_LONGEST} characters")
    try:
        return load_cel().compile(expression)
    except (ValueError, RuntimeError, TypeError) as problem:
        found = _PARSE_PROBLEM.search(str(problem))
        raise ExpressionError(f"not a CEL expression: {found[1]}" if found else _first_line(problem)) from problem


def check_expression(expression: str) -> None:
    """Raise ExpressionError for what does not compile. Names are looked up only when a request is there."""
    _compile(expression)


def is_true(expression: str, request: Mapping[str, Any]) -> bool:
    """Whether an expression holds for a request; raises ExpressionError where it does not say."""
    program = _compile(expression)
    try:
        found = program.execute({"request": request})
    except Exception as problem:  # the evaluator raises whatever Python type is nearest to CEL's own error
        raise ExpressionError(_first_line(problem)) from problem
    if not isinstance(found, bool):
        raise ExpressionError("the expression is neither true nor false")
    return found


def _first_line(problem: Exception) -> str:
    return str(problem).partition("\n")[0]
