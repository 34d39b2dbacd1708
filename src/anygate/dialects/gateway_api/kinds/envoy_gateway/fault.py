"""Faults on purpose: delays and aborts."""

from typing import Self

from pydantic import Field, model_validator

from anygate.dialects.gateway_api.kinds.violations import Violations, check_any, check_exactly_one
from anygate.manifests.fields import Duration
from anygate.manifests.kind import Node


class FaultInjectionDelay(Node):
    """Wait before forwarding."""

    fixed_delay: Duration
    # Percent of requests, to 0.0001.
    percentage: float = Field(default=100, ge=0, le=100)


class FaultInjectionAbort(Node):
    """Answer with an error instead of forwarding."""

    http_status: int | None = Field(default=None, ge=200, le=600)
    grpc_status: int | None = Field(default=None, ge=0, le=16)
    # Percent of requests, to 0.0001.
    percentage: float = Field(default=100, ge=0, le=100)

    @model_validator(mode="after")
    def _check_status(self) -> Self:
        found = Violations()
        check_exactly_one(found, httpStatus=self.http_status, grpcStatus=self.grpc_status)
        found.refuse()
        return self


class FaultInjection(Node):
    """A delay, an abort or both."""

    delay: FaultInjectionDelay | None = None
    abort: FaultInjectionAbort | None = None

    @model_validator(mode="after")
    def _check_presence(self) -> Self:
        found = Violations()
        check_any(found, delay=self.delay, abort=self.abort)
        found.refuse()
        return self
