"""Authorization by an external service."""

from typing import Literal, Self

from pydantic import Field, model_validator

from anygate.manifests.envoy_gateway.cluster_settings import BackendCluster
from anygate.manifests.fields import Duration, Many, ObjectName
from anygate.manifests.kind import Node
from anygate.manifests.references import Group, KindName
from anygate.manifests.violations import Violations, check_exclusive, check_selected


def _check_backends(found: Violations, service: BackendCluster) -> None:
    if service.backend_ref is None and not service.backend_refs:
        found.add("backendRefs is required", "backendRefs", code="required")


class GRPCExtAuthService(BackendCluster):
    """A service that speaks Envoy's authorization protocol."""

    @model_validator(mode="after")
    def _check_backends(self) -> Self:
        found = Violations()
        _check_backends(found, self)
        found.refuse()
        return self


class HTTPExtAuthService(BackendCluster):
    """A service that allows with status 200."""

    # Goes before the path of the request.
    path: str | None = None
    # Replaces the path of the request.
    path_override: str | None = None
    # Headers of its answer that go to the backend.
    headers_to_backend: Many[str] = ()

    @model_validator(mode="after")
    def _check_path(self) -> Self:
        found = Violations()
        _check_backends(found, self)
        check_exclusive(found, path=self.path, pathOverride=self.path_override)
        found.refuse()
        return self


class BodyToExtAuth(Node):
    """Send the body too; a longer one is answered 413."""

    max_request_bytes: int = Field(ge=1)


class LocalObjectKeyReference(Node):
    """A key of a ConfigMap or Secret beside the policy."""

    group: Group = ""
    kind: KindName
    name: ObjectName
    key: str


class ContextExtension(Node):
    """An extra value for the service."""

    name: str
    type: Literal["Value", "ValueRef"] = "Value"
    value: str | None = None
    value_ref: LocalObjectKeyReference | None = None

    @model_validator(mode="after")
    def _check_type(self) -> Self:
        found = Violations()
        check_selected(
            found,
            "type",
            self.type,
            {"Value": ("value", self.value), "ValueRef": ("valueRef", self.value_ref)},
        )
        found.refuse()
        return self


class ExtAuth(Node):
    """Ask a gRPC or an HTTP service; the presence of `grpc` or `http` decides which."""

    grpc: GRPCExtAuthService | None = None
    http: HTTPExtAuthService | None = None
    # Absent: all to a gRPC service, the always-sent ones to an HTTP service.
    headers_to_ext_auth: Many[str] = ()
    body_to_ext_auth: BodyToExtAuth | None = None
    # Default: 10s.
    timeout: Duration | None = None
    fail_open: bool = False
    # Choose the route again once the service has changed headers.
    recompute_route: bool | None = None
    include_route_metadata: bool | None = None
    context_extensions: Many[ContextExtension] = ()
    # Default: 403.
    status_on_error: int | None = Field(default=None, ge=400, le=599)

    @model_validator(mode="after")
    def _check_service(self) -> Self:
        found = Violations()
        if self.grpc is None and self.http is None:
            found.add("one of grpc, http is required", code="required")
        check_exclusive(found, grpc=self.grpc, http=self.http)
        found.refuse()
        return self
