"""VirtualGateway: where traffic enters a mesh."""

from typing import ClassVar, Self

from pydantic import Field, model_validator

from anygate.dialects.app_mesh.kinds.connections import (
    GatewayConnectionPool,
    GatewayHealthCheck,
    Logging,
    check_protocol,
)
from anygate.dialects.app_mesh.kinds.references import MeshReference
from anygate.dialects.app_mesh.kinds.tls import BackendDefaults, ListenerTls
from anygate.dialects.app_mesh.kinds.values import GROUP, AwsName, GatewayPortMapping
from anygate.manifests.fields import Many
from anygate.manifests.kind import Kind, Node
from anygate.manifests.selector import LabelSelector
from anygate.manifests.violations import Violations, check_distinct


class GatewayListener(Node):
    """A port of the gateway."""

    port_mapping: GatewayPortMapping
    health_check: GatewayHealthCheck | None = None
    connection_pool: GatewayConnectionPool | None = None
    tls: ListenerTls | None = None

    @model_validator(mode="after")
    def _check_protocols(self) -> Self:
        found = Violations()
        check_protocol(found, self.port_mapping.protocol, "connectionPool", self.connection_pool)
        found.refuse()
        return self


class VirtualGatewaySpec(Node):
    """Ports, and which gateway routes belong to them."""

    aws_name: AwsName = ""
    # Of the namespaces of gateway routes: absent selects none, empty all.
    namespace_selector: LabelSelector | None = None
    # Of the gateway routes themselves: absent selects all.
    gateway_route_selector: LabelSelector | None = None
    pod_selector: LabelSelector | None = None
    listeners: Many[GatewayListener] = Field(min_length=1)
    backend_defaults: BackendDefaults | None = None
    logging: Logging | None = None
    mesh_ref: MeshReference | None = None
    # Other APIs' words for awsName and meshRef.
    virtual_gateway_name: AwsName | None = None
    mesh_name: AwsName | None = None

    @model_validator(mode="after")
    def _check_ports(self) -> Self:
        found = Violations()
        ports = Violations()
        check_distinct(ports, [one.port_mapping.port for one in self.listeners], "port", "portMapping", "port")
        found.adopt(ports, "listeners")
        found.refuse()
        return self


class VirtualGateway(Kind):
    """A gateway of a mesh."""

    GROUP: ClassVar[str] = GROUP
    KIND: ClassVar[str] = "VirtualGateway"
    PRUNES_UNKNOWN: ClassVar[bool] = True

    spec: VirtualGatewaySpec
