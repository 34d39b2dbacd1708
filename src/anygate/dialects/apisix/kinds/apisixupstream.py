"""ApisixUpstream: nodes outside of Kubernetes' Services, and how any nodes are talked to."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from anygate.dialects.apisix.kinds.health import HealthCheck
from anygate.dialects.apisix.kinds.plugins import APISIX_GROUP
from anygate.dialects.apisix.kinds.values import FreeForm, SecretReference, Timeouts, Weight
from anygate.manifests.fields import Many, Port, PreciseHostname
from anygate.manifests.kind import Kind, Node
from anygate.manifests.violations import Violations, check_distinct


class ExternalNode(Node):
    """A host by name, or a Service of type ExternalName."""

    name: str = Field(min_length=1)
    type: Literal["Domain", "Service"]
    weight: Weight = 100
    port: Port | None = None


class Discovery(Node):
    """A registry that knows the nodes."""

    service_name: str = Field(min_length=1)
    type: str = Field(min_length=1)
    args: FreeForm = Field(default_factory=dict)


class LoadBalancer(Node):
    """How a node is chosen."""

    type: Literal["roundrobin", "chash", "ewma", "least_conn"] = "roundrobin"
    hash_on: Literal["vars", "header", "cookie", "consumer", "vars_combinations"] = "vars"
    key: str = ""


class Subset(Node):
    """Those pods of a Service that have labels."""

    name: str = Field(min_length=1)
    labels: dict[str, str]


class UpstreamSettings(Node):
    """How nodes are talked to."""

    # Absent leaves it to the appProtocol of a Service's port, then it is http.
    scheme: Literal["http", "https", "grpc", "grpcs", "tcp", "tls", "udp"] | None = None
    loadbalancer: LoadBalancer | None = None
    retries: int | None = Field(default=None, ge=0)
    timeout: Timeouts | None = None
    pass_host: Literal["pass", "node", "rewrite"] = "pass"  # noqa: S105 - not a password
    upstream_host: PreciseHostname | None = None
    tls_secret: SecretReference | None = None
    health_check: HealthCheck | None = None
    subsets: Many[Subset] = ()
    discovery: Discovery | None = None

    @model_validator(mode="after")
    def _check_settings(self) -> Self:
        found = Violations()
        if self.pass_host == "rewrite" and self.upstream_host is None:  # noqa: S105 - not a password
            found.add("upstreamHost is required when passHost is rewrite", "upstreamHost", code="required")
        names = Violations()
        check_distinct(names, (subset.name for subset in self.subsets), "subset names", "name")
        found.adopt(names, "subsets")
        found.refuse()
        return self


class PortSettings(UpstreamSettings):
    """The settings of one port, which replace all others for it."""

    port: Port


class ApisixUpstreamSpec(UpstreamSettings):
    """Settings, and nodes that no Service has."""

    ingress_class_name: str = ""
    external_nodes: Many[ExternalNode] | None = None
    port_level_settings: Many[PortSettings] = ()

    @model_validator(mode="after")
    def _check_nodes(self) -> Self:
        found = Violations()
        if self.external_nodes == ():
            found.add("expected at least one node", "externalNodes")
        ports = Violations()
        check_distinct(ports, (one.port for one in self.port_level_settings), "ports", "port")
        found.adopt(ports, "portLevelSettings")
        found.refuse()
        return self


class ApisixUpstream(Kind):
    """Nodes and settings; one with the name of a Service holds for that Service."""

    GROUP: ClassVar[str] = APISIX_GROUP
    KIND: ClassVar[str] = "ApisixUpstream"

    spec: ApisixUpstreamSpec
