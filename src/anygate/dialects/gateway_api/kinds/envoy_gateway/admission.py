"""Admission control: reject requests while the backend fails too often."""

from datetime import timedelta
from typing import Literal, Self

from pydantic import Field, model_validator

from anygate.dialects.gateway_api.kinds.envoy_gateway.matches import HttpStatus, Percent
from anygate.dialects.gateway_api.kinds.violations import Violations
from anygate.manifests.fields import Duration, Many
from anygate.manifests.kind import Node

GRPCSuccessCode = Literal[
    "Ok",
    "Cancelled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
]


class HTTPSuccessCriteria(Node):
    """HTTP statuses that count as success."""

    status_codes: Many[HttpStatus] = ()


class GRPCSuccessCriteria(Node):
    """gRPC statuses that count as success."""

    status_codes: Many[GRPCSuccessCode] = ()


class AdmissionControlSuccessCriteria(Node):
    """What counts as success."""

    http: HTTPSuccessCriteria | None = None
    grpc: GRPCSuccessCriteria | None = None


class AdmissionControl(Node):
    """Reject with a probability that rises as the success rate falls."""

    # Default: 30s.
    sampling_window: Duration | None = None
    # Percent; default 95.
    min_success_rate: int | None = Field(default=None, ge=1, le=100)
    # 1 is linear, more rejects sooner; default 1.
    rejection_aggression: int | None = Field(default=None, ge=1)
    # Requests per second below which nothing is rejected; default 0.
    min_request_rate: int | None = Field(default=None, ge=0)
    # Default: 80.
    max_rejection_percent: Percent | None = None
    success_criteria: AdmissionControlSuccessCriteria | None = None

    @model_validator(mode="after")
    def _check_window(self) -> Self:
        found = Violations()
        if self.sampling_window is not None and self.sampling_window < timedelta(seconds=1):
            found.add("must be at least 1s", "samplingWindow")
        found.refuse()
        return self
