"""Messages on their way into the snapshot: checked against Envoy's own rules, then serialised."""

from typing import Any, NamedTuple

from anygate.envoy.api import serialise
from anygate.envoy.constraints import check
from anygate.model.origin import Origin


class Refusal(NamedTuple):
    """Something that Envoy would refuse and was therefore left out: whose fault it is, its name, and why."""

    origin: Origin
    resource: str
    text: str


def refusals(built: Any, origin: Origin, resource: str) -> list[Refusal]:
    """Return what Envoy would refuse about a message."""
    return [Refusal(origin, resource, f"{wrong.path} {wrong.text}") for wrong in check(built)]


def serialised(built: Any, origin: Origin, resource: str, found: list[Refusal]) -> bytes | None:
    """Serialise a message that Envoy accepts; otherwise append the reasons to `found` and return None."""
    wrong = refusals(built, origin, resource)
    found.extend(wrong)
    return None if wrong else serialise(built)
