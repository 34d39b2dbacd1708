"""gateway.yaml, ai_gateway.yaml and ai_gateway_external.yaml."""

import pytest
from stacks import diagnose, find, make, read_objects, rules

from anygate.dialects.apisix.links import Options

AI = (
    "domain: lab.example.org\napisix:\n  ai_gateways:\n  - {{name: llm, subdomain: llm{}}}\n"
    "components:\n- {{name: qwen, type: vllm, namespace: ai, models: [{{name: small}}, large]}}\nlinks:\n{}"
)
DOOR = (
    "domain: lab.example.org\napisix:\n  gateways:\n  - {{name: api, subdomain: api{}}}\n"
    "components:\n- {{name: a, type: external_source_code}}\n"
    "- {{name: b, type: external_source_code, port: 81{}}}\nlinks:\n{}"
)
PROXY = Options(ai_mode="ai-proxy")
VLLM = "- {link: ai_gateway-vllm, to: qwen}\n"
SMALL = "- {link: ai_gateway-model, to: qwen/small}\n"
OPENAI = "- {{link: ai_gateway-external_ai, to: openai, ai_endpoint: api.openai.com{}}}\n"


def ai(*links: str, gateway: str = "") -> str:
    return AI.format(gateway, "".join(links))


def door(*links: str, gateway: str = "", component: str = "") -> str:
    return DOOR.format(
        gateway, component, "".join(f"- {{link: gateway-external_source_code, {one}}}\n" for one in links)
    )


def names(made, file: str) -> list[str]:
    return [one["metadata"]["name"] for one in read_objects(made.routes[file])]


def entries(made, file: str, name: str) -> dict:
    [rule] = find(made, file, "ApisixRoute", f"{name}-route")["http"]
    return {one["name"]: one for one in rule.get("plugins", [])}


def test_a_gateway_and_its_backends() -> None:
    made = make(door("to: b, weight: 0", "to: a, port: 82"))
    assert list(made.routes) == ["gateway.yaml", "kustomization.yaml"]
    spec = find(made, "gateway.yaml", "ApisixUpstream", "api-upstream")
    assert [(one["name"][0], one["port"], one["weight"]) for one in spec["externalNodes"]] == [
        ("a", 82, 50),
        ("b", 81, 0),
    ]
    assert names(made, "gateway.yaml") == ["api-upstream", "api-route", "api-tls"]


def test_a_gateway_takes_attributes() -> None:
    gateway = ", cors: true, paths: [/x], websocket: 1, apisix_timeout: {read: 5}, additional_domain: [a.b.c secret=d]"
    made = make(door("to: a", gateway=gateway))
    [rule] = find(made, "gateway.yaml", "ApisixRoute", "api-route")["http"]
    assert rule["match"] == {"hosts": ["api.lab.example.org", "a.b.c"], "paths": ["/x"]}
    assert rule["websocket"] is True
    assert names(made, "gateway.yaml")[-1] == "api-tls-1"
    assert rules(door("to: a", gateway=", route_all: true")) == ["unknown-field"]


def test_gateway_mistakes() -> None:
    assert rules(door()) == ["gateway-empty"]
    assert rules(door("to: a, weight: 0", "to: b, weight: 0")) == ["weight"]
    assert rules(door("to: a, weight: 1001")) == ["weight"]
    assert rules(door("to: a", "to: a")) == ["duplicate-link"]
    assert rules(door("to: a", "to: b", component=", scheme: https")) == ["gateway-scheme"]
    assert rules(door("weight: 1")) == ["ambiguous-target"]
    assert rules(door("from: apy, to: a")) == ["unknown-component"]
    assert rules(door("to: a, cors: true")) == ["unknown-field"]
    assert rules(door("to: a").replace("subdomain: api", "cors: no")) == ["subdomain"]


def test_weights_add_up() -> None:
    made = make(ai(VLLM, SMALL, "- {link: ai_gateway-model, to: large, path: /v2/*}\n"))
    assert names(made, "ai_gateway.yaml") == [
        *("llm-1-upstream", "llm-1-route", "llm-1-tls"),
        *("llm-2-upstream", "llm-2-route", "llm-2-tls"),
    ]
    spec = find(made, "ai_gateway.yaml", "ApisixUpstream", "llm-1-upstream")
    assert [(one["name"], one["weight"]) for one in spec["externalNodes"]] == [
        ("qwen-router-service.ai.svc.cluster.local", 50),
        ("small.ai.svc.cluster.local", 50),
    ]
    assert find(made, "ai_gateway.yaml", "ApisixRoute", "llm-2-route")["http"][0]["match"]["paths"] == ["/v2/*"]


@pytest.mark.parametrize(
    ("provider", "headers"),
    [
        ("openai", {"Authorization": "Bearer k"}),
        ("azure_openai", {"api-key": "k"}),
        ("anthropic", {"x-api-key": "k", "anthropic-version": "2023-06-01"}),
    ],
)
def test_credentials_of_providers(provider: str, headers: dict[str, str]) -> None:
    text = ai(OPENAI.format(f", ai_provider: {provider}, ai_provider_api_key: {{env: KEY}}"))
    made = make(text, environment={"KEY": " k\n"})
    assert list(made.routes) == ["ai_gateway_external.yaml", "kustomization.yaml"]
    plugin = entries(made, "ai_gateway_external.yaml", "llm-openai")["proxy-rewrite"]
    assert plugin == {"name": "proxy-rewrite", "enable": True, "config": {"headers": {"set": headers}}}
    assert [one.rule for one in diagnose(text)] == ["stack-environment"]


def test_a_secret_of_a_provider() -> None:
    made = make(ai(OPENAI.format(", ai_provider: anthropic, ai_provider_api_key: {secret: s}")))
    plugin = entries(made, "ai_gateway_external.yaml", "llm-openai")["proxy-rewrite"]
    assert plugin["secretRef"] == "s"
    assert plugin["config"]["headers"]["set"] == {"X-Forwarded-Proto": "https", "anthropic-version": "2023-06-01"}


def test_endpoints() -> None:
    made = make(ai(OPENAI.format("").replace("api.openai.com", "'llm.example:8443'")))
    spec = find(made, "ai_gateway_external.yaml", "ApisixUpstream", "llm-openai-upstream")
    assert spec == {
        "ingressClassName": "apisix",
        "scheme": "https",
        "passHost": "node",
        "externalNodes": [{"type": "Domain", "name": "llm.example", "port": 8443}],
    }
    for wrong in ("https://api.openai.com", "api.openai.com/v1", "a:0", "a:x", "'*.a'", "a b"):
        assert rules(ai(OPENAI.format("").replace("api.openai.com", wrong))) == ["ai-endpoint"], wrong
    assert rules(ai(OPENAI.format("").replace(", ai_endpoint: api.openai.com", ""))) == ["ai-endpoint"]


def test_the_consumer_is_written_once() -> None:
    key = ", api_key: {secret: k}"
    made = make(ai(VLLM, OPENAI.format(", subdomain: o"), gateway=key))
    assert names(made, "ai_gateway.yaml")[0] == "llm-consumer"
    assert "llm-consumer" not in names(made, "ai_gateway_external.yaml")
    assert "key-auth" in entries(made, "ai_gateway_external.yaml", "llm-openai")
    assert names(make(ai(OPENAI.format(""), gateway=key)), "ai_gateway_external.yaml")[0] == "llm-consumer"


def test_prompts() -> None:
    link = VLLM.replace("to: qwen", "to: qwen, prompt_decorator: [{role: system, content: be kind}], allow_patterns: |")
    text = ai(
        "- link: ai_gateway-vllm\n  to: qwen\n  prompt_decorator: |\n    append:\n    - {role: user, content: hi}\n"
    )
    config = entries(make(text), "ai_gateway.yaml", "llm-1")["ai-prompt-decorator"]["config"]
    assert config == {"append": [{"role": "user", "content": "hi"}]}
    text = ai(link.replace(", allow_patterns: |", ", allow_patterns: ['#a', 'b+']"))
    found = entries(make(text), "ai_gateway.yaml", "llm-1")
    assert found["ai-prompt-decorator"]["config"] == {"prepend": [{"role": "system", "content": "be kind"}]}
    assert found["ai-prompt-guard"]["config"] == {"allow_patterns": ["#a", "b+"]}
    for wrong in (
        "prompt_decorator: x",
        "prompt_decorator: [{role: x, content: y}]",
        "prompt_decorator: [{role: user}]",
    ):
        assert len(diagnose(ai(VLLM.replace("to: qwen", f"to: qwen, {wrong}")))) == 1


def test_patterns() -> None:
    for pattern, wrong in (("(a", 1), ("a)", 1), ("[a", 1), ("*a", 1), (r"\p{L}+", 0), ("(?<!a)b", 0), ("[[a]", 0)):
        text = ai(f"- link: ai_gateway-vllm\n  to: qwen\n  deny_patterns: |\n    fine\n    {pattern}\n")
        found = [one for one in diagnose(text) if one.rule == "stack-regex"]
        assert len(found) == wrong, pattern
        assert not found or (found[0].span is not None and found[0].span.line == 12)


def test_ai_mistakes() -> None:
    assert rules(ai()) == ["gateway-empty"]
    assert rules(ai(VLLM, OPENAI.format(""))) == ["ai-conflict"]
    assert rules(ai(OPENAI.format(""), OPENAI.format("").replace("to: openai", "to: other"))) == ["ai-conflict"]
    assert rules(ai(VLLM, SMALL.replace("small", "small, deny_patterns: x"))) == ["ai-merge"]
    assert rules(ai(VLLM, VLLM)) == ["duplicate-link"]
    assert rules(ai(VLLM.replace("qwen", "qwen, weight: 0"))) == ["weight"]
    assert rules(ai("- {link: ai_gateway-model}\n")) == ["ambiguous-target"]
    assert rules(ai(SMALL.replace("small", "smal"))) == ["unknown-component"]
    assert rules(ai(VLLM).replace("subdomain: llm", "cors: no")) == ["subdomain"]
    assert rules(ai(VLLM.replace("qwen", "qwen, subdomain: x")).replace("subdomain: llm", "cors: no")) == []
    assert rules(ai(VLLM.replace("qwen", "qwen, path: v1"))) == ["invalid-value"]
    assert rules(ai(VLLM.replace("qwen", "qwen, ai_rate_limit: {limit: 5}"))) == ["ai-limit-inert", "missing-field"]
    assert rules(ai(VLLM.replace("qwen", "qwen, ai_model: x"))) == ["attribute-unused"]
    assert rules(ai(OPENAI.format("").replace("to: openai, ", ""))) == ["missing-field"]


def test_ai_proxy() -> None:
    key = ", ai_model: gpt-4o, ai_provider_api_key: {secret: s}, subdomain: o"
    made = make(ai(VLLM.replace("qwen", "qwen, ai_rate_limit: {limit: 5, time_window: 1m}"), OPENAI.format(key)), PROXY)
    plugin = entries(made, "ai_gateway_external.yaml", "llm-openai")["ai-proxy"]
    assert plugin["secretRef"] == "s"
    assert plugin["config"] == {
        "provider": "openai",
        "auth": {"header": {}},
        "options": {"model": "gpt-4o"},
        "override": {"endpoint": "https://api.openai.com"},
    }
    found = entries(made, "ai_gateway.yaml", "llm-1")
    assert list(found) == ["ai-proxy", "ai-rate-limiting"]
    assert found["ai-proxy"]["config"]["provider"] == "openai-compatible"
    assert found["ai-proxy"]["config"]["override"] == {"endpoint": "http://qwen-router-service.ai.svc.cluster.local"}


def test_ai_proxy_chooses_between_all() -> None:
    text = ai(VLLM, OPENAI.format(", weight: 10, ai_provider_api_key: {env: KEY}"))
    made = make(text, PROXY, {"KEY": "k"})
    instances = entries(made, "ai_gateway.yaml", "llm-1")["ai-proxy-multi"]["config"]["instances"]
    assert [(one["name"], one["weight"], one["provider"]) for one in instances] == [
        ("openai", 10, "openai"),
        ("qwen", 50, "openai-compatible"),
    ]
    assert instances[0]["auth"] == {"header": {"Authorization": "Bearer k"}}
    wrong = ai(VLLM, OPENAI.format(", ai_provider_api_key: {secret: s}"))
    assert rules(wrong, PROXY) == ["invalid-value"]


def test_keys_are_different() -> None:
    text = door("to: a, from: api", gateway=", api_key: one").replace(
        "components:",
        "  ai_gateways: [{name: llm, subdomain: llm, api_key: one}]\ncomponents:\n- {name: q, type: vllm}",
    )
    found = rules(text + "- {link: ai_gateway-vllm}\n")
    assert found == ["inline-secret", "duplicate-api-key", "inline-secret"]
