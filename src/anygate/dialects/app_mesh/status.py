"""The condition that each object gets: one, as the controller of App Mesh sets it, with a reason."""

from collections.abc import Iterable, Mapping
from typing import Any

from anygate.diagnostics import ObjectRef

_WITHOUT = ("BackendGroup", "Route")


class Conditions:
    """Collects why objects are not active; the first reason of each stands."""

    def __init__(self) -> None:
        self._reasons: dict[ObjectRef, str] = {}

    def refuse(self, ref: ObjectRef, message: str) -> None:
        """Note that an object is not active."""
        self._reasons.setdefault(ref, message)

    def is_refused(self, ref: ObjectRef) -> bool:
        """Whether an object is not active."""
        return ref in self._reasons

    def render(self, refs: Iterable[ObjectRef]) -> Mapping[ObjectRef, Mapping[str, Any]]:
        """The status of each of the objects."""
        found = {}
        for ref in sorted(refs):
            reason = self._reasons.get(ref)
            if reason is None and ref.kind in _WITHOUT:
                continue
            condition = {
                "type": f"{ref.kind}Active",
                "status": "True" if reason is None else "False",
                "reason": "Accepted" if reason is None else "Refused",
                "message": reason or "",
            }
            found[ref] = {"conditions": [condition]}
        return found
