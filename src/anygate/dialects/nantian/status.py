"""Conditions of this dialect's objects, and of policies for each of their targets."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from anygate.diagnostics import ObjectRef

CONTROLLER = "anygate.dev/gateway-controller"


class _Condition(NamedTuple):
    holds: bool
    reason: str
    message: str


@dataclass
class Conditions:
    """Conditions by object, target (None: the object as a whole) and type; the first False of a type stands."""

    _found: dict[tuple[ObjectRef, ObjectRef | None], dict[str, _Condition]] = field(default_factory=dict)

    def note(
        self,
        ref: ObjectRef,
        kind: str,
        holds: bool,
        reason: str,
        message: str = "",
        target: ObjectRef | None = None,
    ) -> None:
        """Note a condition."""
        known = self._found.setdefault((ref, target), {})
        if kind not in known or (known[kind].holds and not holds):
            known[kind] = _Condition(holds, reason, message)

    def is_refused(self, ref: ObjectRef) -> bool:
        """Whether an object as a whole is not accepted."""
        found = self._found.get((ref, None), {}).get("Accepted")
        return found is not None and not found.holds

    def render(self, refs: Iterable[ObjectRef]) -> Mapping[ObjectRef, Mapping[str, Any]]:
        """The status of each of the objects."""
        return {ref: self._render(ref) for ref in sorted(refs)}

    def _render(self, ref: ObjectRef) -> Mapping[str, Any]:
        self.note(ref, "Accepted", True, "Accepted")
        status: dict[str, Any] = {"conditions": _list(self._found[ref, None])}
        ancestors = [
            {
                "ancestorRef": {"group": target.group, "kind": target.kind, "name": target.name},
                "controllerName": CONTROLLER,
                "conditions": _list(conditions),
            }
            for (owner, target), conditions in sorted(self._found.items(), key=lambda one: one[0][1] or ref)
            if owner == ref and target is not None
        ]
        return {**status, "ancestors": ancestors} if ancestors else status


def _list(conditions: Mapping[str, _Condition]) -> list[dict[str, str]]:
    return [
        {"type": kind, "status": "True" if one.holds else "False", "reason": one.reason, "message": one.message}
        for kind, one in sorted(conditions.items())
    ]
