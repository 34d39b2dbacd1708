"""Shares of requests that are traced, by lots that are drawn for each request before it has a route.

Envoy's own fractions of routes all go by one random number of a request, which weights of backends and shares of rules
use already: one inside of another would not be the share that it says.
"""

from collections.abc import Iterable

from anygate.model.route import HttpRule
from anygate.model.telemetry import Trace

DRAW = "x-anygate-draw"
"""The header with the lot: a UUID, and so something random in hexadecimal digits."""

_DIGITS = 5
_ALL = 1 << (4 * _DIGITS)
_HEX = "0123456789abcdef"


def draw_headers(rules: Iterable[HttpRule]) -> list[str]:
    """The headers that rules need for shares: put on every request as it comes in, taken off before it leaves."""
    return [DRAW] if any(rule.trace is not None and is_drawn(rule.trace) for rule in rules) else []


def is_drawn(trace: Trace) -> bool:
    """Whether some requests are traced, and others of the same kind are not."""
    return 0 < _count(trace) < _ALL


def drawn_below(trace: Trace) -> str:
    """A regular expression for the lots of those requests that are traced."""
    digits = f"{_count(trace):0{_DIGITS}x}"
    ways = [f"{digits[:place]}[{_HEX[: _HEX.index(digit)]}]" for place, digit in enumerate(digits) if digit != "0"]
    return f"(?:{'|'.join(ways)}).*"


def _count(trace: Trace) -> int:
    """How many of all beginnings a lot may have are traced."""
    return round(trace.share * _ALL)
