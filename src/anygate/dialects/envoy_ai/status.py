"""The condition that each object of this dialect gets: exactly one, as the controller of Envoy AI Gateway sets it."""

from collections.abc import Mapping
from typing import Any

from anygate.diagnostics import ObjectRef

_DONE = {
    "AIGatewayRoute": "AI Gateway Route reconciled successfully",
    "AIServiceBackend": "AIServiceBackend reconciled successfully",
    "BackendSecurityPolicy": "BackendSecurityPolicy reconciled successfully",
    "MCPRoute": "MCP Gateway Route reconciled successfully",
    "QuotaPolicy": "QuotaPolicy reconciled successfully",
    "GatewayConfig": "GatewayConfig reconciled successfully",
}


class Conditions:
    """Collects why objects are not accepted; the first reason of each stands."""

    def __init__(self) -> None:
        self._reasons: dict[ObjectRef, str] = {}

    def refuse(self, ref: ObjectRef, message: str) -> None:
        """Note that an object is not accepted."""
        self._reasons.setdefault(ref, message)

    def render(self, refs: list[ObjectRef]) -> Mapping[ObjectRef, Mapping[str, Any]]:
        """The status of each of the objects."""
        return {ref: {"conditions": [self._condition(ref)]} for ref in sorted(refs) if ref.kind in _DONE}

    def _condition(self, ref: ObjectRef) -> dict[str, str]:
        reason = self._reasons.get(ref)
        if reason is None:
            return {
                "type": "Accepted",
                "status": "True",
                "reason": "ReconciliationSucceeded",
                "message": _DONE[ref.kind],
            }
        return {"type": "NotAccepted", "status": "False", "reason": "ReconciliationFailed", "message": reason}
