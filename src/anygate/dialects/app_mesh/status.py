"""The condition that each object gets: one, as the controller of App Mesh sets it, with a reason.

A gateway of which only some listeners are served has one more for each listener.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from anygate.diagnostics import ObjectRef

_WITHOUT = ("BackendGroup", "Route")


class Conditions:
    """Collects why objects are not active; the first reason of each stands."""

    def __init__(self) -> None:
        self._reasons: dict[ObjectRef, str] = {}
        self._listeners: dict[ObjectRef, dict[int, str]] = {}

    def refuse(self, ref: ObjectRef, message: str) -> None:
        """Note that an object is not active."""
        self._reasons.setdefault(ref, message)

    def judge_listeners(self, ref: ObjectRef, served: Sequence[int], refused: Mapping[int, str]) -> None:
        """Note which ports of a gateway are not served, and why; without any that is, the gateway is not active."""
        if refused and not served:
            self.refuse(ref, next(iter(refused.values())))
        elif refused:
            self._listeners[ref] = {**dict.fromkeys(served, ""), **refused}

    def is_refused(self, ref: ObjectRef) -> bool:
        """Whether an object is not active."""
        return ref in self._reasons

    def render(self, refs: Iterable[ObjectRef]) -> Mapping[ObjectRef, Mapping[str, Any]]:
        """The status of each of the objects."""
        found: dict[ObjectRef, dict[str, Any]] = {}
        for ref in sorted(refs):
            reason = self._reasons.get(ref)
            if reason is None and ref.kind in _WITHOUT:
                continue
            condition = _condition(f"{ref.kind}Active", reason)
            found[ref] = {"conditions": [condition]}
            ports = self._listeners.get(ref)
            if ports is not None:
                found[ref]["listeners"] = [
                    {"port": port, "conditions": [_condition("Accepted", message or None)]}
                    for port, message in sorted(ports.items())
                ]
        return found


def _condition(name: str, reason: str | None) -> dict[str, str]:
    return {
        "type": name,
        "status": "True" if reason is None else "False",
        "reason": "Accepted" if reason is None else "Refused",
        "message": reason or "",
    }
