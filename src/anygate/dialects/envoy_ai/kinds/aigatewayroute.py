"""AIGatewayRoute: rules that match AI requests, usually by their model, and send them to backends."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, PlainValidator, field_validator, model_validator
from pydantic_core import PydanticCustomError

from anygate.diagnostics import FieldPath
from anygate.dialects.envoy_ai.kinds.groups import AI_GATEWAY_GROUP, OLD_POOL_GROUP, POOL_GROUP
from anygate.dialects.envoy_ai.kinds.mutation import HTTPBodyMutation, HTTPHeaderMutation
from anygate.dialects.envoy_ai.kinds.parents import GatewayParents, HeaderMatches, HTTPRouteTimeouts
from anygate.dialects.envoy_ai.kinds.schema import LLMRequestCost, VersionedAPISchema
from anygate.manifests.fields import Duration, Hostname, Ignored, Many, Namespace, SectionName
from anygate.manifests.kind import Kind, Node
from anygate.manifests.references import LocalPolicyTargetReferenceWithSectionName
from anygate.manifests.violations import Violations

MODEL_HEADER = "x-ai-eg-model"
"""The header that carries the model of the request's body while routes are matched."""

NOT_FOUND_RULE = "route-not-found"
"""The name of the rule that ends each generated route."""

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def _read_time(value: object) -> datetime:
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "expected a string")
    try:
        if _RFC_3339.fullmatch(value):
            return datetime.fromisoformat(value)
    except ValueError:
        pass
    raise ValueError('expected a time such as "2024-05-21T10:00:00Z"')


Time = Annotated[datetime, PlainValidator(_read_time)]
"""A time in RFC 3339."""


class AIGatewayRouteRuleBackendRef(Node):
    """An AIServiceBackend, or with group and kind an InferencePool, and its share of the traffic."""

    name: str = Field(min_length=1)
    namespace: Namespace | None = None
    group: str | None = Field(
        default=None,
        max_length=253,
        pattern=r"^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
    )
    kind: str | None = Field(default=None, max_length=63, pattern=r"^$|^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$")
    # What the request's model is called at this backend.
    model_name_override: str = ""
    header_mutation: HTTPHeaderMutation | None = None
    body_mutation: HTTPBodyMutation | None = None
    weight: int = Field(default=1, ge=0, le=2**31 - 1)
    # Lower ones are preferred.
    priority: int = Field(default=0, ge=0, le=2**32 - 1)

    @field_validator("namespace", mode="before")
    @classmethod
    def _read_namespace(cls, value: Any) -> Any:
        """The empty namespace is the route's own."""
        return None if value == "" else value

    @model_validator(mode="after")
    def _check_kind(self) -> Self:
        found = Violations()
        if (self.group is None) != (self.kind is None):
            found.add("group and kind must be specified together")
        elif self.is_pool and (self.group not in (POOL_GROUP, OLD_POOL_GROUP) or self.kind != "InferencePool"):
            found.add("only InferencePool from inference.networking.k8s.io group is supported")
        found.refuse()
        return self

    @property
    def is_pool(self) -> bool:
        """Whether it refers to an InferencePool."""
        return self.group is not None


class AIGatewayRouteRuleMatch(Node):
    """Headers that must all match."""

    headers: HeaderMatches = Field(default=(), max_length=16)


class AIGatewayRouteRule(Node):
    """Matches (any of them), backends, time limits and how its models are listed."""

    name: SectionName | None = None
    backend_refs: Many[AIGatewayRouteRuleBackendRef] = Field(default=(), max_length=128)
    # Empty: every request.
    matches: Many[AIGatewayRouteRuleMatch] = Field(default=(), max_length=128)
    timeouts: HTTPRouteTimeouts | None = None
    # Between bytes of the answer.
    stream_idle_timeout: Duration | None = None
    models_owned_by: str = "Envoy AI Gateway"
    # Absent: when the route was created.
    models_created_at: Time | None = None
    exclude_from_models_endpoint: bool = False

    @model_validator(mode="after")
    def _check_rule(self) -> Self:
        found = Violations()
        if self.name == NOT_FOUND_RULE:
            found.add("rule name route-not-found is reserved")
        pools = sum(ref.is_pool for ref in self.backend_refs)
        if 0 < pools < len(self.backend_refs):
            found.add("cannot mix InferencePool and AIServiceBackend references in the same rule")
        if pools and len(self.backend_refs) > 1:
            found.add("only one InferencePool backend is allowed per rule")
        found.refuse()
        return self


class AIGatewayRouteSpec(Node):
    """Gateways, hosts, rules, and what is kept of each request."""

    parent_refs: GatewayParents = Field(default=(), max_length=16)
    hostnames: Many[Hostname] = Field(default=(), max_length=16)
    rules: Many[AIGatewayRouteRule]
    llm_request_costs: Many[LLMRequestCost] = Field(default=(), max_length=36)

    @field_validator("rules")
    @classmethod
    def _check_rules(cls, rules: tuple[AIGatewayRouteRule, ...]) -> tuple[AIGatewayRouteRule, ...]:
        found = Violations()
        names = [rule.name for rule in rules if rule.name is not None]
        if len(set(names)) < len(names):
            found.add("rule name must be unique within the route")
        found.refuse()
        return rules


class ExternalProcessor(Node):
    """The processor's deployment, as older releases let a route describe it."""

    replicas: Ignored = None
    resources: Ignored = None


class AIGatewayFilterConfig(Node):
    """How the filter runs, as older releases let a route choose it."""

    type: Literal["ExternalProcessor", "DynamicModule"] = "ExternalProcessor"
    external_processor: ExternalProcessor | None = None


class AIGatewayRouteSpecV1Alpha1(AIGatewayRouteSpec):
    """The same, with the fields that v0.3 and v0.5 were the last to have."""

    target_refs: Many[LocalPolicyTargetReferenceWithSectionName] = Field(default=(), max_length=128)
    # Of the requests; never anything but OpenAI.
    api_schema: VersionedAPISchema | None = Field(default=None, alias="schema")
    filter_config: AIGatewayFilterConfig | None = None

    @model_validator(mode="after")
    def _check_old_fields(self) -> Self:
        found = Violations()
        if self.target_refs and "parent_refs" in self.model_fields_set:
            found.add("targetRefs is deprecated, use parentRefs only")
        if any(target.kind != "Gateway" for target in self.target_refs):
            found.add("only Gateway is supported", "targetRefs")
        if self.api_schema is not None and self.api_schema.name != "OpenAI":
            found.add("failed rule: self.name == 'OpenAI'", "schema")
        found.refuse()
        return self


class AIGatewayRoute(Kind):
    """Routes AI requests."""

    GROUP: ClassVar[str] = AI_GATEWAY_GROUP
    KIND: ClassVar[str] = "AIGatewayRoute"
    PRUNES_UNKNOWN: ClassVar[bool] = True
    UNKNOWN_HINTS: ClassVar[Mapping[FieldPath, str]] = {
        ("spec", "targetRefs"): "v0.4 removed it; use parentRefs",
        ("spec", "schema"): "v0.4 removed it; a route takes requests of every schema",
        ("spec", "filterConfig"): "v0.6 removed it; use a GatewayConfig",
    }

    spec: AIGatewayRouteSpec


class AIGatewayRouteV1Alpha1(Kind):
    """Routes AI requests (v1alpha1)."""

    GROUP: ClassVar[str] = AI_GATEWAY_GROUP
    KIND: ClassVar[str] = "AIGatewayRoute"
    PRUNES_UNKNOWN: ClassVar[bool] = True

    spec: AIGatewayRouteSpecV1Alpha1
