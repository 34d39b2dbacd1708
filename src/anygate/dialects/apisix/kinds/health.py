"""Health checks of an ApisixUpstream."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from anygate.manifests.fields import GoDuration, Many, Port
from anygate.manifests.kind import Node

CheckType = Literal["http", "https", "tcp"]
StatusCode = Annotated[int, Field(ge=200, le=599)]
Count = Annotated[int, Field(ge=0, le=254)]


def _check_interval(value: timedelta) -> timedelta:
    if value < timedelta(seconds=1):
        raise ValueError("expected at least one second")
    return value


Interval = Annotated[GoDuration, AfterValidator(_check_interval)]

_SECOND = timedelta(seconds=1)
_HEALTHY_CODES = (*range(200, 209), 226, *range(300, 309))
_FAILED_CODES = (429, 404, 500, 501, 502, 503, 504, 505)


class ActiveHealthy(Node):
    """When a node counts as healthy again."""

    http_codes: Many[StatusCode] = (200, 302)
    successes: Count = 2
    interval: Interval = _SECOND


class ActiveUnhealthy(Node):
    """When a node no longer counts as healthy. `timeout` is a number of timeouts."""

    http_codes: Many[StatusCode] = _FAILED_CODES
    http_failures: Count = 5
    tcp_failures: Count = 2
    timeout: Count = 3
    interval: Interval = _SECOND


class ActiveCheck(Node):
    """Requests of the proxy's own. `timeout` is a number of nanoseconds, as the CRD has it."""

    type: CheckType = "http"
    timeout: int = Field(default=1_000_000_000, ge=0)
    concurrency: int = Field(default=10, ge=0)
    host: str | None = Field(default=None, min_length=1)
    port: Port | None = None
    http_path: str = "/"
    strict_tls: bool = Field(default=True, alias="strictTLS")
    request_headers: Many[str] = ()
    healthy: ActiveHealthy = Field(default_factory=ActiveHealthy)
    unhealthy: ActiveUnhealthy = Field(default_factory=ActiveUnhealthy)


class PassiveHealthy(Node):
    """Answers that count for a node."""

    http_codes: Many[StatusCode] = _HEALTHY_CODES
    successes: Count = 5


class PassiveUnhealthy(Node):
    """Answers that count against a node."""

    http_codes: Many[StatusCode] = (429, 500, 503)
    http_failures: Count = 5
    tcp_failures: Count = 2
    timeout: Count = 7


class PassiveCheck(Node):
    """What the requests of clients tell about nodes."""

    type: CheckType = "http"
    healthy: PassiveHealthy = Field(default_factory=PassiveHealthy)
    unhealthy: PassiveUnhealthy = Field(default_factory=PassiveUnhealthy)


class HealthCheck(Node):
    """Active checks, which APISIX cannot do without, and passive ones."""

    active: ActiveCheck
    passive: PassiveCheck | None = None
