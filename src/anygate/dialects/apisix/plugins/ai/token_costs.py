"""`cost_expr` of ai-rate-limiting: arithmetic in Lua over the usage that providers tell, as the model's own."""

import ast

from anygate.dialects.apisix.findings import PLUGIN_CONFIG
from anygate.dialects.apisix.plugins.plugin import Refusal

_COUNTS = {
    "prompt_tokens": "input_tokens",
    "input_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "output_tokens": "output_tokens",
    "total_tokens": "total_tokens",
    "cached_tokens": "cached_input_tokens",
    "cache_read_input_tokens": "cached_input_tokens",
    "prompt_cache_hit_tokens": "cached_input_tokens",
    "cache_creation_input_tokens": "cache_creation_input_tokens",
    "cache_write_tokens": "cache_creation_input_tokens",
    "reasoning_tokens": "reasoning_tokens",
}
_SIGNS: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_LONGEST = 1000


class _NotUnderstood(ValueError):  # noqa: N818 - it says what is wrong with an expression
    """What of an expression cannot be had."""


def read_cost(expression: str) -> str | Refusal:
    """The expression of a `Cost`. Counts are fractions in Lua, so that they are divided without a rest."""
    try:
        # Sums and products of names and numbers read the same in Python.
        tree = ast.parse(expression.strip()[:_LONGEST], mode="eval")
        return _write(tree.body)
    except _NotUnderstood as problem:
        text = str(problem)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        text = "it is no sum or product of counts and numbers"
    return Refusal(
        PLUGIN_CONFIG, f"the cost cannot be worked out: {text}", f"known are {', '.join(_COUNTS)}", ("cost_expr",)
    )


def _write(node: ast.expr) -> str:
    if isinstance(node, ast.BinOp) and type(node.op) in _SIGNS:
        return f"({_write(node.left)} {_SIGNS[type(node.op)]} {_write(node.right)})"
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return f"(0.0 - {_write(node.operand)})"
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return f"{float(node.value)!r}"
    if isinstance(node, ast.Name):
        if node.id not in _COUNTS:
            raise _NotUnderstood(f"nothing tells {node.id}")
        return f"double({_COUNTS[node.id]})"
    raise _NotUnderstood(f"{ast.unparse(node)} is no sum or product")
