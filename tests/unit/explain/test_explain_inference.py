"""AI requests explained: the model in the body, the providers by priority, and what came close."""

import json
from typing import Any

import pytest
from explain_models import backend, exact, header, listener, origin, prefix, route, rule, server, to

from anygate.explain import Explanation, explain, parse_request, render_text
from anygate.explain.inference import read_form, read_model
from anygate.model.backend import Backend
from anygate.model.inference import Inference, ModelEndpoint, Provider
from anygate.model.listener import Gateway
from anygate.model.root import Model
from anygate.model.route import BackendTarget, Forward, HttpRule

CHAT = "/v1/chat/completions"


def ai(model: str, *targets: BackendTarget, path: str = CHAT, endpoint: ModelEndpoint = "chat") -> HttpRule:
    match = exact(path, headers=(header("x-ai-eg-model", model),) if model else ())
    inference = Inference(origin=origin(), endpoint=endpoint, route="default/ai")
    return rule(Forward(origin=origin(), targets=targets), match, inference=inference)


def target(name: str, **more: Any) -> BackendTarget:
    return BackendTarget(origin=origin(), backend=name, **more)


def provider(name: str, kind: str, **more: Any) -> Backend:
    made = backend(name, "10.0.0.1")
    spoken = Provider(origin=origin(), name=f"default/{name}", format=kind, **more)
    return Backend(origin=made.origin, name=name, service=name, groups=made.groups, provider=spoken)


RULES = (
    ai("gpt-4o", target("openai"), target("azure", priority=1), target("claude", priority=2, translated=True)),
    ai("gpt-4o-mini", target("openai", weight=3), target("azure")),
    ai("claude-1", target("claude"), path="/v1/messages", endpoint="messages"),
    rule(to("site"), prefix("/site")),
)
MODEL = Model(
    gateways=(Gateway(origin=origin(), name="web", listeners=(listener(server(route(*RULES))),)),),
    backends=(
        provider("openai", "OpenAI", prefix="openai/v1"),
        provider("azure", "AzureOpenAI", model="deployed", version="v1"),
        provider("claude", "Anthropic"),
        backend("site", "10.0.0.2"),
    ),
)


def ask(body: str | None, path: str = CHAT, *headers: str, method: str = "") -> Explanation:
    encoded = None if body is None else body.encode()
    return explain(MODEL, parse_request(f"http://ai.test{path}", method=method, headers=headers, body=encoded))


def test_the_model_in_the_body_decides() -> None:
    answer = ask('{"model": "gpt-4o"}')
    steps = {step.kind: step for step in answer.steps if step.kind != "backend"}

    assert answer.decision.kind == "forward"
    assert (steps["model"].name, steps["model"].text) == ("gpt-4o", "the model in the body")
    assert "x-ai-eg-model = gpt-4o" in steps["rule"].text


def test_providers_are_listed_by_priority() -> None:
    shares = ask('{"model": "gpt-4o"}').targets

    assert [(share.name, share.priority, share.percent) for share in shares] == [
        ("openai", 0, 100.0),
        ("azure", 1, 0.0),
        ("claude", 2, 0.0),
    ]
    kinds = [
        (share.provider.format, share.provider.translated, share.provider.model) for share in shares if share.provider
    ]
    assert kinds == [("OpenAI", False, ""), ("AzureOpenAI", False, "deployed"), ("Anthropic", True, "")]
    paths = [share.upstream.path for share in shares if share.upstream]
    assert paths[:2] == ["/openai/v1/chat/completions", "/openai/deployments/deployed/chat/completions?api-version=v1"]


def test_the_text_says_how_each_is_asked() -> None:
    shown = render_text(ask('{"model": "gpt-4o"}'))
    assert "as it is to OpenAI" in shown
    assert "priority 1, after a failed try, as it is to AzureOpenAI, model deployed" in shown
    assert "priority 2, after a failed try, translated to Anthropic" in shown
    assert "x-ai-eg-model:" not in shown


def test_weights_share_within_a_priority() -> None:
    shares = ask('{"model": "gpt-4o-mini"}').targets
    assert [(share.name, share.percent) for share in shares] == [("openai", 75.0), ("azure", 25.0)]


def test_a_header_of_the_client_is_not_believed() -> None:
    answer = ask('{"model": "gpt-4o-mini"}', CHAT, "x-ai-eg-model: gpt-4o")
    assert [step.name for step in answer.steps if step.kind == "model"] == ["gpt-4o-mini"]


def test_an_unknown_model_is_answered_in_the_clients_format_and_the_nearest_is_named() -> None:
    answer = ask('{"model": "gpt-4o-mimi"}')
    assert (answer.decision.status, answer.decision.reason) == (404, "no rule takes this model")
    assert json.loads(answer.decision.body)["error"]["code"] == "model_not_found"
    assert "header x-ai-eg-model = gpt-4o-mini" in answer.near_misses[0].text
    other = ask('{"model": "m"}', "/v1/messages")
    assert json.loads(other.decision.body)["error"]["type"] == "not_found_error"


@pytest.mark.parametrize(
    ("body", "path", "method", "status", "reason"),
    [
        (None, CHAT, "POST", 400, "the body names no model"),
        ("{}", CHAT, "", 400, "the body names no model"),
        ('{"model":""}', CHAT, "", 400, "the body names no model"),
        ("{", CHAT, "", 400, "the body is not valid JSON, or not a form with one model"),
        (None, CHAT, "GET", 405, "the path takes only POST"),
        (None, "/v1/unheard", "GET", 404, "no route takes this path"),
    ],
)
def test_refusals(body: str | None, path: str, method: str, status: int, reason: str) -> None:
    decision = ask(body, path, method=method).decision
    assert (decision.status, decision.reason) == (status, reason)
    assert decision.body


def test_other_routes_are_explained_as_ever() -> None:
    assert ask(None, "/site/x").targets[0].name == "site"


@pytest.mark.parametrize(
    ("body", "model"),
    [
        (b'{"model":"a","model":"b"}', "b"),
        (b'{"model":5}', "5"),
        (b'{"model":true}', "true"),
        (b'{"model":null}', "-"),
        (b"[]", "-"),
        (b"", "-"),
        (b'{"model":"\xff"}', "!"),
        (b'{"a":NaN}', "!"),
        (b"[" * 100_000, "!"),
    ],
)
def test_models_of_bodies(body: bytes, model: str) -> None:
    assert read_model(body) == model


def test_models_of_forms() -> None:
    part = b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\n%b\r\n'
    kind = "multipart/form-data; boundary=b"
    assert read_form(part % b"m" + b"--b--", kind) == "m"
    assert read_form(part % b"m" + part % b"m" + b"--b--", kind) == "m"
    assert read_form(part % b"m" + part % b"n" + b"--b--", kind) == "!"
    assert read_form(part.replace(b"model", b"other") % b"m" + b"--b--", kind) == "-"
    assert read_form(part % b"m", kind) == "!"
