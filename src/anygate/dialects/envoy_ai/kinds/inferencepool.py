"""InferencePool: pods that serve models, and the endpoint picker that chooses among them."""

from typing import ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from anygate.dialects.envoy_ai.kinds.groups import OLD_POOL_GROUP, POOL_GROUP
from anygate.manifests.fields import ObjectName, Port
from anygate.manifests.kind import Kind, Node
from anygate.manifests.references import Group, KindName
from anygate.manifests.sequences import NonEmpty
from anygate.manifests.violations import Violations

DEFAULT_PICKER_PORT = 9002
"""The port of an endpoint picker that names none."""

FailureMode = Literal["FailOpen", "FailClose"]


class PoolSelector(Node):
    """Labels of the pods."""

    match_labels: dict[str, str] = Field(min_length=1, max_length=64)


class PoolPort(Node):
    """A port of the pods or of the picker."""

    number: Port


class EndpointPickerRef(Node):
    """The service that picks the pod of each request."""

    group: Group = ""
    kind: KindName = "Service"
    name: ObjectName
    port: PoolPort | None = None
    failure_mode: FailureMode = "FailClose"

    @model_validator(mode="after")
    def _check_port(self) -> Self:
        found = Violations()
        if self.kind == "Service" and self.port is None:
            found.add("port is required when kind is 'Service' or unspecified (defaults to 'Service')")
        found.refuse()
        return self


class InferencePoolSpec(Node):
    """Pods, their ports and the picker."""

    selector: PoolSelector
    target_ports: NonEmpty[PoolPort] = Field(max_length=8)
    # Default: http.
    app_protocol: Literal["http", "kubernetes.io/h2c"] | None = None
    # Without a picker the pool is not accepted.
    endpoint_picker_ref: EndpointPickerRef | None = None

    @field_validator("target_ports")
    @classmethod
    def _check_ports(cls, ports: tuple[PoolPort, ...]) -> tuple[PoolPort, ...]:
        found = Violations()
        if len({port.number for port in ports}) < len(ports):
            found.add("port number must be unique")
        found.refuse()
        return ports


class Extension(Node):
    """The service that picks the pod of each request, in v1alpha2."""

    group: Group = ""
    kind: KindName = "Service"
    name: ObjectName
    port_number: Port | None = None
    failure_mode: FailureMode = "FailClose"


class InferencePoolSpecV1Alpha2(Node):
    """Pods, their port and the picker, in v1alpha2."""

    selector: dict[str, str]
    target_port_number: Port
    extension_ref: Extension


class InferencePool(Kind):
    """Pods that serve models."""

    GROUP: ClassVar[str] = POOL_GROUP
    KIND: ClassVar[str] = "InferencePool"
    PRUNES_UNKNOWN: ClassVar[bool] = True

    spec: InferencePoolSpec


class InferencePoolV1Alpha2(Kind):
    """Pods that serve models (v1alpha2)."""

    GROUP: ClassVar[str] = OLD_POOL_GROUP
    KIND: ClassVar[str] = "InferencePool"
    PRUNES_UNKNOWN: ClassVar[bool] = True

    spec: InferencePoolSpecV1Alpha2
