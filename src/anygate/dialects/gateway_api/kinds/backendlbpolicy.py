"""BackendLBPolicy: load balancing and session persistence of backends, as first released and as Nantian extends it."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from anygate.dialects.gateway_api.kinds.references import GATEWAY_API_GROUP, LocalPolicyTargetReference
from anygate.dialects.gateway_api.kinds.sequences import NonEmpty
from anygate.dialects.gateway_api.kinds.session import SessionPersistence
from anygate.dialects.gateway_api.kinds.violations import Violations, check_exclusive
from anygate.manifests.fields import HeaderName
from anygate.manifests.kind import Kind, Node


class ConsistentHash(Node):
    """What is hashed to find an endpoint."""

    key_type: Literal["SourceIP", "Header", "Hostname"]
    header_name: HeaderName | None = None

    @model_validator(mode="after")
    def _check_header(self) -> Self:
        found = Violations()
        if self.key_type == "Header" and self.header_name is None:
            found.add("headerName is required when keyType is Header", "headerName", code="required")
        if self.key_type != "Header" and self.header_name is not None:
            found.add("headerName is only allowed when keyType is Header", "headerName", code="forbidden")
        found.refuse()
        return self


class LoadBalancing(Node):
    """How an endpoint is chosen. Without a type it is what the blocks that are there say."""

    type: Literal["RoundRobin", "ConsistentHash", "LeastRequest", "Random"] | None = None
    consistent_hash: ConsistentHash | None = None

    @model_validator(mode="after")
    def _check_type(self) -> Self:
        found = Violations()
        if self.type == "ConsistentHash" and self.consistent_hash is None:
            found.add("consistentHash is required when type is ConsistentHash", "consistentHash", code="required")
        if self.type not in (None, "ConsistentHash") and self.consistent_hash is not None:
            text = "consistentHash is only allowed when type is ConsistentHash"
            found.add(text, "consistentHash", code="forbidden")
        found.refuse()
        return self


class LBCircuitBreaker(Node):
    """A bound for a whole Service; 0 is none."""

    max_inflight_requests: int = Field(default=0, ge=0, le=2**31 - 1)


class LBSessionPersistence(SessionPersistence):
    """Session persistence, whose type guides call `sessionType`."""

    session_type: Literal["Cookie", "Header"] | None = None

    @property
    def chosen_type(self) -> Literal["Cookie", "Header"]:
        """What carries the session, by whichever name it goes."""
        return self.session_type or self.type


class BackendLBPolicySpec(Node):
    """Targets and what holds for them."""

    target_refs: NonEmpty[LocalPolicyTargetReference] = Field(max_length=16)
    load_balancing: LoadBalancing | None = None
    session_persistence: LBSessionPersistence | None = None
    circuit_breaker: LBCircuitBreaker | None = None
    # The name that guides have for it.
    other_session_persistence: LBSessionPersistence | None = Field(default=None, alias="session_persistence")

    @model_validator(mode="after")
    def _check_session(self) -> Self:
        found = Violations()
        check_exclusive(
            found, sessionPersistence=self.session_persistence, session_persistence=self.other_session_persistence
        )
        found.refuse()
        return self

    @property
    def session(self) -> LBSessionPersistence | None:
        """Session persistence, by whichever name it goes."""
        return self.session_persistence or self.other_session_persistence


class BackendLBPolicy(Kind):
    """Load balancing of backends."""

    GROUP: ClassVar[str] = GATEWAY_API_GROUP
    KIND: ClassVar[str] = "BackendLBPolicy"

    spec: BackendLBPolicySpec
