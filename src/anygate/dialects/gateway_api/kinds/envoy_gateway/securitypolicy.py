"""SecurityPolicy: who may send which requests."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from anygate.dialects.gateway_api.kinds.envoy_gateway.authentication import CORS, APIKeyAuth, BasicAuth
from anygate.dialects.gateway_api.kinds.envoy_gateway.authorization import Authorization
from anygate.dialects.gateway_api.kinds.envoy_gateway.ext_auth import ExtAuth
from anygate.dialects.gateway_api.kinds.envoy_gateway.jwt import JWT
from anygate.dialects.gateway_api.kinds.envoy_gateway.oidc import OIDC
from anygate.dialects.gateway_api.kinds.envoy_gateway.targets import PolicyTargets
from anygate.dialects.gateway_api.kinds.references import ENVOY_GATEWAY_GROUP
from anygate.dialects.gateway_api.kinds.violations import Violations
from anygate.manifests.kind import Kind


class SecurityPolicySpec(PolicyTargets):
    """Targets and the checks that every request must pass."""

    target_kinds: ClassVar[tuple[str, ...]] = ("Gateway", "HTTPRoute", "GRPCRoute", "TCPRoute")

    # Absent: the more specific policy replaces the other.
    merge_type: Literal["StrategicMerge", "JSONMerge"] | None = None
    api_key_auth: APIKeyAuth | None = Field(default=None, alias="apiKeyAuth")
    cors: CORS | None = None
    basic_auth: BasicAuth | None = None
    jwt: JWT | None = None
    oidc: OIDC | None = None
    ext_auth: ExtAuth | None = None
    authorization: Authorization | None = None

    @model_validator(mode="after")
    def _check_token_rules(self) -> Self:
        found = Violations()
        rules = self.authorization.rules if self.authorization else ()
        if self.jwt is None and self.merge_type is None and any(rule.principal.jwt for rule in rules):
            found.add("jwt is required when authorization rules use it", "jwt", code="required")
        found.refuse()
        return self


class SecurityPolicy(Kind):
    """Authentication, authorization and cross-origin rules."""

    GROUP: ClassVar[str] = ENVOY_GATEWAY_GROUP
    KIND: ClassVar[str] = "SecurityPolicy"

    spec: SecurityPolicySpec
