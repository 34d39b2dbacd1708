"""The conditions of each object, as the controllers since 2.0 set them: one says whether it was accepted."""

from collections.abc import Iterable, Mapping
from typing import Any

from anygate.diagnostics import ObjectRef


class Conditions:
    """Collects why objects, or some of their rules, are not served; the first reason of each stands."""

    def __init__(self) -> None:
        self._refused: dict[ObjectRef, str] = {}
        self._partly: dict[ObjectRef, str] = {}
        self._ignored: set[ObjectRef] = set()

    def refuse(self, ref: ObjectRef, message: str) -> None:
        """Note that an object is not served as a whole."""
        self._refused.setdefault(ref, message)

    def refuse_part(self, ref: ObjectRef, message: str) -> None:
        """Note that a rule of an object is not served as it was written."""
        self._partly.setdefault(ref, message)

    def ignore(self, ref: ObjectRef) -> None:
        """Note that an object is for somebody else, who sets its conditions."""
        self._ignored.add(ref)

    def is_refused(self, ref: ObjectRef) -> bool:
        """Whether an object is not served as a whole."""
        return ref in self._refused

    def render(self, refs: Iterable[ObjectRef]) -> Mapping[ObjectRef, Mapping[str, Any]]:
        """The status of each of the objects."""
        found = {}
        for ref in sorted(refs):
            if ref in self._ignored:
                continue
            refused, partly = self._refused.get(ref), self._partly.get(ref)
            conditions = [
                _condition("Accepted", refused is None, "Accepted" if refused is None else "InvalidSpec", refused)
            ]
            if refused is None and partly is not None:
                conditions.append(_condition("PartiallyInvalid", True, "InvalidSpec", partly))
            found[ref] = {"conditions": conditions}
        return found


def _condition(kind: str, holds: bool, reason: str, message: str | None) -> dict[str, str]:
    return {"type": kind, "status": "True" if holds else "False", "reason": reason, "message": message or ""}
