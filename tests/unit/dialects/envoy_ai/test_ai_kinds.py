"""The kinds of this dialect: rich manifests of all versions validate, and each mistake is named at its field."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from anygate.dialects.envoy_ai.kinds import KINDS

ABSENT = object()

HERE = Path(__file__).parent
VALID = {
    f"{one['kind']} {one['apiVersion'].rpartition('/')[2]}": one
    for one in yaml.safe_load_all((HERE / "kinds.yaml").read_text())
}
MISTAKES = [
    (key, mistake)
    for key, mistakes in yaml.safe_load((HERE / "mistakes.yaml").read_text()).items()
    for mistake in mistakes
]


def read(document: dict[str, Any]) -> Any:
    group, _, version = document["apiVersion"].rpartition("/")
    model = KINDS[group, document["kind"]].resolve_model(version)
    assert model is not None
    return model.model_validate(document)


def change(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    changed = deepcopy(document)
    *steps, last = path.split(".")
    place: Any = changed
    for step in steps:
        place = place[int(step)] if isinstance(place, list) else place.setdefault(step, {})
    if last == "+":
        place.append(value)
    elif value is ABSENT:
        del place[last]
    else:
        place[int(last) if isinstance(place, list) else last] = value
    return changed


def errors(document: dict[str, Any]) -> list[tuple[str, str]]:
    try:
        read(document)
    except ValidationError as error:
        return [(".".join(map(str, one["loc"])), one["msg"]) for one in error.errors()]
    return []


def list_fields(value: Any, at: str = "") -> set[str]:
    if isinstance(value, dict):
        return {at}.union(*(list_fields(one, f"{at}.{key}") for key, one in value.items()))
    if isinstance(value, list | tuple):
        return {at}.union(*(list_fields(one, at) for one in value))
    return {at}


def test_every_kind_and_version_has_a_rich_manifest() -> None:
    known = {f"{kind} {version}" for (_, kind), entry in KINDS.items() for version in (*entry.versions, *entry.older)}
    # These two have one shape in both versions.
    assert known - VALID.keys() == {"GatewayConfig v1alpha1", "MCPRoute v1alpha1"}


@pytest.mark.parametrize("key", VALID)
def test_a_rich_manifest_validates(key: str) -> None:
    document = VALID[key]
    kind = read(document)
    assert (document["apiVersion"].rpartition("/")[0], document["kind"]) == (type(kind).GROUP, type(kind).KIND)
    assert type(kind).PRUNES_UNKNOWN


@pytest.mark.parametrize("key", VALID)
def test_names_written_back_are_those_of_the_manifest(key: str) -> None:
    """Every alias is right: what was read in comes out under the same names."""
    document = VALID[key]
    written = read(document).model_dump(by_alias=True, exclude_unset=True)
    assert list_fields(written["spec"]) == list_fields(document["spec"])


@pytest.mark.parametrize(("key", "mistake"), MISTAKES, ids=lambda one: one if isinstance(one, str) else one["change"])
def test_a_mistake_is_named_at_its_field(key: str, mistake: dict[str, Any]) -> None:
    found = errors(change(VALID[key], mistake["change"], mistake.get("to", ABSENT)))
    expected = mistake.get("errors") or [mistake["error"]]
    assert [at for at, _ in found] == [mistake.get("at", mistake["change"])] * len(expected)
    for (_, text), part in zip(found, expected, strict=True):
        assert part in text


@pytest.mark.parametrize("version", ["v1beta1", "v1alpha1"])
@pytest.mark.parametrize("kind", ["GatewayConfig", "MCPRoute"])
def test_kinds_of_one_shape_are_read_in_both_versions(kind: str, version: str) -> None:
    assert errors(VALID[f"{kind} v1beta1"] | {"apiVersion": f"aigateway.envoyproxy.io/{version}"}) == []


def gcp(version: str, **sources: Any) -> dict[str, Any]:
    spec = {"type": "GCPCredentials", "gcpCredentials": {"projectName": "a", "region": "b", **sources}}
    return VALID["BackendSecurityPolicy v1beta1"] | {
        "apiVersion": f"aigateway.envoyproxy.io/{version}",
        "spec": spec,
    }


@pytest.mark.parametrize(
    ("version", "text"),
    [
        ("v1beta1", "At most one of credentialsFile or workloadIdentityFederationConfig may be specified"),
        ("v1alpha1", "Exactly one of GCPWorkloadIdentityFederationConfig or GCPCredentialsFile must be specified"),
    ],
)
def test_two_gcp_sources_are_refused_in_the_words_of_the_version(version: str, text: str) -> None:
    federation = VALID["BackendSecurityPolicy v1beta1"]["spec"]["gcpCredentials"]["workloadIdentityFederationConfig"]
    document = gcp(version, credentialsFile={"secretRef": {"name": "a"}}, workloadIdentityFederationConfig=federation)
    assert errors(document) == [("spec.gcpCredentials", text)]


@pytest.mark.parametrize("version", ["v1beta1", "v1alpha1"])
def test_gcp_credentials_need_no_source(version: str) -> None:
    assert errors(gcp(version)) == []


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        ({"type": "APIKey", "apiKey": {"secretRef": {"name": "a"}}}, None),
        ({"type": "AzureAPIKey", "azureAPIKey": {"secretRef": {"name": "a"}}}, None),
        ({"type": "AnthropicAPIKey", "anthropicAPIKey": {"secretRef": {"name": "a"}}}, None),
        ({"type": "AWSCredentials", "awsCredentials": {"region": "a"}}, None),
        (
            {
                "type": "AzureCredentials",
                "azureCredentials": {"clientID": "a", "tenantID": "b", "clientSecretRef": {"name": "c"}},
            },
            None,
        ),
        (
            {"type": "AzureCredentials", "azureCredentials": {"clientID": "a", "tenantID": "b"}},
            ("spec.azureCredentials", "Exactly one of clientSecretRef or oidcExchangeToken must be specified"),
        ),
        ({"type": "OpenAICredentials"}, ("spec.type", "Input should be")),
    ],
)
def test_every_type_of_credential(spec: dict[str, Any], error: tuple[str, str] | None) -> None:
    found = errors(VALID["BackendSecurityPolicy v1beta1"] | {"spec": spec})
    assert len(found) == (error is not None)
    if error is not None:
        ((at, text),) = found
        assert at == error[0]
        assert error[1] in text


@pytest.mark.parametrize(
    ("key", "path", "value"),
    [
        ("AIGatewayRoute v1beta1", "spec.parentRefs", ABSENT),
        ("AIGatewayRoute v1beta1", "spec.rules", []),
        ("AIGatewayRoute v1beta1", "spec.rules", [{}] * 16),
        ("AIGatewayRoute v1beta1", "spec.rules.0.matches.0", {}),
        ("AIGatewayRoute v1beta1", "spec.rules.0.timeouts.request", "0s"),
        ("AIGatewayRoute v1beta1", "spec.rules.0.backendRefs.0.namespace", ""),
        ("AIGatewayRoute v1beta1", "spec.rules.1.backendRefs.0.group", "inference.networking.x-k8s.io"),
        ("AIGatewayRoute v1alpha1", "spec.schema", ABSENT),
        ("AIGatewayRoute v1alpha1", "spec.rules.0.streamIdleTimeout", "5s"),
        ("GatewayConfig v1beta1", "spec", ABSENT),
        ("GatewayConfig v1beta1", "spec.forwardProxy.address", "[fd00::1]:3128"),
        ("MCPRoute v1beta1", "spec.securityPolicy", ABSENT),
        ("MCPRoute v1beta1", "spec.backendRefs.0.prefixMode", ABSENT),
        ("QuotaPolicy v1alpha1", "spec.perModelQuotas.0.quota", {}),
        ("InferencePool v1", "spec.endpointPickerRef", ABSENT),
    ],
)
def test_what_the_api_allows_is_allowed(key: str, path: str, value: Any) -> None:
    assert errors(change(VALID[key], path, value)) == []


def test_defaults_are_those_of_the_api() -> None:
    rule = read(change(VALID["AIGatewayRoute v1beta1"], "spec.rules", [{"backendRefs": [{"name": "a"}]}])).spec.rules[0]
    assert (rule.models_owned_by, rule.matches, rule.timeouts) == ("Envoy AI Gateway", (), None)
    assert (rule.backend_refs[0].weight, rule.backend_refs[0].priority, rule.backend_refs[0].is_pool) == (1, 0, False)
    smallest = {"parentRefs": [{"name": "a"}], "backendRefs": [{"name": "b", "port": 1}]}
    mcp = read(change(VALID["MCPRoute v1beta1"], "spec", smallest)).spec
    assert (mcp.path, mcp.backend_refs[0].path, mcp.prefix_mode) == ("/mcp", "/mcp", "Always")
    override = {"fromRequestHeaders": {}}
    policy = read(change(VALID["BackendSecurityPolicy v1beta1"], "spec.credentialOverride", override)).spec
    assert policy.credential_override.from_request_headers.fallback_to_configured


def test_inline_keys_are_redacted() -> None:
    assert "abc" not in repr(read(VALID["MCPRoute v1beta1"]))
