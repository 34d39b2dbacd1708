"""GatewayRoute: which requests of a gateway go to which VirtualService."""

from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from anygate.dialects.app_mesh.kinds.matches import Headers, Method, Parameters, PathMatch, Prefix
from anygate.dialects.app_mesh.kinds.references import GatewayReference, MeshReference, ServiceReference
from anygate.dialects.app_mesh.kinds.values import GROUP, AwsName, Priority, Text
from anygate.manifests.fields import Port
from anygate.manifests.kind import Kind, Node
from anygate.manifests.violations import Violations, check_any, check_exactly_one, check_exclusive

_OptionalPort = Annotated[int, Field(ge=0, le=65535)]
_Switch = Literal["ENABLED", "DISABLED"]


class HostnameMatch(Node):
    """A host, or every host that ends so."""

    exact: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    suffix: Annotated[str, Field(min_length=1, max_length=253)] | None = None

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        found = Violations()
        check_exactly_one(found, exact=self.exact, suffix=self.suffix)
        for name, value in (("exact", self.exact), ("suffix", self.suffix)):
            if value is not None and ":" in value:
                found.add("a host has no port here; ports are never compared", name)
        if self.exact is not None and "*" in self.exact:
            found.add('"*" belongs in suffix', "exact")
        if self.suffix is not None and "*" in self.suffix.removeprefix("*"):
            found.add('"*" is only allowed in front', "suffix")
        found.refuse()
        return self


class HttpGatewayMatch(Node):
    """Conditions on a request, all of which must hold."""

    prefix: Prefix | None = None
    path: PathMatch | None = None
    hostname: HostnameMatch | None = None
    headers: Headers = ()
    query_parameters: Parameters = ()
    method: Method | None = None
    port: _OptionalPort = 0

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        found = Violations()
        check_any(found, prefix=self.prefix, path=self.path, hostname=self.hostname)
        check_exclusive(found, prefix=self.prefix, path=self.path)
        found.refuse()
        return self


class PrefixRewrite(Node):
    """What the matched prefix becomes: `/` by default. Text alone is read as `value`."""

    default_prefix: _Switch | None = None
    value: Text | None = None

    @model_validator(mode="before")
    @classmethod
    def _read_text(cls, value: Any) -> Any:
        return {"value": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check_value(self) -> Self:
        found = Violations()
        check_exactly_one(found, defaultPrefix=self.default_prefix, value=self.value)
        if self.value is not None and not (self.value.startswith("/") and self.value.endswith("/")):
            found.add('must start and end with "/"', "value")
        found.refuse()
        return self


class PathRewrite(Node):
    """What the whole path becomes. Text alone is read as `exact`."""

    exact: Text

    @model_validator(mode="before")
    @classmethod
    def _read_text(cls, value: Any) -> Any:
        return {"exact": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check_slash(self) -> Self:
        found = Violations()
        if not self.exact.startswith("/"):
            found.add('must start with "/"', "exact")
        found.refuse()
        return self


class HostnameRewrite(Node):
    """Whether the host becomes the name of the VirtualService."""

    default_target_hostname: _Switch


class HttpRewrite(Node):
    """What the service sees instead of the client's host and path."""

    prefix: PrefixRewrite | None = None
    path: PathRewrite | None = None
    hostname: HostnameRewrite | None = None

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        found = Violations()
        check_any(found, prefix=self.prefix, path=self.path, hostname=self.hostname)
        check_exclusive(found, prefix=self.prefix, path=self.path)
        found.refuse()
        return self


class Target(Node):
    """A service, and the port of its provider."""

    virtual_service: ServiceReference
    port: Port | None = None


class HttpGatewayAction(Node):
    """Where requests go, and what becomes of them on the way."""

    target: Target
    rewrite: HttpRewrite | None = None


class HttpGatewayRoute(Node):
    """A gateway route for HTTP."""

    match: HttpGatewayMatch
    action: HttpGatewayAction
    # Beside `action` as some write it.
    rewrite: HttpRewrite | None = None

    @property
    def edit(self) -> HttpRewrite | None:
        """The rewrite, wherever it stands."""
        return self.action.rewrite or self.rewrite

    @model_validator(mode="after")
    def _check_rewrite(self) -> Self:
        found = Violations()
        if self.rewrite is not None and self.action.rewrite is not None:
            found.add("rewrite cannot be combined with action.rewrite", "rewrite", code="forbidden")
        edit, place = self.edit, ("action", "rewrite") if self.action.rewrite is not None else ("rewrite",)
        if edit is not None and edit.prefix is not None and self.match.path is not None:
            found.add("a prefix rewrite needs a prefix match", *place, "prefix", code="forbidden")
        if edit is not None and edit.path is not None and self.match.prefix is None and self.match.path is None:
            found.add("a path rewrite needs a path or prefix match", *place, "path", code="forbidden")
        found.refuse()
        return self


class GrpcGatewayMatch(Node):
    """Conditions on a call; one of serviceName and hostname is needed."""

    service_name: str | None = Field(default=None, min_length=1)
    hostname: HostnameMatch | None = None
    metadata: Headers = ()
    port: _OptionalPort = 0

    @model_validator(mode="after")
    def _check_any(self) -> Self:
        found = Violations()
        check_any(found, serviceName=self.service_name, hostname=self.hostname)
        found.refuse()
        return self


class GrpcRewrite(Node):
    """What the service sees instead of the client's host; the path is never rewritten."""

    hostname: HostnameRewrite


class GrpcGatewayAction(Node):
    """Where calls go."""

    target: Target
    rewrite: GrpcRewrite | None = None


class GrpcGatewayRoute(Node):
    """A gateway route for gRPC."""

    match: GrpcGatewayMatch
    action: GrpcGatewayAction

    @property
    def edit(self) -> GrpcRewrite | None:
        """The rewrite."""
        return self.action.rewrite


class GatewayRouteBody(NamedTuple):
    """The one part of a gateway route that says what it is for, and the name of the field in which it stands."""

    protocol: Literal["http", "http2", "grpc"]
    name: str
    part: Any


class GatewayRouteSpec(Node):
    """One rule of a gateway. Lower priorities are asked first; none is 1000."""

    aws_name: AwsName = ""
    priority: Priority | None = None
    http_route: HttpGatewayRoute | None = None
    http2_route: HttpGatewayRoute | None = Field(default=None, alias="http2Route")
    grpc_route: GrpcGatewayRoute | None = None
    virtual_gateway_ref: GatewayReference | None = None
    mesh_ref: MeshReference | None = None
    # Other APIs' words for awsName, virtualGatewayRef and meshRef.
    gateway_route_name: AwsName | None = None
    virtual_gateway_name: AwsName | None = None
    mesh_name: AwsName | None = None

    @property
    def body(self) -> GatewayRouteBody:
        """What the gateway route is for."""
        if self.http_route is not None:
            return GatewayRouteBody("http", "httpRoute", self.http_route)
        if self.http2_route is not None:
            return GatewayRouteBody("http2", "http2Route", self.http2_route)
        return GatewayRouteBody("grpc", "grpcRoute", self.grpc_route)

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        found = Violations()
        check_exactly_one(found, httpRoute=self.http_route, http2Route=self.http2_route, grpcRoute=self.grpc_route)
        found.refuse()
        return self


class GatewayRoute(Kind):
    """A rule of a gateway."""

    GROUP: ClassVar[str] = GROUP
    KIND: ClassVar[str] = "GatewayRoute"
    PRUNES_UNKNOWN: ClassVar[bool] = True

    spec: GatewayRouteSpec
