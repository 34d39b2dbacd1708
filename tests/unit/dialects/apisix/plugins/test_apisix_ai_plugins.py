"""Each AI plugin: what its configuration makes of a rule and of backends, and what it says."""

import json
from datetime import timedelta
from typing import Any

import pytest

from anygate.compiler import read_sources
from anygate.diagnostics import Report, SourceFile
from anygate.model.backend import Backend
from anygate.model.edit import Respond
from anygate.model.inference import (
    AwsCredential,
    GcpToken,
    KeyCredential,
    Provider,
    QueryCredential,
    TokenCredential,
    sets_members,
)
from anygate.model.limits import Expression, LimitRule
from anygate.model.prompts import PromptMessage, PromptPart, Prompts
from anygate.model.root import Model
from anygate.model.route import Forward, HttpRule
from anygate.model.tls import Opaque

TEXT = """
apiVersion: apisix.apache.org/v2
kind: ApisixRoute
metadata: {{name: one}}
spec:
  http:
  - name: one
    match: {{paths: [{path}]}}
    plugins: [{plugins}]
"""
KEY = "auth: {header: {Authorization: Bearer sk-hidden}}"


def read(*plugins: tuple[str, str], path: str = "/v1/*") -> tuple[Model, Report]:
    report = Report()
    entries = ", ".join(f"{{name: {name}, config: {config}}}" for name, config in plugins)
    return read_sources([SourceFile("in.yaml", TEXT.format(path=path, plugins=entries))], report).model, report


def rules_of(model: Model) -> list[HttpRule]:
    servers = [server for gate in model.gateways for listener in gate.listeners for server in listener.servers]
    return [rule for server in servers for route in server.routes for rule in route.rules if route.name != "~"]


def by_endpoint(model: Model) -> dict[str, HttpRule]:
    return {rule.inference.endpoint: rule for rule in rules_of(model) if rule.inference is not None}


def backends_of(model: Model, rule: HttpRule) -> list[Backend]:
    known = {one.name: one for one in model.backends}
    assert isinstance(rule.action, Forward), rule.action
    return [known[target.backend] for target in rule.action.targets]


def provider_of(model: Model, endpoint: str = "chat") -> Provider:
    (backend,) = backends_of(model, by_endpoint(model)[endpoint])
    assert backend.provider is not None
    return backend.provider


def proxy(provider: str, more: str = "", auth: str = KEY, path: str = "/v1/*") -> tuple[Model, Report]:
    return read(("ai-proxy", f"{{provider: {provider}, {auth}{', ' if more else ''}{more}}}"), path=path)


def prompts_of(*plugins: tuple[str, str]) -> Prompts:
    model, report = read(("ai-proxy", f"{{provider: openai, {KEY}}}"), *plugins)
    assert [one.rule for one in report.diagnostics] == []
    prompts = by_endpoint(model)["chat"].prompts
    assert prompts is not None
    return prompts


@pytest.mark.parametrize(
    ("written", "host", "path"),
    [
        ("openai", "api.openai.com", ""),
        ("deepseek", "api.deepseek.com", "/chat/completions"),
        ("anthropic", "api.anthropic.com", ""),
        ("gemini", "generativelanguage.googleapis.com", "/v1beta/openai/chat/completions"),
        ("openrouter", "openrouter.ai", "/api/v1/chat/completions"),
        ("aimlapi", "api.aimlapi.com", "/chat/completions"),
        ("openai-compatible, override: {endpoint: http://vllm.ai:8000}", "vllm.ai", ""),
        ("openai-compatible, override: {endpoint: 'https://a.example/x/chat?b=c'}", "a.example", "/x/chat?b=c"),
        (
            "azure-openai, override: {endpoint: 'https://a.example/openai/deployments/d/chat/completions?api-version=1'}",
            "a.example",
            "/openai/deployments/d/chat/completions?api-version=1",
        ),
        (
            "vertex-ai, provider_conf: {project_id: p, region: r}",
            "r-aiplatform.googleapis.com",
            "/v1beta1/projects/p/locations/r/endpoints/openapi/chat/completions",
        ),
    ],
)
def test_a_provider_is_reached_where_apisix_reaches_it(written: str, host: str, path: str) -> None:
    model, report = proxy(written)
    (backend,) = backends_of(model, by_endpoint(model)["chat"])
    assert backend.groups[0].endpoints[0].host == host
    assert provider_of(model).path == path
    assert provider_of(model).format == "OpenAI"
    assert [one.rule for one in report.diagnostics] == []


def test_rules_are_split_by_endpoint_and_the_rest_is_refused() -> None:
    model, _ = proxy("openai")
    assert list(by_endpoint(model)) == ["chat", "responses", "embeddings", "messages"]
    rest = rules_of(model)[-1]
    assert isinstance(rest.action, Respond)
    assert rest.action.status == 400


def test_a_path_that_is_written_out_is_one_of_chats() -> None:
    model, _ = proxy("openai", path="/anything")
    rules = by_endpoint(model)
    assert list(rules) == ["chat"]
    assert [match.path.value for match in rules["chat"].matches if match.path] == ["/anything"]


def test_messages_go_to_anthropic_as_they_are_and_chats_too() -> None:
    model, _ = proxy("anthropic")
    assert provider_of(model, "messages").format == "Anthropic"
    assert provider_of(model, "chat").format == "OpenAI"
    targets = [rule.action for rule in by_endpoint(model).values()]
    assert not any(target.translated for one in targets if isinstance(one, Forward) for target in one.targets)


def test_what_a_provider_does_not_speak_is_refused() -> None:
    model, _ = proxy("anthropic")
    answer = by_endpoint(model)["embeddings"].action
    assert isinstance(answer, Respond)
    assert "does not support openai-embeddings" in answer.body


def test_options_are_members_of_every_body_without_a_way_through_python() -> None:
    model, _ = proxy("openai", "options: {model: gpt-x, temperature: 0.5}")
    provider = provider_of(model)
    assert provider.model == "gpt-x"
    assert provider.body is not None
    assert dict(provider.body.set) == {"model": '"gpt-x"', "temperature": "0.5"}
    assert sets_members(provider.body)
    action = by_endpoint(model)["chat"].action
    assert isinstance(action, Forward)
    assert not action.targets[0].translated


@pytest.mark.parametrize(
    ("provider", "endpoint", "member"),
    [
        ("openai", "chat", "max_completion_tokens"),
        ("openai", "responses", "max_output_tokens"),
        ("deepseek", "chat", "max_tokens"),
        ("anthropic", "messages", "max_tokens"),
    ],
)
def test_the_most_tokens_are_called_as_the_api_calls_them(provider: str, endpoint: str, member: str) -> None:
    model, _ = proxy(provider, "override: {llm_options: {max_tokens: 9}}")
    body = provider_of(model, endpoint).body
    assert body is not None
    assert dict(body.set) == {member: "9"}


def test_bodies_are_overridden_only_by_force() -> None:
    forced = "override: {request_body: {openai-chat: {a: {b: 1}}}, request_body_force_override: true}"
    body = provider_of(proxy("openai", forced)[0]).body
    assert body is not None
    assert body.set == (("a.b", "1"),)
    _, report = proxy("openai", "override: {request_body: {openai-chat: {a: 1}}}")
    assert {one.rule for one in report.diagnostics} == {"apisix-not-honoured"}


@pytest.mark.parametrize(
    ("auth", "kind", "secret"),
    [
        ("{header: {api-key: sk, anthropic-version: a}}", KeyCredential, b"sk"),
        ("{query: {key: a/b}}", QueryCredential, b"a%2Fb"),
        ("{aws: {access_key_id: A, secret_access_key: S}}", AwsCredential, b"aws_secret_access_key = S"),
        ("{gcp: {service_account_json: '{}'}}", TokenCredential, b"{}"),
    ],
)
def test_credentials_are_secrets_of_the_model(auth: str, kind: type[Any], secret: bytes) -> None:
    provider = "bedrock, provider_conf: {region: us-east-1}" if kind is AwsCredential else "openai"
    model, report = proxy(provider, auth=f"auth: {auth}")
    found = provider_of(model).credential
    assert isinstance(found, kind)
    (held,) = [one for one in model.secrets if isinstance(one, Opaque)]
    assert secret in held.value.reveal()
    assert [one for one in report.diagnostics if one.severity == "error"] == []
    if isinstance(found, TokenCredential):
        assert isinstance(found.source, GcpToken)
        assert found.source.file == held.name


@pytest.mark.parametrize(
    "written",
    [
        "{provider: openai-compatible, auth: {}}",
        "{provider: azure-openai, auth: {}, override: {endpoint: https://a.example}}",
        "{provider: bedrock, auth: {}}",
        "{provider: openai, auth: {header: {a: b, c: d}}}",
        "{provider: other, auth: {}}",
    ],
)
def test_what_cannot_be_had_closes_the_rule(written: str) -> None:
    model, report = read(("ai-proxy", written))
    (rule,) = rules_of(model)
    assert isinstance(rule.action, Respond)
    assert rule.action.status == 503
    assert any(one.severity == "error" for one in report.diagnostics)


def test_times_are_those_of_silence() -> None:
    model, _ = proxy("openai", "timeout: 500, max_stream_duration_ms: 9000")
    times = by_endpoint(model)["chat"].timeouts
    assert (times.attempt, times.attempt_idle, times.max_stream) == (
        timedelta(milliseconds=500),
        timedelta(milliseconds=500),
        timedelta(seconds=9),
    )
    assert times.request == timedelta(0)


def test_what_has_no_effect_is_named() -> None:
    more = "logging: {summaries: true, payloads: true}, keepalive_pool: 5, max_response_bytes: 9"
    _, report = proxy("openai", more)
    assert sum(one.rule == "apisix-not-honoured" for one in report.diagnostics) == 4


def multi(more: str = "", balancer: str = "", first: int = 10) -> tuple[Model, Report]:
    instances = ", ".join(
        f"{{name: {name}, provider: {provider}, weight: {weight}, priority: {priority}, {KEY}}}"
        for name, provider, weight, priority in (
            ("a", "openai", 3, first),
            ("b", "deepseek", 1, first),
            ("c", "openai", 1, 0),
            ("idle", "openai", 0, 0),
        )
    )
    return read(("ai-proxy-multi", f"{{instances: [{instances}]{more}{balancer}}}"))


def test_instances_are_targets_with_weights_and_priorities() -> None:
    model, _ = multi()
    rule = by_endpoint(model)["chat"]
    assert isinstance(rule.action, Forward)
    found = [(one.backend.rsplit("/", 2)[1], one.weight, one.priority, one.tries) for one in rule.action.targets]
    assert found == [("a", 3, 0, 2), ("b", 1, 0, 2), ("c", 1, 1, 1)]
    assert rule.retry is not None
    assert rule.retry.attempts == 0


def test_a_fallback_asks_the_others() -> None:
    rule = by_endpoint(multi(", fallback_strategy: [http_429, http_5xx]")[0])["chat"]
    assert rule.retry is not None
    assert (rule.retry.attempts, rule.retry.statuses) == (2, (429,))
    assert rule.retry.triggers == ("5xx", "retriable-status-codes")
    rule = by_endpoint(multi(", fallback_strategy: http_5xx, max_retries: 1")[0])["chat"]
    assert rule.retry is not None
    assert (rule.retry.attempts, rule.retry.triggers) == (1, ("5xx",))


def test_a_balancer_that_reads_prompts_closes_the_rule() -> None:
    model, report = multi(balancer=", balancer: {algorithm: semantic}")
    (rule,) = rules_of(model)
    assert isinstance(rule.action, Respond)
    assert "apisix-guard-unsupported" in {one.rule for one in report.diagnostics}


def test_a_hash_chooses_an_instance() -> None:
    model, report = multi(balancer=", balancer: {algorithm: chash, hash_on: header, key: x-user}", first=0)
    chats = by_endpoint(model)["chat"]
    assert chats.hashes_targets
    assert [(one.kind, one.name) for one in chats.hash_policies] == [("header", "x-user")]
    assert "apisix-approximated" not in {one.rule for one in report.diagnostics}


@pytest.mark.parametrize(
    "settings",
    [
        ", balancer: {algorithm: chash, hash_on: consumer}",
        ", balancer: {algorithm: chash, key: $upstream_addr}",
        ", fallback_strategy: http_429, balancer: {algorithm: chash, hash_on: header, key: x-user}",
    ],
)
def test_a_hash_that_cannot_choose_is_named_as_chance(settings: str) -> None:
    model, report = multi(balancer=settings, first=0)
    assert not by_endpoint(model)["chat"].hashes_targets
    assert "apisix-approximated" in {one.rule for one in report.diagnostics}


def limits_of(config: str, *before: tuple[str, str]) -> tuple[tuple[LimitRule, ...], Report]:
    plugins = before or (("ai-proxy", f"{{provider: openai, {KEY}}}"),)
    model, report = read(*plugins, ("ai-rate-limiting", config))
    found = by_endpoint(model)["chat"].rate_limit
    assert found is not None, report.diagnostics
    return found.rules, report


@pytest.mark.parametrize(
    ("strategy", "cost"),
    [
        ("total_tokens", "total_tokens"),
        ("prompt_tokens", "input_tokens"),
        ("completion_tokens", "output_tokens"),
        (
            "expression, cost_expr: 'prompt_tokens * 2 + completion_tokens'",
            "((double(input_tokens) * 2.0) + double(output_tokens))",
        ),
    ],
)
def test_tokens_are_checked_before_and_charged_after(strategy: str, cost: str) -> None:
    (limit,), _ = limits_of(f"{{limit: 9, time_window: 60, limit_strategy: {strategy}, rejected_msg: enough}}")
    assert (limit.requests, limit.unit, limit.request_cost) == (9, timedelta(seconds=60), 0)
    assert limit.response_cost == Expression(expression=cost)
    assert limit.answer is not None
    assert (limit.answer.status, json.loads(limit.answer.body)) == (503, {"error_msg": "enough"})
    assert limit.answer.headers is not None
    assert limit.answer.headers[0] == "X-AI-RateLimit-Limit-ai-proxy-openai"


@pytest.mark.parametrize("cost", ["math.ceil(1.5)", "other_tokens", "prompt_tokens +", "1 ^ 2", "a; b"])
def test_a_cost_that_cannot_be_worked_out_is_named(cost: str) -> None:
    config = f"{{limit: 9, time_window: 60, limit_strategy: expression, cost_expr: '{cost}'}}"
    model, report = read(("ai-proxy", f"{{provider: openai, {KEY}}}"), ("ai-rate-limiting", config))
    assert by_endpoint(model)["chat"].rate_limit is None
    assert "apisix-plugin-config" in {one.rule for one in report.diagnostics}


def test_an_instance_has_a_quota_of_its_own() -> None:
    instances = f"[{{name: a, provider: openai, weight: 1, {KEY}}}, {{name: b, provider: deepseek, weight: 1, {KEY}}}]"
    (limit,), report = limits_of(
        "{instances: [{name: a, limit: 9, time_window: 60}]}", ("ai-proxy-multi", f"{{instances: {instances}}}")
    )
    assert [name.rsplit("/", 2)[1] for name in limit.backends] == ["a"]
    assert "apisix-approximated" in {one.rule for one in report.diagnostics}


def test_a_guard_has_its_patterns_and_words() -> None:
    plugin = ("ai-prompt-guard", "{deny_patterns: ['(?i)password'], allow_patterns: [a], match_all_roles: true}")
    (guard,) = prompts_of(plugin).guards
    assert (guard.allow, guard.deny, guard.all_roles, guard.whole_history) == (("a",), ("(?i)password",), True, False)


def test_a_pattern_that_re2_lacks_closes_the_rule() -> None:
    model, report = read(
        ("ai-proxy", f"{{provider: openai, {KEY}}}"), ("ai-prompt-guard", "{deny_patterns: ['(?=a)']}")
    )
    (rule,) = rules_of(model)
    assert isinstance(rule.action, Respond)
    assert rule.action.status == 503
    assert "apisix-guard-unsupported" in {one.rule for one in report.diagnostics}


def test_messages_stand_around_those_of_the_request() -> None:
    config = "{prepend: [{role: system, content: one}], append: [{role: user, content: two}]}"
    (decoration,) = prompts_of(("ai-prompt-decorator", config)).decorations
    assert decoration.prepend == (PromptMessage(role="system", content="one"),)
    assert decoration.append == (PromptMessage(role="user", content="two"),)


def test_a_template_is_text_around_values() -> None:
    config = "{templates: [{name: t, template: {model: m, messages: [{role: user, content: 'in {{ a.b }}!'}]}}]}"
    (template,) = prompts_of(("ai-prompt-template", config)).templates
    assert template.parts == (
        PromptPart(text='{"model":"m","messages":[{"role":"user","content":"in '),
        PromptPart(path=("a", "b")),
        PromptPart(text='!"}]}'),
    )


@pytest.mark.parametrize("code", ["{% if a then %}", "{{ a .. b }}", "{# no #}"])
def test_code_in_a_template_is_named(code: str) -> None:
    config = f"{{templates: [{{name: t, template: {{messages: [{{role: user, content: '{code}'}}]}}}}]}}"
    model, report = read(("ai-proxy", f"{{provider: openai, {KEY}}}"), ("ai-prompt-template", config))
    assert by_endpoint(model)["chat"].prompts is None
    assert "apisix-plugin-config" in {one.rule for one in report.diagnostics}
