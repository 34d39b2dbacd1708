"""EnvoyProxy, EnvoyPatchPolicy and EnvoyExtensionPolicy, whose settings are taken as they are."""

from typing import ClassVar

from pydantic import Field

from anygate.dialects.gateway_api.kinds.references import ENVOY_GATEWAY_GROUP
from anygate.manifests.kind import Kind


class EnvoyProxy(Kind):
    """How Envoy itself is deployed and logs."""

    GROUP: ClassVar[str] = ENVOY_GATEWAY_GROUP
    KIND: ClassVar[str] = "EnvoyProxy"

    spec: dict[str, object] = Field(default_factory=dict)


class EnvoyPatchPolicy(Kind):
    """Patches of the Envoy configuration."""

    GROUP: ClassVar[str] = ENVOY_GATEWAY_GROUP
    KIND: ClassVar[str] = "EnvoyPatchPolicy"

    spec: dict[str, object]


class EnvoyExtensionPolicy(Kind):
    """External processors, Wasm, Lua and modules."""

    GROUP: ClassVar[str] = ENVOY_GATEWAY_GROUP
    KIND: ClassVar[str] = "EnvoyExtensionPolicy"

    spec: dict[str, object]
