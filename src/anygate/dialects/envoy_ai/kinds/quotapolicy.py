"""QuotaPolicy: how many tokens, or other units of cost, a backend may spend in a time."""

from typing import ClassVar, Literal

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from anygate.dialects.envoy_ai.kinds.groups import AI_GATEWAY_GROUP
from anygate.manifests.envoy_gateway.rate_limit import RateLimitSelectCondition
from anygate.manifests.fields import Many
from anygate.manifests.kind import Kind, Node
from anygate.manifests.references import LocalPolicyTargetReference
from anygate.manifests.violations import Violations


class QuotaValue(Node):
    """So much in a time."""

    limit: int = Field(ge=0)
    duration: Literal["1s", "1m", "1h", "1d", "1w", "1mo", "1y"]


class ServiceQuotaDefinition(Node):
    """The quota of all models together."""

    # CEL; default: total_tokens.
    cost_expression: str | None = None
    quota: QuotaValue


class QuotaRule(Node):
    """The quota of some clients."""

    client_selectors: Many[RateLimitSelectCondition] = Field(default=(), max_length=8)
    quota: QuotaValue
    # Count, but never refuse.
    shadow_mode: bool = False


class QuotaDefinition(Node):
    """What a request costs and what it is charged to."""

    # CEL; default: total_tokens.
    cost_expression: str | None = None
    mode: Literal["Shared", "Exclusive"] = "Shared"
    default_bucket: QuotaValue | None = None
    bucket_rules: Many[QuotaRule] = ()

    @field_validator("mode")
    @classmethod
    def _check_mode(cls, mode: str) -> str:
        if mode == "Exclusive":
            raise PydanticCustomError("invalid", 'mode "Exclusive" was removed in v0.7, which knows only "Shared"')
        return mode


class PerModelQuota(Node):
    """The quota of a model, by the name that the backend knows it under."""

    model_name: str = Field(min_length=1)
    quota: QuotaDefinition


class QuotaPolicySpec(Node):
    """Targets and quotas."""

    target_refs: Many[LocalPolicyTargetReference] = Field(default=(), max_length=16)
    service_quota: ServiceQuotaDefinition | None = None
    per_model_quotas: Many[PerModelQuota] = Field(default=(), max_length=128)

    @field_validator("target_refs")
    @classmethod
    def _check_targets(cls, targets: tuple[LocalPolicyTargetReference, ...]) -> tuple[LocalPolicyTargetReference, ...]:
        found = Violations()
        if any((one.group, one.kind) != (AI_GATEWAY_GROUP, "AIServiceBackend") for one in targets):
            found.add("targetRefs must reference AIServiceBackend resources")
        found.refuse()
        return targets


class QuotaPolicy(Kind):
    """Quotas of backends (v1alpha1 only)."""

    GROUP: ClassVar[str] = AI_GATEWAY_GROUP
    KIND: ClassVar[str] = "QuotaPolicy"
    PRUNES_UNKNOWN: ClassVar[bool] = True

    spec: QuotaPolicySpec
