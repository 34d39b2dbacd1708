"""Kubernetes' own kinds that all dialects refer to: Namespace, Service, endpoints, Secret, ConfigMap."""

from typing import ClassVar, Literal

from pydantic import Field

from anygate.manifests.fields import (
    Base64,
    Ignored,
    IntOrString,
    Many,
    Port,
    SensitiveText,
)
from anygate.manifests.kind import Kind, Node
from anygate.manifests.sensitive import Sensitive

Protocol = Literal["TCP", "UDP", "SCTP"]


class NamespaceSpec(Node):
    """What a Namespace can hold besides labels."""

    finalizers: Ignored = None


class Namespace(Kind):
    """A namespace; only its labels matter here."""

    KIND: ClassVar[str] = "Namespace"

    spec: NamespaceSpec | None = None


class ServicePort(Node):
    """A port of a Service."""

    port: Port
    name: str = ""
    target_port: IntOrString | None = None
    protocol: Protocol = "TCP"
    app_protocol: str = ""
    node_port: Ignored = None


class ServiceSpec(Node):
    """What a Service does."""

    type: Literal["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"] = "ClusterIP"
    ports: Many[ServicePort] = ()
    selector: dict[str, str] = Field({})
    cluster_ip: str = Field("", alias="clusterIP")
    external_name: str = ""
    publish_not_ready_addresses: bool = False

    allocate_load_balancer_node_ports: Ignored = None
    cluster_i_ps: Ignored = Field(None, alias="clusterIPs")
    external_i_ps: Ignored = Field(None, alias="externalIPs")
    external_traffic_policy: Ignored = None
    health_check_node_port: Ignored = None
    internal_traffic_policy: Ignored = None
    ip_families: Ignored = None
    ip_family: Ignored = None
    ip_family_policy: Ignored = None
    load_balancer_class: Ignored = None
    load_balancer_ip: Ignored = Field(None, alias="loadBalancerIP")
    load_balancer_source_ranges: Ignored = None
    session_affinity: Ignored = None
    session_affinity_config: Ignored = None
    topology_keys: Ignored = None
    traffic_distribution: Ignored = None


class Service(Kind):
    """A named set of endpoints and its ports."""

    KIND: ClassVar[str] = "Service"

    spec: ServiceSpec = ServiceSpec.model_construct()


class EndpointAddress(Node):
    """One address of an Endpoints subset."""

    ip: str
    hostname: str = ""
    node_name: Ignored = None
    target_ref: Ignored = None


class EndpointPort(Node):
    """A port that a set of endpoints listens on."""

    port: Port | None = None
    name: str = ""
    protocol: Protocol = "TCP"
    app_protocol: str = ""


class EndpointSubset(Node):
    """Addresses that share their ports."""

    addresses: Many[EndpointAddress] = ()
    not_ready_addresses: Many[EndpointAddress] = ()
    ports: Many[EndpointPort] = ()


class Endpoints(Kind):
    """Endpoints of the Service of the same name (the older form)."""

    KIND: ClassVar[str] = "Endpoints"

    subsets: Many[EndpointSubset] = ()


class EndpointConditions(Node):
    """Whether an endpoint takes traffic; absent means yes for `ready` and `serving`."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class Endpoint(Node):
    """Some addresses of one endpoint in an EndpointSlice."""

    addresses: Many[str]
    conditions: EndpointConditions = EndpointConditions.model_construct()
    hostname: str = ""
    zone: str = ""
    deprecated_topology: Ignored = None
    hints: Ignored = None
    node_name: Ignored = None
    target_ref: Ignored = None

    @property
    def is_ready(self) -> bool:
        """Whether new requests may go here."""
        return self.conditions.ready is not False and not self.conditions.terminating


class EndpointSlice(Kind):
    """A part of a Service's endpoints; the label `kubernetes.io/service-name` says which Service."""

    GROUP: ClassVar[str] = "discovery.k8s.io"
    KIND: ClassVar[str] = "EndpointSlice"

    address_type: Literal["IPv4", "IPv6", "FQDN"]
    endpoints: Many[Endpoint] = ()
    ports: Many[EndpointPort] = ()

    @property
    def service_name(self) -> str:
        """The Service whose endpoints these are; empty when the label is missing."""
        return self.manifest.labels.get("kubernetes.io/service-name", "")


class Secret(Kind):
    """Sensitive values by key."""

    KIND: ClassVar[str] = "Secret"

    type: str = "Opaque"
    encoded: dict[str, Base64] = Field({}, alias="data")
    plain: dict[str, SensitiveText] = Field({}, alias="stringData")
    immutable: Ignored = None

    @property
    def values(self) -> dict[str, Sensitive]:
        """All values by key; `stringData` overrides `data` as in Kubernetes."""
        return {**self.encoded, **self.plain}


class ConfigMap(Kind):
    """Values by key."""

    KIND: ClassVar[str] = "ConfigMap"

    texts: dict[str, str] = Field({}, alias="data")
    binaries: dict[str, Base64] = Field({}, alias="binaryData")
    immutable: Ignored = None

    @property
    def values(self) -> dict[str, str | Sensitive]:
        """All values by key; those of `binaryData` are bytes."""
        return {**self.texts, **self.binaries}


CORE_KINDS: dict[tuple[str, str], type[Kind]] = {
    ("v1", "Namespace"): Namespace,
    ("v1", "Service"): Service,
    ("v1", "Endpoints"): Endpoints,
    ("v1", "Secret"): Secret,
    ("v1", "ConfigMap"): ConfigMap,
    ("discovery.k8s.io/v1", "EndpointSlice"): EndpointSlice,
    ("discovery.k8s.io/v1beta1", "EndpointSlice"): EndpointSlice,
}
"""The kinds of this module by apiVersion and kind."""
