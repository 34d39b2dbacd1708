"""Which endpoints count as healthy."""

from datetime import timedelta
from typing import Literal, Self

from pydantic import Field, model_validator

from anygate.manifests.envoy_gateway.matches import HttpStatus, Percent, UInt32
from anygate.manifests.fields import Duration, Many, Port, PreciseHostname
from anygate.manifests.kind import Node
from anygate.manifests.violations import Violations, check_selected


class ActiveHealthCheckPayload(Node):
    """Bytes to send or expect."""

    type: Literal["Text", "Binary"]
    text: str | None = None
    # Base64.
    binary: str | None = None

    @model_validator(mode="after")
    def _check_type(self) -> Self:
        found = Violations()
        check_selected(found, "type", self.type, {"Text": ("text", self.text), "Binary": ("binary", self.binary)})
        found.refuse()
        return self


class HTTPActiveHealthChecker(Node):
    """A request whose answer tells the health."""

    # Default: the backend's hostname, else the route's.
    hostname: PreciseHostname | None = None
    path: str = Field(min_length=1, max_length=1024)
    # Default: GET.
    method: str | None = None
    # Default: 200.
    expected_statuses: Many[HttpStatus] = ()
    # Count towards the unhealthy threshold instead of failing at once.
    retriable_statuses: Many[HttpStatus] = ()
    expected_response: ActiveHealthCheckPayload | None = None


class TCPActiveHealthChecker(Node):
    """Bytes to send and to expect; without any, a connection is enough."""

    send: ActiveHealthCheckPayload | None = None
    receive: ActiveHealthCheckPayload | None = None


class GRPCActiveHealthChecker(Node):
    """The gRPC health service; without a service the whole server is asked about."""

    service: str | None = None


class HealthCheckOverrides(Node):
    """Where to check, if not where requests go."""

    port: Port | None = None


class ActiveHealthCheck(Node):
    """Checks that Envoy makes."""

    timeout: Duration = timedelta(seconds=1)
    interval: Duration = timedelta(seconds=3)
    initial_jitter: Duration | None = None
    unhealthy_threshold: int = Field(default=3, ge=1)
    healthy_threshold: int = Field(default=1, ge=1)
    type: Literal["HTTP", "TCP", "GRPC"]
    http: HTTPActiveHealthChecker | None = None
    tcp: TCPActiveHealthChecker | None = None
    grpc: GRPCActiveHealthChecker | None = None
    overrides: HealthCheckOverrides | None = None

    @model_validator(mode="after")
    def _check_type(self) -> Self:
        found = Violations()
        check_selected(found, "type", self.type, {"HTTP": ("http", self.http), "TCP": ("tcp", self.tcp)})
        if self.grpc is not None and self.type != "GRPC":
            found.add("grpc is only allowed when type is GRPC", "grpc", code="forbidden")
        found.refuse()
        return self


class PassiveHealthCheck(Node):
    """Conclusions from real traffic (outlier detection)."""

    split_external_local_origin_errors: bool = False
    interval: Duration = timedelta(seconds=3)
    # Only with splitExternalLocalOriginErrors.
    consecutive_local_origin_failures: UInt32 = 5
    consecutive_gateway_errors: UInt32 | None = None
    # 0 switches it off.
    consecutive_5xx_errors: UInt32 = Field(default=5, alias="consecutive5XxErrors")
    base_ejection_time: Duration = timedelta(seconds=30)
    max_ejection_percent: Percent = 10
    failure_percentage_threshold: Percent | None = None
    always_eject_one_endpoint: bool = False


class HealthCheck(Node):
    """Active and passive checks."""

    active: ActiveHealthCheck | None = None
    passive: PassiveHealthCheck | None = None
    # Below this share of healthy endpoints health is ignored; Envoy's default is 50, 0 switches it off.
    panic_threshold: Percent | None = None
