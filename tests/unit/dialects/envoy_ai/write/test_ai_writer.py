"""Rules for models read back after they were written: the same model, or exactly the losses that are named."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

import msgspec
import pytest
import yaml

import anygate.dialects.envoy_ai.write.findings as findings
from anygate.compiler import read_sources
from anygate.diagnostics import Report, Rule, Severity, SourceFile
from anygate.dialects.envoy_ai.write.routes import AiRoutes
from anygate.dialects.gateway_api.write import Options, Written, render_stream, write_model
from anygate.diff import diff_models
from anygate.diff.answer import Difference
from anygate.model import Model
from anygate.model.edit import HeaderEdit
from anygate.model.inference import BodyEdit, CredentialOverride, Langfuse, Otel, Provider

ROOT = Path(__file__).parents[5]
EXAMPLES, GOLDEN = ROOT / "examples", ROOT / "tests" / "golden"
KEY = "sk-very-secret"

NATIVE = [
    "budgets-of-tokens-hold-for-each-user",
    "edits-of-headers-and-bodies-are-merged",
    "every-credential-reaches-its-backend",
    "failover-crosses-formats",
    "models-are-listed-by-host",
    "models-are-shared-out-fail-over-and-are-renamed",
    "older-shapes-are-read-as-the-newest",
    "policies-of-the-route-hold-for-every-endpoint",
]


class Converted(NamedTuple):
    """What a conversion made, as text and read back, beside what it was made of."""

    before: Model
    after: Model
    written: Written
    text: str

    @property
    def differences(self) -> tuple[Difference, ...]:
        return diff_models(self.before, self.after).entries

    @property
    def lost(self) -> set[str]:
        return {one.rule.id for one in self.written.losses}


def read(texts: Sequence[str]) -> Model:
    return read_sources([SourceFile(f"{at}.yaml", text) for at, text in enumerate(texts)], Report()).model


def convert(*texts: str, keys: str = "") -> Converted:
    """Convert manifests; their Secrets are there afterwards, and `keys` what people have made."""
    model = read(texts)
    written = write_model(model, Options(exact=True), AiRoutes())
    text = render_stream(written)
    secrets = [one for each in texts for one in yaml.safe_load_all(each) if one and one["kind"] == "Secret"]
    return Converted(model, read([text, yaml.safe_dump_all(secrets), keys]), written, text)


def example(name: str) -> list[str]:
    path = EXAMPLES / name
    return [one.read_text() for one in (sorted(path.rglob("*.yaml")) if path.is_dir() else [path])]


def golden(dialect: str, name: str) -> list[str]:
    """A case with the objects that all cases share, as the golden tests compile it."""
    own = (GOLDEN / dialect / name / "in.yaml").read_text()
    names = {(one["kind"], one["metadata"]["name"]) for one in yaml.safe_load_all(own) if one}
    shared = yaml.safe_load_all((GOLDEN / dialect / "_defaults.yaml").read_text())
    kept = [one for one in shared if one and (one["kind"], one["metadata"]["name"]) not in names]
    return [own, yaml.safe_dump_all(kept)]


@pytest.mark.parametrize(
    "name", ["ai", "ai-failover.yaml", "ai-quickstart.yaml", "ai-self-hosted.yaml", "ai-token-budget.yaml"]
)
def test_an_example_is_the_same_afterwards(name: str) -> None:
    made = convert(*example(name))
    assert made.differences == ()
    assert made.lost <= {findings.MODEL_OURS.id}


@pytest.mark.parametrize("name", NATIVE)
def test_a_case_is_the_same_afterwards(name: str) -> None:
    made = convert(*golden("envoy_ai", name))
    assert made.differences == ()
    assert made.lost == set()


def test_it_is_the_same_when_it_is_converted_again() -> None:
    once = convert(*example("ai"))
    secrets = yaml.safe_dump_all(
        one for text in example("ai") for one in yaml.safe_load_all(text) if one["kind"] == "Secret"
    )
    again = write_model(read([once.text, secrets]), Options(exact=True), AiRoutes())
    assert [one.value for one in again.documents] == [one.value for one in once.written.documents]


def test_gateways_hosts_and_namespaces_are_kept() -> None:
    made = convert((Path(__file__).parent / "wide.yaml").read_text())
    assert made.differences == ()
    assert made.lost == set()
    assert [one.name for one in made.written.documents if one.kind == "AIGatewayRoute"] == ["another", "chat"]


def test_quotas_of_backends_are_named_and_left_out() -> None:
    made = convert(*golden("envoy_ai", "quotas-leave-out-backends"))
    assert findings.MODEL_ROUTING.id in made.lost
    assert {aspect.name for one in made.differences for aspect in one.aspects} == {"rate limit"}


def test_a_forward_proxy_is_named() -> None:
    made = convert(*golden("envoy_ai", "providers-are-reached-through-a-forward-proxy"))
    assert findings.MODEL_CREDENTIAL.id in made.lost


ROUTE = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web}
spec: {gatewayClassName: nantian, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: ClientTrafficPolicy
metadata: {name: web}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: web}]
  connection: {bufferLimit: 50Mi}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: chat}
spec:
  parentRefs: [{name: web}]
  rules:
  - matches: [{path: {value: /v1}}]
    backendRefs: [REFS]
"""
SERVICE = """
apiVersion: gateway.nantian.dev/v1alpha1
kind: AIService
metadata: {name: NAME}
spec: {provider: PROVIDER, model: MODEL, auth: {secret: key}MORE}
"""
SECRET = f"""
apiVersion: v1
kind: Secret
metadata: {{name: key}}
stringData: {{token: {KEY}}}
"""


def service(name: str, provider: str, model: str, more: str = "") -> str:
    spoken = SERVICE.replace("NAME", name).replace("PROVIDER", provider)
    return spoken.replace("MODEL", model).replace("MORE", f", {more}" if more else "")


def route(*names: str) -> str:
    return ROUTE.replace("REFS", ", ".join(f"{{group: gateway.nantian.dev, kind: AIService, {one}}}" for one in names))


def made_keys(written: Written) -> str:
    """The Secrets that the report asks people for."""
    found = []
    for errand in written.errands:
        if errand.object.startswith("Secret/") and "--from-literal=" in errand.text:
            _, namespace, name = errand.object.split("/")
            key = errand.text.partition("--from-literal=")[2].partition("=")[0]
            value = f"Bearer {KEY}" if key == "credential" else KEY
            metadata = {"name": name, "namespace": namespace}
            found.append({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {key: value}})
    return yaml.safe_dump_all(found)


def convert_services(*texts: str) -> Converted:
    keys = made_keys(write_model(read(texts), Options(exact=True), AiRoutes()))
    return convert(*texts, keys=keys)


def test_a_service_is_the_same_but_for_what_is_named() -> None:
    made = convert_services(route("name: gpt"), service("gpt", "openai", "gpt-4o", "retry: {maxRetries: 2}"), SECRET)
    asked = [one for one in made.differences if "-X POST" in one.request and "/v1/chat" in one.request]
    found = {(aspect.name, aspect.new) for one in asked for aspect in one.aspects}
    assert {one for one in found if one[0] != "body"} == {("timeouts whole", "none")}
    messages = {one.message for one in made.written.losses}
    assert "what no provider serves is refused in other words" in messages
    assert "what a limit on the whole exchange bounds is the implementation's" in messages
    assert all(one.rule.severity is not Severity.ERROR for one in made.written.losses)


def test_no_key_is_ever_written() -> None:
    made = convert_services(route("name: gpt"), service("gpt", "openai", "gpt-4o"), SECRET)
    told = [made.text, *(one.text for one in made.written.errands), *(one.message for one in made.written.losses)]
    assert KEY not in "".join(told)


def test_shares_keep_their_weights_and_stand_in_for_each_other() -> None:
    services = service("gpt", "openai", "gpt-4o"), service("claude", "anthropic", "claude-sonnet-4-5")
    made = convert_services(route("name: gpt, weight: 3", "name: claude"), *services, SECRET)
    rules = next(one for one in made.written.documents if one.kind == "AIGatewayRoute").body["spec"]["rules"]
    told = [(one["name"], one.get("weight", 1), one.get("priority", 0)) for one in rules[0]["backendRefs"]]
    assert told == [("gpt", 3, 0), ("claude", 1, 0), ("claude", 1, 1)]
    assert findings.MODEL_SETTING.id in made.lost


def test_tries_of_a_service_are_tries_before_the_next() -> None:
    services = service("gpt", "openai", "gpt-4o", "retry: {maxRetries: 2}"), service("claude", "anthropic", "c")
    made = convert_services(route("name: gpt, weight: 3", "name: claude"), *services, SECRET)
    policy = next(one for one in made.written.documents if one.kind == "BackendTrafficPolicy")
    assert policy.body["spec"]["retry"]["numAttemptsPerPriority"] == 3
    assert policy.body["spec"]["retry"]["numRetries"] == 3


def test_limits_of_tokens_are_charged_with_costs_of_the_route() -> None:
    limit = """
    apiVersion: gateway.nantian.dev/v1alpha1
    kind: TokenPolicy
    metadata: {name: quota}
    spec:
      targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: chat}]
      tokensPerMinute: 100
      scope: route
    """
    made = convert_services(route("name: gpt"), service("gpt", "openai", "gpt-4o"), SECRET, limit)
    documents = {one.kind: one.body["spec"] for one in made.written.documents if one.name.startswith("chat")}
    assert documents["AIGatewayRoute"]["llmRequestCosts"] == [{"metadataKey": "llm_total_token", "type": "TotalToken"}]
    assert "llm_total_token" in str(
        next(one for one in made.written.documents if one.kind == "BackendTrafficPolicy").body
    )
    assert "what a client that hangs up has used is not estimated, and not charged" in {
        one.message for one in made.written.losses
    }


def test_a_plain_route_that_takes_all_of_a_host_still_does() -> None:
    plain = """\
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {name: shop}
    spec:
      parentRefs: [{name: ai}]
      hostnames: [shop.example.com]
      rules: [{backendRefs: [{name: shop, port: 80}]}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop}
    spec: {ports: [{port: 80}]}
    """
    assert convert(*example("ai"), dedent(plain)).differences == ()


OTHER = {
    "format": "Cohere",
    "version": "v9",
    "prefix": "other",
    "model": "other",
    "region": "other",
    "project": "other",
    "credential": None,
    "override": CredentialOverride(header="x-own"),
    "headers": HeaderEdit(set=(("x-own", "1"),)),
    "body": BodyEdit(remove=("own",)),
    "chat_only": True,
    "legacy_max_tokens": True,
    "forward_proxy": "proxy:3128",
    "passes_credentials": True,
    "otel": Otel(endpoint="http://otel:4317", service="s"),
    "langfuse": Langfuse(host="https://langfuse.example.com"),
    "path": "/own/chat/completions",
}


@pytest.mark.parametrize("field", [one for one in Provider.__struct_fields__ if one not in ("origin", "name")])
def test_a_field_of_a_provider_is_written_or_named(field: str) -> None:
    model = read(golden("envoy_ai", "every-credential-reaches-its-backend"))
    backends = tuple(
        msgspec.structs.replace(one, provider=msgspec.structs.replace(one.provider, **{field: OTHER[field]}))
        if one.provider
        else one
        for one in model.backends
    )
    assert told_of(msgspec.structs.replace(model, backends=backends)) != told_of(model)


def told_of(model: Model) -> tuple[object, ...]:
    written = write_model(model, Options(exact=True), AiRoutes())
    return [one.value for one in written.documents], {(one.rule.id, one.message) for one in written.losses}


RULES = [
    findings.MODEL_ROUTING,
    findings.MODEL_PATHS,
    findings.MODEL_CREDENTIAL,
    findings.MODEL_SETTING,
    findings.MODEL_OURS,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_an_example_loses_what_its_rule_says(rule: Rule) -> None:
    assert rule.id in convert(rule.wrong).lost
    assert rule.id not in convert(rule.right).lost
