"""Who may use an MCP route, and which of its backends and tools."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from anygate.manifests.envoy_gateway.authentication import APIKeyAuth
from anygate.manifests.envoy_gateway.authorization import JWTClaim, Scope
from anygate.manifests.envoy_gateway.ext_auth import ExtAuth
from anygate.manifests.envoy_gateway.jwt import ClaimToHeader, LocalJWKS, RemoteJWKS
from anygate.manifests.fields import Many
from anygate.manifests.kind import Node
from anygate.manifests.sequences import NonEmpty
from anygate.manifests.violations import Violations
from anygate.urls import split_url

Action = Literal["Allow", "Deny"]

MergeType = Literal["StrategicMerge", "JSONMerge", "Replace"]


def _check_uri(text: str) -> str:
    if not split_url(text).scheme and not text.startswith("/"):
        raise PydanticCustomError("invalid", "must be of type uri")
    return text


Uri = Annotated[str, AfterValidator(_check_uri)]


class JWKS(Node):
    """Where the keys of tokens come from."""

    remote_jwks: RemoteJWKS | None = Field(default=None, alias="remoteJWKS")
    local_jwks: LocalJWKS | None = Field(default=None, alias="localJWKS")

    @model_validator(mode="after")
    def _check_source(self) -> Self:
        found = Violations()
        if self.remote_jwks is None and self.local_jwks is None:
            found.add("either remoteJWKS or localJWKS must be specified.")
        if self.remote_jwks is not None and self.local_jwks is not None:
            found.add("remoteJWKS and localJWKS cannot both be specified.")
        found.refuse()
        return self


class ProtectedResourceMetadata(Node):
    """What clients learn about the route before they ask for a token (RFC 9728)."""

    resource: Uri
    resource_name: str | None = Field(default=None, max_length=256)
    scopes_supported: Many[str] = Field(default=(), max_length=32)
    resource_signing_alg_values_supported: NonEmpty[str] | None = Field(default=None, max_length=16)
    resource_documentation: Uri | None = None
    resource_policy_uri: Uri | None = None


class MCPRouteOAuth(Node):
    """Tokens of an issuer; without keys they are discovered from it."""

    issuer: Uri
    audiences: Many[str] = Field(default=(), max_length=32)
    jwks: JWKS | None = None
    protected_resource_metadata: ProtectedResourceMetadata
    claim_to_headers: Many[ClaimToHeader] = Field(default=(), max_length=16)
    # Default: derived from the issuer.
    authorization_server_metadata_url: Uri | None = None


class JWTSource(Node):
    """Scopes and claims that a token must all have."""

    scopes: Many[Scope] = Field(default=(), max_length=16)
    claims: Many[JWTClaim] = Field(default=(), max_length=16)

    @field_validator("claims")
    @classmethod
    def _check_claims(cls, claims: tuple[JWTClaim, ...]) -> tuple[JWTClaim, ...]:
        found = Violations()
        if any(claim.name == "scope" for claim in claims):
            found.add("'scope' claim name is reserved for OAuth scopes")
        found.refuse()
        return claims

    @model_validator(mode="after")
    def _check_presence(self) -> Self:
        found = Violations()
        if not self.scopes and not self.claims:
            found.add("either scopes or claims must be specified")
        found.refuse()
        return self


class MCPAuthorizationSource(Node):
    """Who calls."""

    jwt: JWTSource


class ToolCall(Node):
    """A tool of a backend."""

    backend: str
    tool: str


class MCPAuthorizationTarget(Node):
    """What is called."""

    tools: NonEmpty[ToolCall] = Field(max_length=16)


class MCPRouteAuthorizationRule(Node):
    """Source, target and expression must all hold; what is absent always does."""

    source: MCPAuthorizationSource | None = None
    target: MCPAuthorizationTarget | None = None
    cel: str | None = Field(default=None, max_length=4096)
    action: Action = "Allow"


class MCPRouteAuthorization(Node):
    """The first rule that holds decides."""

    default_action: Action = "Deny"
    rules: Many[MCPRouteAuthorizationRule] = Field(default=(), max_length=32)


class MCPBackendSelectorRule(Node):
    """An expression about one backend."""

    cel: str | None = Field(default=None, max_length=4096)
    action: Action = "Allow"


class MCPBackendSelector(Node):
    """The first rule that holds decides whether a session uses a backend."""

    default_action: Action = "Deny"
    rules: Many[MCPBackendSelectorRule] = Field(default=(), max_length=32)


class MCPRouteSecurityPolicy(Node):
    """Authentication and authorization of clients."""

    oauth: MCPRouteOAuth | None = None
    api_key_auth: APIKeyAuth | None = None
    ext_auth: ExtAuth | None = None
    authorization: MCPRouteAuthorization | None = None
    merge_type: MergeType | None = None

    @field_validator("merge_type")
    @classmethod
    def _check_merge(cls, merge_type: MergeType | None) -> MergeType | None:
        if merge_type == "Replace":
            raise PydanticCustomError("invalid", "Replace is not a valid MergeType for SecurityPolicy")
        return merge_type

    @model_validator(mode="after")
    def _check_tokens(self) -> Self:
        found = Violations()
        rules = self.authorization.rules if self.authorization else ()
        if self.oauth is None and any(rule.source is not None for rule in rules):
            found.add("oauth must be configured when any authorization rule uses a jwt source")
        found.refuse()
        return self


class MCPRouteBackendTrafficPolicy(Node):
    """How generated traffic policies combine with others."""

    merge_type: MergeType | None = None

    @field_validator("merge_type")
    @classmethod
    def _check_merge(cls, merge_type: MergeType | None) -> MergeType | None:
        if merge_type == "Replace":
            raise PydanticCustomError("invalid", "Replace is not a valid MergeType for BackendTrafficPolicy")
        return merge_type
