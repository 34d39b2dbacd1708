"""GatewayConfig: settings of the AI parts of a Gateway that names it in an annotation."""

import re
from typing import ClassVar

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from anygate.dialects.envoy_ai.kinds.groups import AI_GATEWAY_GROUP
from anygate.dialects.envoy_ai.kinds.schema import LLMRequestCost
from anygate.manifests.fields import Ignored, Many
from anygate.manifests.kind import Kind, Node
from anygate.manifests.violations import Violations, check_distinct

GATEWAY_CONFIG_ANNOTATION = "aigateway.envoyproxy.io/gateway-config"
"""The Gateway's annotation that names a GatewayConfig beside it."""

_METADATA_NAMESPACE = re.compile(r"[A-Za-z0-9._/-]+")
_ADDRESS = re.compile(r"(?:[^\s:/\[\]]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})")


class KubernetesContainerSpec(Node):
    """The processor's container; there is none here."""

    env: Ignored = None
    image: Ignored = None
    image_repository: Ignored = None
    resources: Ignored = None
    security_context: Ignored = None
    volume_mounts: Ignored = None


class GatewayConfigExtProc(Node):
    """The processor's container, and which dynamic metadata may carry credentials."""

    kubernetes: KubernetesContainerSpec | None = None
    metadata_forwarding_namespaces: Many[str] = Field(default=(), max_length=32)

    @field_validator("metadata_forwarding_namespaces")
    @classmethod
    def _check_namespaces(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        found = Violations()
        for index, name in enumerate(names):
            if len(name) > 256:
                found.add("expected at most 256 characters", index)
        if not all(_METADATA_NAMESPACE.fullmatch(name) for name in names):
            found.add("metadata namespaces may only contain letters, digits, '.', '_', '/' and '-'")
        found.refuse()
        return names


class GatewayConfigForwardProxy(Node):
    """The HTTP CONNECT proxy on the way to the providers."""

    address: str

    @field_validator("address")
    @classmethod
    def _check_address(cls, address: str) -> str:
        found = _ADDRESS.fullmatch(address)
        if not found or not 1 <= int(found[1]) <= 65535:
            raise PydanticCustomError("invalid", 'expected "host:port"')
        return address


class GatewayConfigSpec(Node):
    """Costs of all routes, the way out, and the processor's container."""

    ext_proc: GatewayConfigExtProc | None = None
    global_llm_request_costs: Many[LLMRequestCost] = Field(default=(), alias="globalLLMRequestCosts")
    forward_proxy: GatewayConfigForwardProxy | None = None

    @field_validator("global_llm_request_costs")
    @classmethod
    def _check_keys(cls, costs: tuple[LLMRequestCost, ...]) -> tuple[LLMRequestCost, ...]:
        found = Violations()
        check_distinct(found, [cost.metadata_key for cost in costs], "metadataKey", "metadataKey")
        found.refuse()
        return costs


class GatewayConfig(Kind):
    """AI settings of Gateways."""

    GROUP: ClassVar[str] = AI_GATEWAY_GROUP
    KIND: ClassVar[str] = "GatewayConfig"
    PRUNES_UNKNOWN: ClassVar[bool] = True

    spec: GatewayConfigSpec = Field(default_factory=lambda: GatewayConfigSpec.model_validate({}))
