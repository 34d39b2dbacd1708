"""When and how often requests are tried again."""

from typing import Literal

from pydantic import Field

from anygate.manifests.envoy_gateway.matches import HttpStatus
from anygate.manifests.fields import Duration, Many
from anygate.manifests.kind import Node

RetryTrigger = Literal[
    "5xx",
    "gateway-error",
    "reset",
    "reset-before-request",
    "connect-failure",
    "retriable-4xx",
    "refused-stream",
    "retriable-status-codes",
    "cancelled",
    "deadline-exceeded",
    "internal",
    "resource-exhausted",
    "unavailable",
]


class RetryOn(Node):
    """Causes of a retry; status codes count only with the trigger retriable-status-codes."""

    triggers: Many[RetryTrigger] = ()
    http_status_codes: Many[HttpStatus] = ()


class BackOffPolicy(Node):
    """Exponential back-off with jitter."""

    base_interval: Duration | None = None
    # Default: ten times the base interval.
    max_interval: Duration | None = None


class PerRetryPolicy(Node):
    """Limits of each try."""

    timeout: Duration | None = None
    back_off: BackOffPolicy | None = None


class Retry(Node):
    """Without retryOn: connect failures, refused streams, gRPC unavailable and cancelled, status 503."""

    num_retries: int = Field(default=2, ge=0)
    # Tries at one priority before the next one is used; absent or 0: the highest healthy one only.
    num_attempts_per_priority: int | None = Field(default=None, ge=0)
    retry_on: RetryOn | None = None
    per_retry: PerRetryPolicy | None = None
