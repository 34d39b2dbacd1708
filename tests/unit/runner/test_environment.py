"""What `anygate run` makes of the environment when no path is given."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from anygate.compiler import compile_sources
from anygate.diagnostics import Report, Severity
from anygate.errors import UsageError
from anygate.model import Model
from anygate.model.inference import AwsCredential, KeyCredential, Provider, TokenCredential
from anygate.model.tls import Opaque
from anygate.runner.environment import Found, read_environment
from anygate.runner.inputs import Inputs
from anygate.runner.ollama import ask_ollama, find_address

OPENAI = {"OPENAI_API_KEY": "secret-openai"}
ANTHROPIC = {"ANTHROPIC_API_KEY": "secret-anthropic"}
AZURE = {"AZURE_OPENAI_API_KEY": "secret-azure", "AZURE_OPENAI_ENDPOINT": "https://me.openai.azure.com/"}
GEMINI = {"GEMINI_API_KEY": "secret-gemini"}
AWS = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "secret-aws", "AWS_REGION": "eu-west-1"}
EVERYTHING = {**OPENAI, **ANTHROPIC, **AZURE, **GEMINI, **AWS}


def read(environment: Mapping[str, str], models: Sequence[str] | None = None) -> Found:
    return read_environment(environment, lambda *_: models)


def objects(environment: Mapping[str, str], models: Sequence[str] | None = None) -> dict[tuple[str, str], Any]:
    found = yaml.safe_load_all(read(environment, models).source.text)
    return {(one["kind"], one["metadata"]["name"]): one for one in found}


def backends_of(environment: Mapping[str, str], model: str, models: Sequence[str] | None = None) -> list[str]:
    """Where a model is sent: the first rule that matches it, and the one without matches after all others."""
    rules = objects(environment, models)["AIGatewayRoute", "anygate"]["spec"]["rules"]
    for rule in sorted(rules, key=lambda rule: "matches" not in rule):
        if "matches" not in rule or any(_takes(match["headers"][0], model) for match in rule["matches"]):
            return [one["name"] for one in rule["backendRefs"]]
    return []


def _takes(header: Mapping[str, str], model: str) -> bool:
    assert header["name"] == "x-ai-eg-model"
    if header["type"] == "Exact":
        return header["value"] == model
    return re.fullmatch(header["value"], model) is not None


def compiled(environment: Mapping[str, str], models: Sequence[str] | None = None) -> Model:
    result = compile_sources([read(environment, models).source])
    found = [str(one) for one in result.diagnostics if one.severity is not Severity.NOTE]
    assert [one for one in found if "no-endpoints" not in one] == []
    return result.model


def providers(environment: Mapping[str, str], models: Sequence[str] | None = None) -> dict[str, Provider]:
    found = (backend.provider for backend in compiled(environment, models).backends)
    return {one.name.removeprefix("default/"): one for one in found if one is not None}


# what becomes of each provider


def test_everything_at_once_compiles_without_a_word() -> None:
    model = compiled(EVERYTHING, ["llama3.2:latest"])
    [listener] = model.gateways[0].listeners
    assert listener.port == 1975
    assert set(providers(EVERYTHING, ["llama3.2:latest"])) == {
        *("ollama", "openai", "azure", "anthropic", "gemini", "bedrock", "bedrock-claude"),
    }


@pytest.mark.parametrize(
    ("environment", "name", "schema", "header", "value"),
    [
        (OPENAI, "openai", "OpenAI", "authorization", b"Bearer secret-openai"),
        (ANTHROPIC, "anthropic", "Anthropic", "x-api-key", b"secret-anthropic"),
        (AZURE, "azure", "AzureOpenAI", "api-key", b"secret-azure"),
        (GEMINI, "gemini", "Gemini", "x-goog-api-key", b"secret-gemini"),
        ({"GOOGLE_API_KEY": "secret-google", **GEMINI}, "gemini", "Gemini", "x-goog-api-key", b"secret-google"),
    ],
)
def test_keys_are_sent_as_each_provider_wants_them(
    environment: Mapping[str, str], name: str, schema: str, header: str, value: bytes
) -> None:
    model = compiled(environment)
    provider = providers(environment)[name]
    assert provider.format == schema
    assert isinstance(provider.credential, KeyCredential)
    assert provider.credential.header == header
    secrets = {one.name: one.value.reveal() for one in model.secrets if isinstance(one, Opaque)}
    assert secrets[provider.credential.secret] == value


def test_azure_by_a_client_of_entra() -> None:
    client = {"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "AZURE_CLIENT_SECRET": "secret-entra"}
    endpoint = {"AZURE_OPENAI_ENDPOINT": AZURE["AZURE_OPENAI_ENDPOINT"]}
    provider = providers({**client, **endpoint, "OPENAI_API_VERSION": "v1"})["azure"]
    assert isinstance(provider.credential, TokenCredential)
    assert provider.version == "v1"


def test_bedrock_by_keys() -> None:
    model = compiled({**AWS, "AWS_SESSION_TOKEN": "secret-session"})
    credential = providers(AWS)["bedrock"].credential
    assert isinstance(credential, AwsCredential)
    assert credential.region == "eu-west-1"
    file = next(one.value.reveal_text() for one in model.secrets if one.name == credential.file)
    assert file.splitlines() == [
        "[default]",
        "aws_access_key_id = AKIA",
        "aws_secret_access_key = secret-aws",
        "aws_session_token = secret-session",
    ]


def test_bedrock_by_what_envoy_finds_itself_or_by_a_key() -> None:
    credential = providers({"AWS_PROFILE": "team", "AWS_DEFAULT_REGION": "us-east-1"})["bedrock"].credential
    assert isinstance(credential, AwsCredential)
    assert (credential.region, credential.file) == ("us-east-1", "")
    found = providers({"AWS_BEARER_TOKEN_BEDROCK": "secret-key", "AWS_REGION": "us-east-1"})
    assert isinstance(found["bedrock"].credential, KeyCredential)


def test_urls_give_host_port_tls_and_prefix() -> None:
    urls = {"OPENAI_BASE_URL": "http://127.0.0.1:8000/api/v1/", "ANTHROPIC_BASE_URL": "https://proxy.example/claude"}
    found = objects({**OPENAI, **ANTHROPIC, **urls, "GOOGLE_GEMINI_BASE_URL": "http://g.example/x", **GEMINI})
    assert found["AIServiceBackend", "openai"]["spec"]["schema"] == {"name": "OpenAI", "prefix": "/api/v1"}
    assert found["AIServiceBackend", "anthropic"]["spec"]["schema"]["prefix"] == "/claude/v1"
    assert found["AIServiceBackend", "gemini"]["spec"]["schema"]["prefix"] == "/x/v1beta"
    assert found["Backend", "openai"]["spec"]["endpoints"] == [{"ip": {"address": "127.0.0.1", "port": 8000}}]
    assert ("BackendTLSPolicy", "openai") not in found
    assert found["BackendTLSPolicy", "anthropic"]["spec"]["validation"] == {
        "hostname": "proxy.example",
        "wellKnownCACertificates": "System",
    }


def test_organisation_and_project_are_sent() -> None:
    provider = providers({**OPENAI, "OPENAI_ORG_ID": "org-1", "OPENAI_PROJECT_ID": "proj-1"})["openai"]
    assert provider.headers is not None
    assert provider.headers.set == (("OpenAI-Organization", "org-1"), ("OpenAI-Project", "proj-1"))


def test_usage_is_counted() -> None:
    costs = objects(OPENAI)["AIGatewayRoute", "anygate"]["spec"]["llmRequestCosts"]
    assert {one["type"] for one in costs} >= {"InputToken", "OutputToken", "TotalToken"}


# which model goes where


@pytest.mark.parametrize(
    ("model", "backends"),
    [
        ("gpt-4o", ["openai", "azure"]),
        ("gpt-5.1-codex", ["openai", "azure"]),
        ("o3-mini", ["openai", "azure"]),
        ("chatgpt-4o-latest", ["openai", "azure"]),
        ("text-embedding-3-small", ["openai", "azure"]),
        ("text-embedding-ada-002", ["openai", "azure"]),
        ("ft:gpt-4o-mini:me::1", ["openai", "azure"]),
        ("whisper-1", ["openai", "azure"]),
        ("claude-sonnet-4-5", ["anthropic"]),
        ("gemini-2.5-flash", ["gemini"]),
        ("text-embedding-004", ["gemini"]),
        ("anthropic.claude-3-5-sonnet-20240620-v1:0", ["bedrock-claude"]),
        ("eu.anthropic.claude-sonnet-4-5-20250929-v1:0", ["bedrock-claude"]),
        ("amazon.nova-pro-v1:0", ["bedrock"]),
        ("us.meta.llama3-3-70b-instruct-v1:0", ["bedrock"]),
        ("openai.gpt-oss-120b-1:0", ["bedrock"]),
        ("arn:aws:bedrock:eu-west-1:1:inference-profile/x", ["bedrock"]),
        ("llama3.2", ["ollama"]),
        ("llama3.2:latest", ["ollama"]),
        ("gpt-oss:20b", ["ollama"]),
        ("mistral-large", []),
        ("", []),
    ],
)
def test_models_go_to_the_provider_that_has_them(model: str, backends: list[str]) -> None:
    assert backends_of(EVERYTHING, model, ["llama3.2:latest", "gpt-oss:20b"]) == backends


@pytest.mark.parametrize("environment", [OPENAI, ANTHROPIC, AZURE, GEMINI])
def test_a_single_provider_gets_every_model(environment: Mapping[str, str]) -> None:
    assert len(backends_of(environment, "any-name")) == 1
    compiled(environment)


def test_a_single_ollama_gets_every_model_and_lists_its_own() -> None:
    assert backends_of({}, "any-name", ["llama3.2:latest"]) == ["ollama"]
    rules = objects({}, ["llama3.2:latest"])["AIGatewayRoute", "anygate"]["spec"]["rules"]
    assert [rule["name"] for rule in rules] == ["ollama", "any"]
    assert compiled({}, ["llama3.2:latest"])
    assert compiled({}, [])


def test_bedrock_alone_tells_its_two_apis_apart() -> None:
    assert backends_of(AWS, "eu.anthropic.claude-x") == ["bedrock-claude"]
    assert backends_of(AWS, "my-own-import") == ["bedrock"]


def test_a_server_of_ones_own_may_have_any_model() -> None:
    environment = {**OPENAI, **ANTHROPIC, "OPENAI_BASE_URL": "http://localhost:8000/v1"}
    assert backends_of(environment, "Qwen/Qwen3-8B") == ["openai"]
    assert backends_of(environment, "claude-opus-4-1") == ["anthropic"]


def test_openai_and_azure_take_over_from_each_other() -> None:
    found = read({**OPENAI, **AZURE})
    assert "models of OpenAI go to OpenAI, and to Azure when it fails" in found.notes
    assert backends_of({**OPENAI, **AZURE}, "my-deployment") == ["openai", "azure"]
    rules = objects({**OPENAI, **AZURE})["AIGatewayRoute", "anygate"]["spec"]["rules"]
    assert rules[-1]["backendRefs"][1] == {"name": "azure", "priority": 1}


def test_an_ollama_that_openais_variables_name_is_not_served_twice() -> None:
    environment = {**OPENAI, "OPENAI_BASE_URL": "http://localhost:11434/v1"}
    assert ("Backend", "ollama") not in objects(environment, ["llama3.2:latest"])


# nothing, or nothing that makes sense


def test_nothing_set_names_the_variables() -> None:
    with pytest.raises(UsageError, match="name a file or folder to run") as caught:
        read({"OPENAI_API_KEY": " ", "HOME": "/"})
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "AZURE_OPENAI_ENDPOINT", "GEMINI_API_KEY", "AWS_REGION"):
        assert name in str(caught.value)


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"AWS_PROFILE": "x"}, "Amazon Bedrock is left out: AWS_REGION is not set"),
        ({"AZURE_OPENAI_API_KEY": "x"}, "Azure is left out: AZURE_OPENAI_ENDPOINT is not set"),
        ({"AZURE_OPENAI_ENDPOINT": "https://x.example"}, "Azure is left out: AZURE_OPENAI_API_KEY is not set"),
    ],
)
def test_what_is_left_out_is_said(environment: Mapping[str, str], words: str) -> None:
    assert words in read({**environment, **OPENAI}).notes
    with pytest.raises(UsageError, match=re.escape(words)):
        read(environment)


@pytest.mark.parametrize(
    "url", ["", "x", "ftp://x", "http://", "http://x:y", "http://u:hunter2@x", "http://x/?k=hunter2", "https://1.2.3.4"]
)
def test_a_url_that_makes_no_sense_is_not_repeated(url: str) -> None:
    if not url:
        assert read({**OPENAI, "OPENAI_BASE_URL": url})
        return
    with pytest.raises(UsageError, match=r"^OPENAI_BASE_URL: ") as caught:
        read({**OPENAI, "OPENAI_BASE_URL": url})
    assert "hunter2" not in str(caught.value)


def test_a_key_that_no_header_takes_is_not_repeated() -> None:
    with pytest.raises(UsageError, match=r"^OPENAI_API_KEY: ") as caught:
        read({"OPENAI_API_KEY": "hunter2\nx"})
    assert "hunter2" not in str(caught.value)


# secrets


def test_no_secret_is_shown() -> None:
    found = read({**EVERYTHING, "AWS_SESSION_TOKEN": "secret-session"})
    assert found.source.text.count("secret-") == 6
    assert "secret-" not in found.shown + str(found.notes)
    assert "put-your-key-here" in found.shown
    result = compile_sources([found.source])
    assert "secret-" not in repr(result.model) + repr(result.snapshot) + str(result.diagnostics)


def test_what_is_shown_is_good_to_start_from() -> None:
    one = read(EVERYTHING, ["a"])
    kinds = [[found["kind"] for found in yaml.safe_load_all(text)] for text in (one.shown, one.source.text)]
    assert kinds[0] == kinds[1]


def test_a_run_reads_what_was_made() -> None:
    source = read(OPENAI).source
    report = Report()
    assert Inputs((), None, [source]).load(report) == (source,)
    assert report.diagnostics == ()


NAMES = (*EVERYTHING, "OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "AWS_PROFILE", "AZURE_TENANT_ID", "OLLAMA_HOST")
TEXTS = st.text(max_size=30) | st.text(alphabet="htps:/[].@0123456789a?#%", max_size=30)


@given(st.dictionaries(st.sampled_from(NAMES), TEXTS), st.none() | st.lists(st.text(max_size=9), max_size=3))
def test_any_environment_makes_manifests_or_a_usage_error(
    environment: dict[str, str], models: list[str] | None
) -> None:
    with suppress(UsageError):
        found = read(environment, models)
        assert len(list(yaml.safe_load_all(found.source.text))) >= 5


# Ollama


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("", ("127.0.0.1", 11434)),
        ("0.0.0.0", ("127.0.0.1", 11434)),
        ("0.0.0.0:8080", ("127.0.0.1", 8080)),
        ("http://box.example:80", ("box.example", 80)),
        ("box.example", ("box.example", 11434)),
        ("[::1]:5", ("::1", 5)),
        ("x:y", ("127.0.0.1", 11434)),
    ],
)
def test_where_ollama_is(text: str, address: tuple[str, int]) -> None:
    assert find_address({"OLLAMA_HOST": text}) == address


def test_an_ollama_that_is_not_there() -> None:
    assert ask_ollama("127.0.0.1", 1) is None
