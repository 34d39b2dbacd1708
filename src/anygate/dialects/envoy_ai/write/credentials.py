"""Credentials of providers as BackendSecurityPolicies: Secrets are referred to by name, never written."""

from typing import Any

from anygate.dialects.envoy_ai.kinds.groups import AI_GATEWAY_GROUP
from anygate.dialects.envoy_ai.write.findings import MODEL_CREDENTIAL, MODEL_OURS
from anygate.dialects.envoy_ai.write.words import given
from anygate.dialects.guest_routes import Host
from anygate.model.inference import (
    AwsCredential,
    AzureToken,
    GcpToken,
    KeyCredential,
    OidcClient,
    Provider,
    QueryCredential,
    TokenCredential,
)
from anygate.model.origin import Origin
from anygate.model.tls import Opaque

POLICY = "BackendSecurityPolicy"
_KEYS = {
    "authorization": ("APIKey", "apiKey"),
    "x-api-key": ("AnthropicAPIKey", "anthropicAPIKey"),
    "x-goog-api-key": ("GeminiAPIKey", "geminiAPIKey"),
    "api-key": ("AzureAPIKey", "azureAPIKey"),
}
_BEARER = b"Bearer "
_MOST_TARGETS = 16


class Policies:
    """Collects which backends need which credential, and writes a policy for each when all are known."""

    def __init__(self) -> None:
        self._wanted: dict[tuple[str, str], tuple[str, dict[str, Any], Origin, list[str]]] = {}

    def add(self, host: Host, provider: Provider, namespace: str, backend: str) -> None:
        """Note the credential of a backend of this namespace; what has no words is named, and the backend has none."""
        spec = _write(host, provider, namespace)
        credential = provider.credential
        if spec is None or credential is None:
            return
        is_written = credential.origin.kind == POLICY
        name = credential.origin.name if is_written else backend
        key = (namespace, repr(spec))
        self._wanted.setdefault(key, (name, spec, credential.origin, []))[3].append(backend)

    def finish(self, host: Host) -> None:
        """Write the policies."""
        for (namespace, _), (name, spec, origin, backends) in self._wanted.items():
            targets = [{"group": AI_GATEWAY_GROUP, "kind": "AIServiceBackend", "name": one} for one in backends]
            for at in range(0, len(targets), _MOST_TARGETS):
                body = {"spec": {"targetRefs": targets[at : at + _MOST_TARGETS], **spec}}
                host.add(POLICY, namespace, name, body, [origin])


def _write(host: Host, provider: Provider, namespace: str) -> dict[str, Any] | None:
    """The settings of a policy without its targets."""
    credential = provider.credential
    made: dict[str, Any] | None = None
    if isinstance(credential, KeyCredential):
        made = _write_key(host, credential, namespace)
    elif isinstance(credential, AwsCredential):
        made = _write_aws(host, credential, namespace)
    elif isinstance(credential, TokenCredential):
        made = _write_token(host, provider, credential, namespace)
    elif isinstance(credential, QueryCredential):
        text = f"the key in the parameter {credential.parameter} of the query has no place"
        host.lose(MODEL_CREDENTIAL, credential.origin, text)
    if made is not None and provider.override is not None:
        taken = {"header": provider.override.header, "fallbackToConfigured": provider.override.fallback}
        made["credentialOverride"] = {"fromRequestHeaders": taken}
    return made


def _write_key(host: Host, credential: KeyCredential, namespace: str) -> dict[str, Any] | None:
    found = host.secrets.get(credential.secret)
    is_bearer = isinstance(found, Opaque) and found.value.reveal().startswith(_BEARER)
    kind, field = _KEYS.get(credential.header.lower(), ("", ""))
    if not kind or is_bearer != (kind == "APIKey"):
        what = "that is no bearer token" if kind == "APIKey" else ""
        text = f"a key in the header {credential.header} {what}".rstrip()
        host.lose(MODEL_CREDENTIAL, credential.origin, f"{text} has no place")
        return None
    if kind == "GeminiAPIKey":
        host.lose(MODEL_OURS, credential.origin, "only anygate knows BackendSecurityPolicies of type GeminiAPIKey")
    return {"type": kind, field: {"secretRef": host.refer_secret(credential.secret, POLICY, namespace, "apiKey")}}


def _write_aws(host: Host, credential: AwsCredential, namespace: str) -> dict[str, Any] | None:
    if credential.service != "bedrock":
        text = f"signatures for {credential.service} have no place: requests are signed for bedrock only"
        host.lose(MODEL_CREDENTIAL, credential.origin, text)
        return None
    file = exchange = None
    if credential.file:
        reference = host.refer_secret(credential.file, POLICY, namespace, "credentials")
        profile = credential.profile if credential.profile != "default" else ""
        file = given({"secretRef": reference, "profile": profile})
    elif credential.exchange is not None:
        oidc = _write_oidc(host, credential.exchange.oidc, namespace)
        exchange = {**oidc, "awsRoleArn": credential.exchange.role}
    settings = {"region": credential.region, "credentialsFile": file, "oidcExchangeToken": exchange}
    return {"type": "AWSCredentials", "awsCredentials": given(settings)}


def _write_token(host: Host, provider: Provider, credential: TokenCredential, namespace: str) -> dict[str, Any]:
    source = credential.source
    if isinstance(source, AzureToken):
        secret = host.refer_secret(source.secret, POLICY, namespace, "client-secret") if source.secret else None
        settings = {
            "clientID": source.client_id,
            "tenantID": source.tenant,
            "clientSecretRef": secret,
            "oidcExchangeToken": _write_oidc(host, source.oidc, namespace) if source.oidc else None,
        }
        return {"type": "AzureCredentials", "azureCredentials": given(settings)}
    settings = {"projectName": provider.project, "region": provider.region, **_write_gcp(host, source, namespace)}
    return {"type": "GCPCredentials", "gcpCredentials": given(settings)}


def _write_gcp(host: Host, source: GcpToken, namespace: str) -> dict[str, Any]:
    if source.file:
        return {
            "credentialsFile": {"secretRef": host.refer_secret(source.file, POLICY, namespace, "service_account.json")}
        }
    found = source.federation
    if found is None:
        return {}
    account = {"serviceAccountName": found.service_account} if found.service_account else None
    settings = {
        "projectID": found.project_id,
        "workloadIdentityPoolName": found.pool,
        "workloadIdentityProviderName": found.provider,
        "oidcExchangeToken": _write_oidc(host, found.oidc, namespace),
        "serviceAccountImpersonation": account,
    }
    return {"workloadIdentityFederationConfig": given(settings)}


def _write_oidc(host: Host, found: OidcClient, namespace: str) -> dict[str, Any]:
    provider = given({"issuer": found.issuer, "tokenEndpoint": found.token_endpoint})
    secret = host.refer_secret(found.secret, POLICY, namespace, "client-secret")
    settings = {"provider": provider, "clientID": found.client_id, "clientSecret": secret, "scopes": [*found.scopes]}
    return {"oidc": given(settings)}
