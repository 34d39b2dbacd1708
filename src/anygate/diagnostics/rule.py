"""Rules: what each kind of diagnostic means. A rule stands beside the code that raises it."""

from dataclasses import dataclass
from textwrap import dedent

from anygate.diagnostics.diagnostic import Severity


@dataclass(frozen=True)
class Rule:
    """A stable kind of diagnostic and its page for `anygate rule ID`.

    `id` is kebab-case and never changes meaning. `what` says what the diagnostic means, `why` why it
    matters; `wrong` is a manifest that triggers it and `right` the same manifest mended. A rule whose cause
    lies outside the manifests (Envoy refused, port taken) sets `external`, and its examples are not compiled.
    """

    id: str
    severity: Severity
    what: str
    why: str
    wrong: str
    right: str
    external: bool = False

    def __post_init__(self) -> None:
        for name in ("what", "why", "wrong", "right"):
            object.__setattr__(self, name, dedent(getattr(self, name)).strip("\n"))
        if self.id in RULES:
            raise ValueError(f"rule {self.id} is declared twice")
        RULES[self.id] = self


RULES: dict[str, Rule] = {}
"""Every rule declared so far, by id; importing `anygate.compiler` declares them all."""
