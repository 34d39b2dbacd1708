"""AI rules together with the clusters of providers: paths, credentials and usage, on each try."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import msgspec
import pytest
from ai_gateway import (
    CHAT,
    Provider,
    Served,
    ai_rule,
    backend,
    one_server,
    opaque,
    origin,
    route,
    served_by,
    serving,
    target,
)

from anygate.model.backend import Backend
from anygate.model.inference import Cost, Inference, KeyCredential
from anygate.model.inference import Provider as Spoken
from anygate.model.root import Model
from anygate.model.route import HttpRule


def speaking(name: str, kind: str, *ports: int, **fields: Any) -> Backend:
    made = backend(name, *ports)
    key = KeyCredential(origin=origin(name), secret=f"{name}-key")
    spoken = Spoken(origin=origin(name), name=f"default/{name}", format=kind, credential=key, **fields)
    return msgspec.structs.replace(made, provider=spoken)


def costing(rule: HttpRule) -> HttpRule:
    assert rule.inference is not None
    cost = Cost(origin=origin("cost"), key="total", expression="total_tokens")
    kind: Inference = msgspec.structs.replace(rule.inference, costs=(cost,))
    return msgspec.structs.replace(rule, inference=kind)


class Providers(Served):
    """The gateway with the providers behind it."""

    behind: dict[str, Provider]


@pytest.fixture(scope="module")
def providers() -> Iterator[Providers]:
    ai = route(
        "ai",
        ai_rule("m", target("busy"), target("good", priority=1)),
        ai_rule("lost", target("nowhere"), target("good", priority=1)),
        costing(ai_rule("counted", "good")),
        ai_rule("straight", "plain"),
        ai_rule("blue", "blue", endpoint="responses"),
        ai_rule("shared", target("busy"), target("twin", priority=1)),
    )
    with ExitStack() as stack:
        behind = {name: Provider(name) for name in ("good", "plain", "twin", "blue")}
        behind["busy"] = Provider("busy", 429)
        for one in behind.values():
            stack.enter_context(one)
        backends = (
            speaking("busy", "OpenAI", behind["busy"].port, prefix="first/v1"),
            speaking("good", "AzureOpenAI", behind["good"].port, version="v9", model="deployed"),
            speaking("plain", "OpenAI", behind["plain"].port, prefix="odd%20%REQ(x)%"),
            speaking("twin", "OpenAI", behind["twin"].port, prefix="first/v1"),
            speaking("blue", "AzureOpenAI", behind["blue"].port, version="v9"),
            speaking("nowhere", "OpenAI"),
        )
        keys = opaque(**{f"{name}-key": f"Bearer {name}" for name in (*behind, "nowhere")})
        model = Model(gateways=(one_server(ai),), backends=backends, secrets=keys)
        served = stack.enter_context(serving(model))
        served.__class__ = Providers
        assert isinstance(served, Providers)
        served.behind = behind
        yield served


def test_each_try_has_the_path_and_the_credential_of_its_provider(providers: Providers) -> None:
    body = b'{"messages": [], "model": "m"}'
    answer = providers.ask(content=body, headers={"authorization": "Bearer client", "x-ai-eg-model": "z"})

    assert served_by(answer) == "good"
    busy, good = (providers.behind[name].seen[-1] for name in ("busy", "good"))
    assert (busy.path, busy.headers["authorization"], busy.body) == ("/first/v1/chat/completions", "Bearer busy", body)
    assert good.path == "/openai/deployments/deployed/chat/completions?api-version=v9"
    assert good.headers["authorization"] == "Bearer good"
    for seen in (busy, good):
        assert not [name for name in seen.headers if name.startswith(("x-ai-eg", "x-anygate", "x-envoy"))]


def test_a_path_that_all_share_is_set_by_the_route(providers: Providers) -> None:
    for path in (CHAT, f"{CHAT}?a=b"):
        assert served_by(providers.ask("straight", path)) == "plain"
        assert providers.behind["plain"].seen[-1].path == "/odd%20%REQ(x)%/chat/completions"
    for query in ("", "?a=b"):
        assert served_by(providers.ask("blue", f"/v1/responses{query}")) == "blue"
        assert providers.behind["blue"].seen[-1].path == "/openai/responses?api-version=v9"
    assert served_by(providers.ask("shared")) == "twin"
    assert {providers.behind[name].seen[-1].path for name in ("busy", "twin")} == {"/first/v1/chat/completions"}


def test_a_provider_without_an_endpoint_is_passed_over(providers: Providers) -> None:
    assert served_by(providers.ask("lost")) == "good"


def test_usage_is_asked_for_where_it_counts(providers: Providers) -> None:
    assert served_by(providers.ask("counted", json={"stream": True})) == "good"
    assert json.loads(providers.behind["good"].seen[-1].body)["stream_options"] == {"include_usage": True}
    providers.ask("m", json={"stream": True})
    assert "stream_options" not in json.loads(providers.behind["good"].seen[-1].body)
    assert providers.client.get(CHAT).status_code == 405
