"""Health checks, pools, outliers, timeouts and logs of listeners."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from anygate.dialects.app_mesh.kinds.values import Duration, Text
from anygate.manifests.fields import Many, Port
from anygate.manifests.kind import Node
from anygate.manifests.violations import Violations, check_exactly_one, check_exclusive

_Count = Annotated[int, Field(ge=1, lt=2**32)]
_Threshold = Annotated[int, Field(ge=2, le=10)]


class HealthCheckFields(Node):
    """What the checks of nodes and gateways have in common."""

    path: str | None = None
    port: Port | None = None
    unhealthy_threshold: _Threshold
    interval_millis: int = Field(ge=5000, le=300_000)
    timeout_millis: int = Field(ge=2000, le=60_000)


class HealthCheck(HealthCheckFields):
    """How clients probe a node."""

    protocol: Literal["http", "http2", "grpc", "tcp"]
    healthy_threshold: _Threshold


class GatewayHealthCheck(HealthCheckFields):
    """A check of a gateway, which nothing in a mesh makes."""

    protocol: Literal["http", "http2", "grpc"]
    healthy_threshold: _Threshold | None = None


class OutlierDetection(Node):
    """When a failing host is left out."""

    max_server_errors: _Count
    interval: Duration
    base_ejection_duration: Duration
    max_ejection_percent: int = Field(ge=0, le=100)


class TcpPool(Node):
    """Bounds of connections."""

    max_connections: _Count


class HttpPool(Node):
    """Bounds of connections, and of requests that wait for one."""

    max_connections: _Count
    max_pending_requests: _Count | None = None


class RequestPool(Node):
    """A bound of requests at one time."""

    max_requests: _Count


class ConnectionPool(Node):
    """Bounds, by protocol."""

    tcp: TcpPool | None = None
    http: HttpPool | None = None
    http2: RequestPool | None = None
    grpc: RequestPool | None = None

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        found = Violations()
        check_exclusive(found, tcp=self.tcp, http=self.http, http2=self.http2, grpc=self.grpc)
        found.refuse()
        return self


class GatewayConnectionPool(Node):
    """Bounds of a gateway's listener, by protocol."""

    http: HttpPool | None = None
    http2: RequestPool | None = None
    grpc: RequestPool | None = None

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        found = Violations()
        check_exclusive(found, http=self.http, http2=self.http2, grpc=self.grpc)
        found.refuse()
        return self


class TcpTimeout(Node):
    """How long a connection may be silent."""

    idle: Duration | None = None


class HttpTimeout(Node):
    """How long an exchange may take, and how long a stream may be silent."""

    per_request: Duration | None = None
    idle: Duration | None = None


class ListenerTimeout(Node):
    """Timeouts, by protocol."""

    tcp: TcpTimeout | None = None
    http: HttpTimeout | None = None
    http2: HttpTimeout | None = None
    grpc: HttpTimeout | None = None

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        found = Violations()
        check_exclusive(found, tcp=self.tcp, http=self.http, http2=self.http2, grpc=self.grpc)
        found.refuse()
        return self


class JsonField(Node):
    """A key of a line in JSON; the value is a format."""

    key: Annotated[str, Field(min_length=1, max_length=100)]
    value: Annotated[str, Field(min_length=1, max_length=100)]


class LogFormat(Node):
    """A line as text or as a JSON object."""

    text: Annotated[str, Field(min_length=1, max_length=1000)] | None = None
    # `json` alone would hide a method of every model.
    json_fields: Many[JsonField] | None = Field(default=None, alias="json")

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        found = Violations()
        check_exactly_one(found, text=self.text, json=self.json_fields)
        found.refuse()
        return self


class FileLog(Node):
    """A file with a line for each request."""

    path: Text
    format: LogFormat | None = None


class AccessLog(Node):
    """Where requests are written down."""

    file: FileLog | None = None


class Logging(Node):
    """What is written down."""

    access_log: AccessLog | None = None


def check_protocol(found: Violations, protocol: str, where: str, union: Node | None) -> None:
    """Require the settings of a listener to be those of its protocol."""
    for name in ("tcp", "http", "http2", "grpc"):
        if union is not None and name != protocol and getattr(union, name, None) is not None:
            found.add(f"the listener speaks {protocol}, so only {where}.{protocol} is allowed", where, name)
