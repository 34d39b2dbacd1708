"""AIServiceBackend: a backend and the API that it speaks."""

from collections.abc import Mapping
from typing import ClassVar, Self

from pydantic import Field, model_validator

from anygate.diagnostics import FieldPath
from anygate.dialects.envoy_ai.kinds.groups import AI_GATEWAY_GROUP
from anygate.dialects.envoy_ai.kinds.mutation import HTTPBodyMutation, HTTPHeaderMutation, HTTPHeaderValueFilter
from anygate.dialects.envoy_ai.kinds.parents import HTTPRouteTimeouts
from anygate.dialects.envoy_ai.kinds.schema import VersionedAPISchema
from anygate.manifests.fields import Many, Namespace, ObjectName, Port
from anygate.manifests.kind import Kind, Node
from anygate.manifests.references import ENVOY_GATEWAY_GROUP, Group, KindName, LocalObjectReference
from anygate.manifests.violations import Violations, check_distinct

NOT_A_BACKEND = (
    "BackendRef must be a Backend resource of Envoy Gateway. "
    "See https://github.com/envoyproxy/ai-gateway/issues/902 for more details."
)
"""What the cluster says about a reference to anything but a Backend."""


class ServiceBackendReference(Node):
    """Envoy Gateway's Backend, or what older releases took: a Service with its port."""

    group: Group = ""
    kind: KindName = "Service"
    name: ObjectName
    namespace: Namespace | None = None
    port: Port | None = None

    @property
    def is_service(self) -> bool:
        """Whether it refers to a Service."""
        return self.group == "" and self.kind == "Service"

    @model_validator(mode="after")
    def _check_kind(self) -> Self:
        found = Violations()
        is_backend = self.group == ENVOY_GATEWAY_GROUP and self.kind == "Backend"
        if not is_backend and not (self.is_service and self.port is not None):
            found.add(NOT_A_BACKEND)
        found.refuse()
        return self


class AIServiceBackendFields(Node):
    """What all versions have."""

    api_schema: VersionedAPISchema = Field(alias="schema")
    backend_ref: ServiceBackendReference
    header_mutation: HTTPHeaderMutation | None = None
    body_mutation: HTTPBodyMutation | None = None


class AIServiceBackendSpec(AIServiceBackendFields):
    """The API, the backend and edits of what goes there."""

    header_value_filters: Many[HTTPHeaderValueFilter] | None = Field(default=None, max_length=16)

    @model_validator(mode="after")
    def _check_filters(self) -> Self:
        found = Violations()
        if self.header_value_filters is not None:
            if self.api_schema.name not in ("GCPAnthropic", "AWSAnthropic"):
                found.add("headerValueFilters is only honored by GCPAnthropic and AWSAnthropic backends")
            nested = Violations()
            check_distinct(nested, [one.name for one in self.header_value_filters], "name", "name")
            found.adopt(nested, "headerValueFilters")
        found.refuse()
        return self


class AIServiceBackendSpecV1Alpha1(AIServiceBackendFields):
    """The same, with the fields that v0.2 and v0.3 were the last to have."""

    backend_security_policy_ref: LocalObjectReference | None = None
    timeouts: HTTPRouteTimeouts | None = None


class AIServiceBackend(Kind):
    """A backend that speaks an AI provider's API."""

    GROUP: ClassVar[str] = AI_GATEWAY_GROUP
    KIND: ClassVar[str] = "AIServiceBackend"
    PRUNES_UNKNOWN: ClassVar[bool] = True
    UNKNOWN_HINTS: ClassVar[Mapping[FieldPath, str]] = {
        ("spec", "backendSecurityPolicyRef"): "v0.4 removed it; name the backend in the policy's targetRefs",
        ("spec", "timeouts"): "v0.3 removed it; set timeouts in the rules of the routes",
    }

    spec: AIServiceBackendSpec


class AIServiceBackendV1Alpha1(Kind):
    """A backend that speaks an AI provider's API (v1alpha1)."""

    GROUP: ClassVar[str] = AI_GATEWAY_GROUP
    KIND: ClassVar[str] = "AIServiceBackend"
    PRUNES_UNKNOWN: ClassVar[bool] = True
    UNKNOWN_HINTS: ClassVar[Mapping[FieldPath, str]] = {
        ("spec", "headerValueFilters"): f"it needs apiVersion {AI_GATEWAY_GROUP}/v1beta1",
    }

    spec: AIServiceBackendSpecV1Alpha1
