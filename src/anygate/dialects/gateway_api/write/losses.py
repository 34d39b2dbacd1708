"""What a conversion loses: a rule, a sentence and the place in the source."""

from typing import NamedTuple

from anygate.diagnostics import Rule
from anygate.model.origin import Origin


class Loss(NamedTuple):
    """One thing that the written manifests do not say; `origin` is what asks for it."""

    rule: Rule
    origin: Origin
    message: str
    hint: str = ""


class Losses:
    """Collects losses in the order in which they are found, each once."""

    def __init__(self) -> None:
        self._found: dict[Loss, None] = {}

    def add(self, rule: Rule, origin: Origin, message: str, hint: str = "") -> None:
        """Append one loss."""
        self._found[Loss(rule, origin, message, hint)] = None

    @property
    def found(self) -> tuple[Loss, ...]:
        """All of them."""
        return tuple(self._found)
