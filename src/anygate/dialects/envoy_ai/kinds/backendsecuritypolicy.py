"""BackendSecurityPolicy: the credential that a request to a backend carries."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from anygate.diagnostics import FieldPath
from anygate.dialects.envoy_ai.kinds.groups import AI_GATEWAY_GROUP, POOL_GROUP
from anygate.manifests.envoy_gateway.oidc import OIDC
from anygate.manifests.fields import Many
from anygate.manifests.kind import Kind, Node
from anygate.manifests.references import LocalPolicyTargetReference, SecretObjectReference
from anygate.manifests.violations import Violations

GCP_EXACTLY_ONE = "Exactly one of GCPWorkloadIdentityFederationConfig or GCPCredentialsFile must be specified"
"""What v1alpha1 demands of gcpCredentials."""

Text = Annotated[str, Field(min_length=1)]


class SecretCredential(Node):
    """A credential in a Secret: the key `apiKey`, or `service_account.json` for a file of GCP."""

    secret_ref: SecretObjectReference


class AWSCredentialsFile(SecretCredential):
    """A credentials file under the key `credentials` of a Secret."""

    profile: str = "default"


class OIDCExchangeToken(Node):
    """A token of an OIDC provider that is exchanged for the provider's own credential."""

    oidc: OIDC
    grant_type: str = ""
    aud: str = ""


class AWSOIDCExchangeToken(OIDCExchangeToken):
    """A token that is exchanged for temporary keys of a role."""

    aws_role_arn: Text


class AWSCredentials(Node):
    """A file or an exchange; with neither the environment's default chain."""

    region: Text
    credentials_file: AWSCredentialsFile | None = None
    oidc_exchange_token: AWSOIDCExchangeToken | None = None


class AzureCredentials(Node):
    """A client of Microsoft Entra, by its secret or by an exchange."""

    client_id: Text = Field(alias="clientID")
    tenant_id: Text = Field(alias="tenantID")
    # Key `client-secret`.
    client_secret_ref: SecretObjectReference | None = None
    oidc_exchange_token: OIDCExchangeToken | None = None

    @model_validator(mode="after")
    def _check_source(self) -> Self:
        found = Violations()
        if (self.client_secret_ref is None) == (self.oidc_exchange_token is None):
            found.add("Exactly one of clientSecretRef or oidcExchangeToken must be specified")
        found.refuse()
        return self


class ServiceAccountImpersonation(Node):
    """The service account to act as."""

    service_account_name: Text


class WorkloadIdentityFederation(Node):
    """An exchange of another provider's token for one of GCP."""

    project_id: Text = Field(alias="projectID")
    workload_identity_pool_name: Text
    workload_identity_provider_name: Text
    oidc_exchange_token: OIDCExchangeToken
    service_account_impersonation: ServiceAccountImpersonation | None = None


class GCPCredentials(Node):
    """A file or a federation; with neither the environment's default credentials."""

    project_name: Text
    region: Text
    credentials_file: SecretCredential | None = None
    workload_identity_federation_config: WorkloadIdentityFederation | None = None

    _both: ClassVar[str] = "At most one of credentialsFile or workloadIdentityFederationConfig may be specified"

    @model_validator(mode="after")
    def _check_source(self) -> Self:
        found = Violations()
        if self.credentials_file is not None and self.workload_identity_federation_config is not None:
            found.add(self._both)
        found.refuse()
        return self


class GCPCredentialsV1Alpha1(GCPCredentials):
    """The same; where it is enforced, v1alpha1 demands one of the two."""

    _both: ClassVar[str] = GCP_EXACTLY_ONE


class FromRequestHeaders(Node):
    """A header, or for AWS a prefix of headers, that a trusted filter sets."""

    # Default: one for each type.
    header: str = ""
    fallback_to_configured: bool = True


class FromDynamicMetadata(Node):
    """Dynamic metadata that a trusted filter sets."""

    namespace: Text
    # Default: one for each type.
    key: str = ""
    fallback_to_configured: bool = True


class CredentialOverride(Node):
    """Where each request's own credential is found."""

    from_request_headers: FromRequestHeaders | None = None
    from_dynamic_metadata: FromDynamicMetadata | None = None

    @model_validator(mode="after")
    def _check_source(self) -> Self:
        found = Violations()
        given = sum(one is not None for one in (self.from_request_headers, self.from_dynamic_metadata))
        if given == 0:
            found.add("must have at least 1 properties")
        if given > 1:
            found.add("must have at most 1 properties")
        found.refuse()
        return self


def _check_targets(targets: tuple[LocalPolicyTargetReference, ...]) -> tuple[LocalPolicyTargetReference, ...]:
    found = Violations()
    allowed = {(AI_GATEWAY_GROUP, "AIServiceBackend"), (POOL_GROUP, "InferencePool")}
    if any((target.group, target.kind) not in allowed for target in targets):
        found.add("targetRefs must reference AIServiceBackend or InferencePool resources")
    found.refuse()
    return targets


class BackendSecurityPolicyFields(Node):
    """What all versions have."""

    target_refs: Annotated[Many[LocalPolicyTargetReference], AfterValidator(_check_targets)] = Field(
        default=(), max_length=16
    )
    type: Literal[
        "APIKey",
        "AWSCredentials",
        "AzureAPIKey",
        "AzureCredentials",
        "GCPCredentials",
        "AnthropicAPIKey",
        # Ours alone: a key of Google AI Studio.
        "GeminiAPIKey",
    ]
    api_key: SecretCredential | None = None
    aws_credentials: AWSCredentials | None = None
    azure_api_key: SecretCredential | None = Field(default=None, alias="azureAPIKey")
    azure_credentials: AzureCredentials | None = None
    gcp_credentials: GCPCredentials | None = None
    anthropic_api_key: SecretCredential | None = Field(default=None, alias="anthropicAPIKey")
    gemini_api_key: SecretCredential | None = Field(default=None, alias="geminiAPIKey")

    @model_validator(mode="after")
    def _check_type(self) -> Self:
        found = Violations()
        blocks: dict[str, tuple[str, object]] = {
            "APIKey": ("apiKey", self.api_key),
            "AWSCredentials": ("awsCredentials", self.aws_credentials),
            "AzureAPIKey": ("azureAPIKey", self.azure_api_key),
            "AzureCredentials": ("azureCredentials", self.azure_credentials),
            "GCPCredentials": ("gcpCredentials", self.gcp_credentials),
            "AnthropicAPIKey": ("anthropicAPIKey", self.anthropic_api_key),
            "GeminiAPIKey": ("geminiAPIKey", self.gemini_api_key),
        }
        if [name for name, (_, block) in blocks.items() if block is not None] != [self.type]:
            found.add(f"When type is {self.type}, only {blocks[self.type][0]} field should be set")
        found.refuse()
        return self


class BackendSecurityPolicySpec(BackendSecurityPolicyFields):
    """Targets, and the credential of the one type."""

    credential_override: CredentialOverride | None = None


class BackendSecurityPolicySpecV1Alpha1(BackendSecurityPolicyFields):
    """The same without `credentialOverride`."""

    gcp_credentials: GCPCredentialsV1Alpha1 | None = None


class BackendSecurityPolicy(Kind):
    """Authenticates the gateway at backends."""

    GROUP: ClassVar[str] = AI_GATEWAY_GROUP
    KIND: ClassVar[str] = "BackendSecurityPolicy"
    PRUNES_UNKNOWN: ClassVar[bool] = True

    spec: BackendSecurityPolicySpec


class BackendSecurityPolicyV1Alpha1(Kind):
    """Authenticates the gateway at backends (v1alpha1)."""

    GROUP: ClassVar[str] = AI_GATEWAY_GROUP
    KIND: ClassVar[str] = "BackendSecurityPolicy"
    PRUNES_UNKNOWN: ClassVar[bool] = True
    UNKNOWN_HINTS: ClassVar[Mapping[FieldPath, str]] = {
        ("spec", "credentialOverride"): f"it needs apiVersion {AI_GATEWAY_GROUP}/v1beta1",
    }

    spec: BackendSecurityPolicySpecV1Alpha1
