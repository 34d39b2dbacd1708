"""VirtualNode: a workload, its listeners and how it reaches others."""

from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from anygate.dialects.app_mesh.kinds.connections import (
    ConnectionPool,
    HealthCheck,
    ListenerTimeout,
    Logging,
    OutlierDetection,
    check_protocol,
)
from anygate.dialects.app_mesh.kinds.references import MeshReference, ObjectReference, ServiceReference
from anygate.dialects.app_mesh.kinds.tls import BackendDefaults, ClientPolicy, ListenerTls
from anygate.dialects.app_mesh.kinds.values import GROUP, AwsName, IpPreference, PortMapping
from anygate.manifests.fields import Many
from anygate.manifests.kind import Kind, Node
from anygate.manifests.selector import LabelSelector
from anygate.manifests.violations import Violations, check_distinct, check_exactly_one

_Attribute = Annotated[str, Field(min_length=1, max_length=1024)]


class Listener(Node):
    """A port of the workload."""

    port_mapping: PortMapping
    health_check: HealthCheck | None = None
    outlier_detection: OutlierDetection | None = None
    connection_pool: ConnectionPool | None = None
    timeout: ListenerTimeout | None = None
    tls: ListenerTls | None = None

    @model_validator(mode="after")
    def _check_protocols(self) -> Self:
        found = Violations()
        check_protocol(found, self.port_mapping.protocol, "connectionPool", self.connection_pool)
        check_protocol(found, self.port_mapping.protocol, "timeout", self.timeout)
        if self.health_check and self.health_check.port not in (None, self.port_mapping.port):
            found.add("port must be that of the listener", "healthCheck", "port")
        found.refuse()
        return self


class Dns(Node):
    """A name whose addresses are those of the workload."""

    hostname: str | None = Field(default=None, min_length=1)
    response_type: Annotated[str, Field(pattern="^(LOADBALANCER|ENDPOINTS)$")] | None = None
    # In the API only.
    ip_preference: IpPreference | None = None
    # As v1beta1 writes it.
    host_name: str | None = Field(default=None, min_length=1)

    @property
    def name(self) -> str:
        """The name, however it is written."""
        return self.hostname or self.host_name or ""

    @model_validator(mode="after")
    def _check_name(self) -> Self:
        found = Violations()
        check_exactly_one(found, hostname=self.hostname or self.host_name)
        found.refuse()
        return self


class Attribute(Node):
    """A label that instances must have."""

    key: Annotated[str, Field(min_length=1, max_length=255)]
    value: _Attribute


class CloudMap(Node):
    """A service of AWS Cloud Map."""

    namespace_name: _Attribute
    service_name: _Attribute
    attributes: Many[Attribute] = ()
    # In the API only.
    ip_preference: IpPreference | None = None

    @model_validator(mode="before")
    @classmethod
    def _read_map(cls, value: Any) -> Any:
        """Read the attributes of v1beta1, which are a mapping."""
        if isinstance(value, dict) and isinstance(value.get("attributes"), dict):
            pairs = [{"key": key, "value": one} for key, one in value["attributes"].items()]
            return {**value, "attributes": pairs}
        return value


class ServiceDiscovery(Node):
    """How the addresses of the workload are found."""

    dns: Dns | None = None
    aws_cloud_map: CloudMap | None = None
    # As v1beta1 writes it.
    cloud_map: CloudMap | None = None

    @property
    def registry(self) -> CloudMap | None:
        """The service of AWS Cloud Map, however it is written."""
        return self.aws_cloud_map or self.cloud_map

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        found = Violations()
        check_exactly_one(found, dns=self.dns, awsCloudMap=self.registry)
        found.refuse()
        return self


class BackendService(ServiceReference):
    """A VirtualService that the workload calls."""

    client_policy: ClientPolicy | None = None


class BackendEntry(Node):
    """One backend."""

    virtual_service: BackendService


class VirtualNodeSpec(Node):
    """A workload."""

    aws_name: AwsName = ""
    pod_selector: LabelSelector | None = None
    listeners: Many[Listener] = ()
    service_discovery: ServiceDiscovery | None = None
    backends: Many[BackendEntry] = ()
    backend_defaults: BackendDefaults | None = None
    backend_groups: Many[ObjectReference] = ()
    logging: Logging | None = None
    mesh_ref: MeshReference | None = None
    # Other APIs' words for awsName and meshRef.
    virtual_node_name: AwsName | None = None
    mesh_name: AwsName | None = None

    @model_validator(mode="after")
    def _check_parts(self) -> Self:
        found = Violations()
        if self.listeners and self.service_discovery is None:
            found.add("serviceDiscovery is required when there are listeners", "serviceDiscovery", code="required")
        ports = Violations()
        check_distinct(ports, [one.port_mapping.port for one in self.listeners], "port", "portMapping", "port")
        found.adopt(ports, "listeners")
        backends = Violations()
        wanted = [one.virtual_service for one in self.backends]
        keys = [
            one.virtual_service_arn
            or one.virtual_service_name
            or (one.virtual_service_ref.namespace, one.virtual_service_ref.name)  # type: ignore[union-attr]
            for one in wanted
        ]
        check_distinct(backends, keys, "virtualService", "virtualService")
        found.adopt(backends, "backends")
        found.refuse()
        return self


class VirtualNode(Kind):
    """A workload of a mesh."""

    GROUP: ClassVar[str] = GROUP
    KIND: ClassVar[str] = "VirtualNode"
    PRUNES_UNKNOWN: ClassVar[bool] = True

    spec: VirtualNodeSpec = VirtualNodeSpec.model_construct()
