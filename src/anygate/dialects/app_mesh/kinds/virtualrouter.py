"""VirtualRouter: the routes of a VirtualService; and Route, which some write as an object of its own."""

from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from anygate.dialects.app_mesh.kinds.connections import HttpTimeout, TcpTimeout
from anygate.dialects.app_mesh.kinds.matches import Headers, Method, Parameters, PathMatch, Prefix
from anygate.dialects.app_mesh.kinds.references import MeshReference, NodeReference, ObjectReference
from anygate.dialects.app_mesh.kinds.values import GROUP, AwsName, Duration, PortMapping, Priority
from anygate.manifests.fields import Many, Port
from anygate.manifests.kind import Kind, Node
from anygate.manifests.violations import Violations, check_distinct, check_exactly_one

_OptionalPort = Annotated[int, Field(ge=0, le=65535)]
"""A port; 0 is the same as none."""


class WeightedTarget(NodeReference):
    """A node and its share of the requests."""

    weight: int = Field(ge=0, le=100)
    port: Port | None = None


class Action(Node):
    """Where requests go."""

    weighted_targets: Many[WeightedTarget] = Field(min_length=1, max_length=10)


class HttpMatch(Node):
    """Conditions on a request, all of which must hold."""

    prefix: Prefix | None = None
    path: PathMatch | None = None
    headers: Headers = ()
    method: Method | None = None
    scheme: Literal["http", "https"] | None = None
    query_parameters: Parameters = ()
    port: _OptionalPort = 0

    @model_validator(mode="after")
    def _check_path(self) -> Self:
        found = Violations()
        check_exactly_one(found, prefix=self.prefix, path=self.path)
        found.refuse()
        return self


class RetryPolicy(Node):
    """When a request is tried again; `maxRetries` counts what follows the first try."""

    max_retries: int = Field(ge=0, lt=2**32)
    per_retry_timeout: Duration | None = None
    http_retry_events: Many[Literal["server-error", "gateway-error", "client-error", "stream-error"]] = Field(
        default=(), max_length=25
    )
    tcp_retry_events: Many[Literal["connection-error"]] = Field(default=(), max_length=1)
    # As v1beta1 writes it.
    per_retry_timeout_millis: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _check_parts(self) -> Self:
        found = Violations()
        if self.per_retry_timeout is None and self.per_retry_timeout_millis is None:
            found.add("perRetryTimeout is required", "perRetryTimeout", code="required")
        if not (self.http_retry_events or self.tcp_retry_events or getattr(self, "grpc_retry_events", ())):
            found.add("at least one event is required", code="required")
        found.refuse()
        return self


class GrpcRetryPolicy(RetryPolicy):
    """The same for gRPC, with the statuses of calls."""

    grpc_retry_events: Many[
        Literal["cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable"]
    ] = Field(default=(), max_length=5)


class HttpRoute(Node):
    """A route for HTTP."""

    match: HttpMatch
    action: Action
    retry_policy: RetryPolicy | None = None
    timeout: HttpTimeout | None = None


class GrpcMatch(Node):
    """Conditions on a call; none at all is every call."""

    service_name: str | None = Field(default=None, min_length=1)
    method_name: str | None = Field(default=None, min_length=1, max_length=50)
    metadata: Headers = ()
    port: _OptionalPort = 0

    @model_validator(mode="after")
    def _check_method(self) -> Self:
        found = Violations()
        if self.method_name is not None and self.service_name is None:
            found.add("methodName needs serviceName", "methodName", code="forbidden")
        found.refuse()
        return self


class GrpcRoute(Node):
    """A route for gRPC."""

    match: GrpcMatch
    action: Action
    retry_policy: GrpcRetryPolicy | None = None
    timeout: HttpTimeout | None = None


class TcpMatch(Node):
    """The port of the router."""

    port: _OptionalPort = 0


class TcpRoute(Node):
    """A route for bytes."""

    match: TcpMatch | None = None
    action: Action
    timeout: TcpTimeout | None = None


class RouteBody(NamedTuple):
    """The one part of a route that says what it is for, and the name of the field in which it stands."""

    protocol: str
    name: str
    part: Any


class RouteFields(Node):
    """What routes have wherever they stand."""

    priority: Priority | None = None
    http_route: HttpRoute | None = None
    http2_route: HttpRoute | None = Field(default=None, alias="http2Route")
    grpc_route: GrpcRoute | None = None
    tcp_route: TcpRoute | None = None
    # As v1beta1 writes them.
    http: HttpRoute | None = None
    http2: HttpRoute | None = None
    grpc: GrpcRoute | None = None
    tcp: TcpRoute | None = None

    @property
    def body(self) -> RouteBody:
        """What the route is for."""
        for protocol in ("http", "http2", "grpc", "tcp"):
            for name in (f"{protocol}Route", protocol):
                part = getattr(self, name.replace("Route", "_route"))
                if part is not None:
                    return RouteBody(protocol, name, part)
        raise AssertionError("a route without a part is not read")

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        found = Violations()
        check_exactly_one(
            found,
            httpRoute=self.http_route or self.http,
            http2Route=self.http2_route or self.http2,
            grpcRoute=self.grpc_route or self.grpc,
            tcpRoute=self.tcp_route or self.tcp,
        )
        found.refuse()
        return self


class RouteEntry(RouteFields):
    """A route of a router."""

    name: str = Field(min_length=1, max_length=255)


class RouterListener(Node):
    """A port at which clients ask for the service."""

    port_mapping: PortMapping


class VirtualRouterSpec(Node):
    """Ports and routes."""

    aws_name: AwsName = ""
    listeners: Many[RouterListener] | None = Field(default=None, min_length=1)
    routes: Many[RouteEntry] = ()
    mesh_ref: MeshReference | None = None
    # Other APIs' words for awsName and meshRef.
    virtual_router_name: AwsName | None = None
    mesh_name: AwsName | None = None

    @model_validator(mode="after")
    def _check_distinct(self) -> Self:
        found = Violations()
        names = Violations()
        check_distinct(names, [one.name for one in self.routes], "name", "name")
        found.adopt(names, "routes")
        ports = Violations()
        check_distinct(ports, [one.port_mapping.port for one in self.listeners or ()], "port", "portMapping", "port")
        found.adopt(ports, "listeners")
        found.refuse()
        return self


class VirtualRouter(Kind):
    """The routes of a VirtualService."""

    GROUP: ClassVar[str] = GROUP
    KIND: ClassVar[str] = "VirtualRouter"
    PRUNES_UNKNOWN: ClassVar[bool] = True

    spec: VirtualRouterSpec = VirtualRouterSpec.model_construct()


class RouteSpec(RouteFields):
    """A route and the router that it belongs to."""

    virtual_router_ref: ObjectReference | None = None
    virtual_router_name: AwsName | None = None
    route_name: AwsName | None = None
    mesh_ref: MeshReference | None = None
    mesh_name: AwsName | None = None

    @model_validator(mode="after")
    def _check_router(self) -> Self:
        found = Violations()
        if self.virtual_router_ref is None and not self.virtual_router_name:
            found.add("virtualRouterRef is required", "virtualRouterRef", code="required")
        found.refuse()
        return self


class Route(Kind):
    """A route as an object of its own. No cluster has this kind; it is read as a route of its router."""

    GROUP: ClassVar[str] = GROUP
    KIND: ClassVar[str] = "Route"
    PRUNES_UNKNOWN: ClassVar[bool] = True

    spec: RouteSpec
