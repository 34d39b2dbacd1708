"""The conditions of each object, as the controllers since 2.0 set them: one says whether it was accepted."""

from collections.abc import Iterable, Mapping
from typing import Any

from anygate.diagnostics import ObjectRef
from anygate.dialects.apisix.kinds.values import is_ip
from anygate.manifests.kind import Kind


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

    def pass_on(self, part: ObjectRef, whole: ObjectRef) -> None:
        """Note for a written object what became of one that stands for a part of it."""
        for message in (self._refused.get(part), self._partly.get(part)):
            if message is not None:
                self.refuse_part(whole, message)

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


def render_ingresses(
    derived: Iterable[Kind], conditions: Conditions, addresses: Iterable[str]
) -> Mapping[ObjectRef, Mapping[str, Any]]:
    """The status of the Ingresses that objects were derived from: where clients reach them, as APISIX's controller says
    it, and conditions of ours, which the API has none of."""
    written = {}
    for one in derived:
        conditions.pass_on(one.ref, one.manifest.written)
        written[one.manifest.written] = {"ingress": [_point(address) for address in dict.fromkeys(addresses)]}
    found = conditions.render(written)
    if not addresses:
        return found
    return {ref: {"loadBalancer": written[ref], **status} for ref, status in found.items()}


def _point(address: str) -> dict[str, str]:
    return {"ip" if is_ip(address) else "hostname": address}


def _condition(kind: str, holds: bool, reason: str, message: str | None) -> dict[str, str]:
    return {"type": kind, "status": "True" if holds else "False", "reason": reason, "message": message or ""}
