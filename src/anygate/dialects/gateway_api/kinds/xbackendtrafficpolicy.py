"""XBackendTrafficPolicy: retry budget and session persistence of a backend."""

from datetime import timedelta
from typing import ClassVar, Self

from pydantic import Field, field_validator, model_validator

from anygate.dialects.gateway_api.kinds.references import EXPERIMENTAL_GROUP, LocalPolicyTargetReference
from anygate.dialects.gateway_api.kinds.sequences import NonEmpty
from anygate.dialects.gateway_api.kinds.session import SessionPersistence
from anygate.dialects.gateway_api.kinds.violations import Violations
from anygate.manifests.fields import Duration
from anygate.manifests.kind import Kind, Node

_SECOND = timedelta(seconds=1)
_HOUR = timedelta(hours=1)


class BudgetDetails(Node):
    """How many of the requests within an interval may be retries."""

    percent: int = Field(default=20, ge=0, le=100)
    interval: Duration = timedelta(seconds=10)

    @model_validator(mode="after")
    def _check_interval(self) -> Self:
        found = Violations()
        if not _SECOND <= self.interval <= _HOUR:
            found.add("must be between 1s and 1h", "interval")
        found.refuse()
        return self


class RequestRate(Node):
    """A number of requests per interval."""

    count: int = Field(default=10, ge=1, le=1_000_000)
    interval: Duration = _SECOND

    @model_validator(mode="after")
    def _check_interval(self) -> Self:
        found = Violations()
        if not timedelta(0) < self.interval <= _HOUR:
            found.add("must be greater than zero and at most 1h", "interval")
        found.refuse()
        return self


class RetryConstraint(Node):
    """Limits retries to a backend; a retry beyond the limit is answered 503."""

    budget: BudgetDetails = Field(default_factory=BudgetDetails)
    # Retries that are allowed whatever the budget says.
    min_retry_rate: RequestRate = Field(default_factory=RequestRate)


class XBackendTrafficPolicySpec(Node):
    """Targets and limits."""

    target_refs: NonEmpty[LocalPolicyTargetReference] = Field(max_length=16)
    retry_constraint: RetryConstraint | None = None
    session_persistence: SessionPersistence | None = None

    @field_validator("target_refs")
    @classmethod
    def _check_targets(cls, targets: tuple[LocalPolicyTargetReference, ...]) -> tuple[LocalPolicyTargetReference, ...]:
        found = Violations()
        seen: set[tuple[str, str, str]] = set()
        for index, target in enumerate(targets):
            if (target.group, target.kind, target.name) in seen:
                found.add("repeats an earlier reference to the same target", index, code="duplicate")
            seen.add((target.group, target.kind, target.name))
        found.refuse()
        return targets


class XBackendTrafficPolicy(Kind):
    """Traffic settings of backends."""

    GROUP: ClassVar[str] = EXPERIMENTAL_GROUP
    KIND: ClassVar[str] = "XBackendTrafficPolicy"

    spec: XBackendTrafficPolicySpec
