"""ApisixClusterConfig: what controllers before 2.0 set for all of APISIX."""

from typing import ClassVar

from pydantic import Field

from anygate.dialects.apisix.kinds.plugins import APISIX_GROUP
from anygate.manifests.fields import SensitiveText
from anygate.manifests.kind import Kind, Node


class Prometheus(Node):
    """Metrics of every route."""

    enable: bool = False
    prefer_name: bool = Field(default=False, alias="prefer_name")


class Skywalking(Node):
    """Traces of every route."""

    enable: bool = False
    sample_ratio: float = Field(default=1.0, ge=0.00001, le=1)


class Monitoring(Node):
    """Plugins that hold for every request."""

    prometheus: Prometheus | None = None
    skywalking: Skywalking | None = None


class Admin(Node):
    """APISIX's Admin API, which nothing here has."""

    base_url: str = Field(alias="baseURL")
    admin_key: SensitiveText | None = None
    client_timeout: str | None = None


class ApisixClusterConfigSpec(Node):
    """Monitoring and the Admin API."""

    ingress_class_name: str = ""
    monitoring: Monitoring | None = None
    admin: Admin | None = None


class ApisixClusterConfig(Kind):
    """Settings of a whole cluster."""

    GROUP: ClassVar[str] = APISIX_GROUP
    KIND: ClassVar[str] = "ApisixClusterConfig"

    spec: ApisixClusterConfigSpec
