"""BackendSecurityPolicies in the model: every type of credential, and backends that are closed for want of one."""

import pytest
from ai_model import GATEWAY, GRANT, Outcome, model_rule, policy, provider, route, secret

from anygate.model.edit import Respond
from anygate.model.inference import (
    AwsCredential,
    AzureToken,
    GcpToken,
    KeyCredential,
    TokenCredential,
)

CHAT = route(model_rule("a", "{name: openai}"))
OIDC = """oidc:
      provider: {issuer: "https://id.example.com", tokenEndpoint: "https://id.example.com/token"}
      clientID: anygate
      clientSecret: {name: keys}
      scopes: [all]"""


def read(spec: str, *more: str, schema: str = "OpenAI") -> Outcome:
    return Outcome(GATEWAY, provider("openai", schema), policy(spec), CHAT, *more)


@pytest.mark.parametrize(
    ("kind", "field", "header", "value"),
    [
        ("APIKey", "apiKey", "authorization", b"Bearer sesame"),
        ("AnthropicAPIKey", "anthropicAPIKey", "x-api-key", b"sesame"),
        ("AzureAPIKey", "azureAPIKey", "api-key", b"sesame"),
    ],
)
def test_keys_stand_in_headers(kind: str, field: str, header: str, value: bytes) -> None:
    found = read(f"type: {kind}\n{field}: {{secretRef: {{name: keys}}}}", secret(apiKey='" sesame\\n"'))
    credential = found.provider("default/openai").credential
    assert isinstance(credential, KeyCredential)
    assert (credential.header, credential.secret) == (header, "ai-key/default/key")
    assert found.secret("ai-key/default/key") == value
    assert found.rules_found == []
    assert found.condition("BackendSecurityPolicy", "key") == (
        "Accepted",
        "BackendSecurityPolicy reconciled successfully",
    )


def test_aws_signs_with_a_file_an_exchange_or_what_the_environment_has() -> None:
    file = (
        "type: AWSCredentials\nawsCredentials:\n  region: us-east-1\n"
        "  credentialsFile: {secretRef: {name: keys}, profile: shop}"
    )
    found = read(file, secret(credentials="'[shop]'"), schema="AWSBedrock")
    credential = found.provider("default/openai").credential
    assert isinstance(credential, AwsCredential)
    assert (credential.region, credential.service, credential.profile) == ("us-east-1", "bedrock", "shop")
    assert found.secret(credential.file) == b"[shop]"
    exchange = (
        "type: AWSCredentials\nawsCredentials:\n  region: us-east-1\n"
        "  oidcExchangeToken:\n    awsRoleArn: arn:role\n    " + OIDC
    )
    found = read(exchange, secret(**{"client-secret": "hush"}), schema="AWSBedrock")
    credential = found.provider("default/openai").credential
    assert (credential.file, credential.exchange.role) == ("", "arn:role")
    assert (credential.exchange.name, credential.exchange.session) == ("default/key", "ai-gateway-key")
    assert found.secret(credential.exchange.oidc.secret) == b"hush"
    assert credential.exchange.oidc.token_endpoint == "https://id.example.com/token"
    found = read("type: AWSCredentials\nawsCredentials: {region: us-east-1}", schema="AWSBedrock")
    credential = found.provider("default/openai").credential
    assert (credential.file, credential.exchange) == ("", None)


def test_aws_signs_for_the_region_of_the_host() -> None:
    backend = provider("openai", "AWSBedrock").replace("openai.example.com", "bedrock-runtime.eu-west-1.amazonaws.com")
    spec = "type: AWSCredentials\nawsCredentials: {region: us-east-1}"
    found = Outcome(GATEWAY, backend, policy(spec), CHAT)
    assert found.provider("default/openai").credential.region == "eu-west-1"


def test_azure_tokens() -> None:
    spec = "type: AzureCredentials\nazureCredentials: {clientID: a, tenantID: b, clientSecretRef: {name: keys}}"
    found = read(spec, secret(**{"client-secret": "hush"}), schema="AzureOpenAI")
    credential = found.provider("default/openai").credential
    assert isinstance(credential, TokenCredential)
    assert isinstance(credential.source, AzureToken)
    assert credential.secret == "ai-token/default/key"
    assert found.secret(credential.source.secret) == b"hush"
    spec = "type: AzureCredentials\nazureCredentials:\n  clientID: a\n  tenantID: b\n  oidcExchangeToken:\n    " + OIDC
    found = read(spec, secret(**{"client-secret": "hush"}), schema="AzureOpenAI")
    assert found.provider("default/openai").credential.source.oidc.issuer == "https://id.example.com"


def test_gcp_tokens_come_with_region_and_project() -> None:
    base = "type: GCPCredentials\ngcpCredentials: {projectName: shop, region: us-east1%s}"
    found = read(base % "", schema="GCPVertexAI")
    spoken = found.provider("default/openai")
    assert (spoken.region, spoken.project) == ("us-east1", "shop")
    assert spoken.credential.source == GcpToken()
    found = read(base % ", credentialsFile: {secretRef: {name: keys}}", secret(**{"service_account.json": "'{}'"}))
    assert found.secret(found.provider("default/openai").credential.source.file) == b"{}"


def test_overrides_take_a_header_and_fall_back() -> None:
    spec = "type: APIKey\napiKey: {secretRef: {name: keys}}\ncredentialOverride: {fromRequestHeaders: {%s}}"
    found = read(spec % "", secret()).provider("default/openai").override
    assert (found.header, found.fallback) == ("x-aigw-api-key", True)
    found = read(spec % "header: X-Key, fallbackToConfigured: false", secret()).provider("default/openai").override
    assert (found.header, found.fallback) == ("x-key", False)


def test_an_override_from_metadata_is_named_and_fails_closed() -> None:
    spec = (
        "type: APIKey\napiKey: {secretRef: {name: keys}}\n"
        "credentialOverride: {fromDynamicMetadata: {namespace: a, fallbackToConfigured: %s}}"
    )
    found = read(spec % "true", secret())
    assert found.rules_found == ["ai-not-honoured"]
    assert found.provider("default/openai").override is None
    assert found.provider("default/openai").credential is not None
    closed(read(spec % "false", secret()))


def test_a_fallback_needs_a_credential() -> None:
    spec = (
        "type: GCPCredentials\ngcpCredentials: {projectName: shop, region: us-east1}\n"
        "credentialOverride: {fromRequestHeaders: {}}"
    )
    found = closed(read(spec, schema="GCPVertexAI"))
    assert found.condition("BackendSecurityPolicy", "key")[1] == (
        "credentialOverride with fallbackToConfigured=true requires a static credential to be configured"
    )


def closed(found: Outcome) -> Outcome:
    """Nothing is sent to the backend, and no secret is kept for it."""
    for rule in found.route().rules:
        assert isinstance(rule.action, Respond)
        assert rule.action.status == 503
        assert "sesame" not in rule.action.body + rule.action.reason
    assert found.model.backends == ()
    assert found.condition("AIGatewayRoute", "chat")[0] == "NotAccepted"
    return found


KEY = "type: APIKey\napiKey: {secretRef: {name: keys}}"


@pytest.mark.parametrize(
    "secrets",
    [
        (),
        (secret("other"),),
        (secret(other="sesame"),),
        (secret(apiKey='"  "'),),
        (secret(apiKey='"sesame\\nx: y"'),),
    ],
    ids=["none", "of another name", "without the key", "empty", "two lines"],
)
def test_without_its_secret_a_backend_is_closed(secrets: tuple[str, ...]) -> None:
    found = closed(read(KEY, *secrets))
    assert set(found.rules_found) == {"ai-credential-not-found", "ai-backend-unusable"}
    assert found.condition("BackendSecurityPolicy", "key")[0] == "NotAccepted"


def test_another_backend_takes_over() -> None:
    chat = route(model_rule("a", "{name: openai}", "{name: spare, priority: 1}"))
    found = Outcome(GATEWAY, provider("openai"), provider("spare"), policy(KEY), chat)
    assert found.targets("0/chat") == [("spare", 1, 1, False)]
    assert found.rule("0/chat").retry is None


def test_two_policies_close_a_backend() -> None:
    found = closed(read(KEY, policy(KEY, "spare"), secret()))
    for name in ("key", "spare"):
        assert found.condition("BackendSecurityPolicy", name) == (
            "NotAccepted",
            "multiple BackendSecurityPolicies found for AIServiceBackend openai: [key spare]",
        )


@pytest.mark.parametrize("targets", ["", "  targetRefs: 5\n"], ids=["of this backend", "that nobody can tell"])
def test_a_policy_that_is_not_valid_closes_its_backends(targets: str) -> None:
    broken = policy("type: APIKey\napiKey: {secretRef: {name: [keys]}}")
    if targets:
        lines = broken.splitlines(keepends=True)
        broken = "".join(targets if "targetRefs" in line else line for line in lines)
    closed(Outcome(GATEWAY, provider("openai"), broken, secret(), CHAT))


def test_a_secret_of_another_namespace_needs_a_grant() -> None:
    spec = "type: APIKey\napiKey: {secretRef: {name: keys, namespace: vault}}"
    held = secret(namespace="vault")
    found = closed(read(spec, held))
    assert "ai-ref-not-permitted" in found.rules_found
    grant = GRANT % ("vault", "BackendSecurityPolicy", '{group: "", kind: Secret, name: keys}')
    assert read(spec, held, grant).secret("ai-key/default/key") == b"Bearer sesame"
    # A grant for routes says nothing about policies.
    closed(read(spec, held, GRANT % ("vault", "AIGatewayRoute", '{group: "", kind: Secret}')))


def test_an_older_backend_names_its_policy() -> None:
    old = """
apiVersion: aigateway.envoyproxy.io/v1alpha1
kind: AIServiceBackend
metadata: {name: openai}
spec:
  schema: {name: OpenAI}
  backendRef: {group: gateway.envoyproxy.io, kind: Backend, name: openai}
  backendSecurityPolicyRef: {group: aigateway.envoyproxy.io, kind: BackendSecurityPolicy, name: %s}
"""
    backend = provider("openai").split("---")[0]
    own = policy(KEY).replace(
        "  targetRefs: [{group: aigateway.envoyproxy.io, kind: AIServiceBackend, name: openai}]\n", ""
    )
    found = Outcome(GATEWAY, backend, old % "key", own, secret(), CHAT)
    assert found.provider("default/openai").credential is not None
    found = closed(Outcome(GATEWAY, backend, old % "kye", own, secret(), CHAT))
    assert "ai-policy-not-found" in found.rules_found
    assert found.condition("AIServiceBackend", "openai")[0] == "NotAccepted"
