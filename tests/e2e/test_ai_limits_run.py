"""Token budgets and quotas of `anygate run`, with the process that counts them: in memory, and in Redis."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import anthropic
import httpx2
import openai
import pytest
from ai_clients import PATHS, Gateway, ai_gateway, check_error, request, used
from limit_service import private_redis
from running import DEADLINE, gateway, join, run_manifests

from anygate.runner.companions import CompanionOptions

TOTAL = 60
BUCKETS = {"llm_input_token": 10_000, "llm_output_token": 10_000, "llm_total_token": TOTAL}
CLIENTS = [("chat", "gpt"), ("chat", "claude"), ("responses", "gpt"), ("messages", "claude"), ("messages", "gpt")]


def backend(name: str, schema: str) -> str:
    return join(
        f"""
        apiVersion: aigateway.envoyproxy.io/v1beta1
        kind: AIServiceBackend
        metadata: {{name: {name}}}
        spec:
          schema: {{name: {schema}}}
          backendRef: {{name: {name}, kind: Backend, group: gateway.envoyproxy.io}}
        """,
        f"""
        apiVersion: gateway.envoyproxy.io/v1alpha1
        kind: Backend
        metadata: {{name: {name}}}
        spec: {{endpoints: [{{fqdn: {{hostname: {name}.invalid, port: 80}}}}]}}
        """,
    )


ROUTE = """
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: AIGatewayRoute
metadata: {name: usage-rate-limit}
spec:
  parentRefs: [{name: web, kind: Gateway, group: gateway.networking.k8s.io}]
  llmRequestCosts:
  - {metadataKey: llm_input_token, type: InputToken}
  - {metadataKey: llm_output_token, type: OutputToken}
  - {metadataKey: llm_total_token, type: TotalToken}
  rules:
  - matches: [{headers: [{type: Exact, name: x-ai-eg-model, value: gpt}]}]
    backendRefs: [{name: openai}, {name: other, priority: 1}]
  - matches: [{headers: [{type: Exact, name: x-ai-eg-model, value: claude}]}]
    backendRefs: [{name: claude}]
"""

BUDGET = """
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: BackendTrafficPolicy
metadata: {name: some-example-token-rate-limit, namespace: default}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: usage-rate-limit}]
  rateLimit:
    type: Global
    global:
      rules:
""" + "".join(
    f"""
      - clientSelectors: [{{headers: [{{name: x-user-id, type: Distinct}}]}}]
        limit: {{requests: {limit}, unit: Hour}}
        cost:
          request: {{from: Number, number: 0}}
          response: {{from: Metadata, metadata: {{namespace: io.envoy.ai_gateway, key: {key}}}}}
"""
    for key, limit in BUCKETS.items()
)

QUOTA = """
apiVersion: aigateway.envoyproxy.io/v1alpha1
kind: QuotaPolicy
metadata: {name: quota}
spec:
  targetRefs: [{group: aigateway.envoyproxy.io, kind: AIServiceBackend, name: openai}]
  perModelQuotas:
  - modelName: gpt
    quota:
      costExpression: total_tokens
      defaultBucket: {limit: 30, duration: 1h}
"""

PROVIDERS = (gateway(), backend("openai", "OpenAI"), backend("other", "OpenAI"), backend("claude", "Anthropic"), ROUTE)


@contextmanager
def counting(place: str) -> Iterator[str]:
    """Where limits are counted."""
    with ExitStack() as stack:
        yield stack.enter_context(private_redis()).url if place == "redis" else "memory"


def spend(ai: Gateway, form: str, model: str, user: str, **fields: bool) -> tuple[int, httpx2.Response]:
    """Ask until refused: what was used until then, and the refusal."""
    total, deadline = 0, time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        answer = ai.ask(form, model, headers={"x-user-id": user}, **fields)
        if answer.status_code != 200:
            return total, answer
        total += used(form, answer.json())
    raise AssertionError("never refused")


@pytest.mark.parametrize("place", ["memory", "redis"])
def test_a_budget_of_tokens_for_each_user_whatever_the_format(place: str) -> None:
    with counting(place) as counted:
        options = CompanionOptions(ratelimit=counted)
        with ai_gateway(*PROVIDERS, BUDGET, port=80, companions=options) as ai:
            for form, model in CLIENTS:
                user = f"{form}-{model}"
                total, refused = spend(ai, form, model, user)
                # What is used is charged at the end of an answer, so that the next request may just slip through.
                assert TOTAL <= total <= TOTAL + 12
                assert refused.status_code == 429
                check_error(form, refused)
                assert 0 < int(refused.headers["retry-after"]) <= 3600
                # One budget for all formats.
                other = ai.ask("messages", model, headers={"x-user-id": user})
                assert other.status_code == 429
                check_error("messages", other)
                assert ai.ask(form, model, headers={"x-user-id": "somebody-else"}).status_code == 200
            assert ai.ask("chat", "gpt").status_code == 200
        if place == "redis":
            with ai_gateway(*PROVIDERS, BUDGET, port=80, companions=options) as another:
                refused = another.ask("chat", "gpt", headers={"x-user-id": "chat-gpt"})
                assert refused.status_code == 429


def test_streams_are_charged_and_the_vendors_clients_know_the_refusal() -> None:
    with ai_gateway(*PROVIDERS, BUDGET, port=80) as ai:
        for form, model in CLIENTS:
            user = f"{form}-{model}"
            headers = {"x-user-id": user}
            deadline = time.monotonic() + DEADLINE
            count = 0
            while (answer := ai.ask(form, model, headers=headers, stream=True)).status_code == 200:
                assert time.monotonic() < deadline
                count += 1
            assert answer.status_code == 429
            assert 10 <= count <= 12
        with (
            openai.OpenAI(base_url=f"{ai.url}/v1", api_key="k", max_retries=0) as gpt,
            anthropic.Anthropic(base_url=f"{ai.url}/anthropic", api_key="k", max_retries=0) as claude,
        ):
            with pytest.raises(openai.RateLimitError) as refused:
                gpt.responses.create(model="gpt", input="hi", extra_headers=headers)
            assert int(refused.value.response.headers["retry-after"]) > 0
            with pytest.raises(anthropic.RateLimitError):
                claude.messages.create(
                    model="gpt", max_tokens=9, messages=[{"role": "user", "content": "hi"}], extra_headers=headers
                )


def test_a_quota_that_is_used_up_leaves_the_next_provider() -> None:
    with ai_gateway(*PROVIDERS, QUOTA, port=80) as ai:
        seen = []
        deadline = time.monotonic() + DEADLINE
        while not seen or seen[-1] == "openai":
            assert time.monotonic() < deadline
            answer = ai.ask("chat", "gpt")
            assert answer.status_code == 200
            seen.append(answer.headers["x-stub-backend"].partition(".")[0])
        assert (seen[-1], 5 <= len(seen) - 1 <= 7) == ("other", True), seen
        # Only that model of that provider has a quota.
        assert ai.ask("messages", "claude").status_code == 200


def test_the_budget_is_open_while_the_service_is_away() -> None:
    with run_manifests(*PROVIDERS, BUDGET) as running:
        ai = Gateway(running, 80)
        with ai.client:
            headers = {"x-user-id": "ann"}
            assert ai.ask("chat", "gpt", headers=headers).status_code == 200
            [pid] = ai.pids("services")
            os.kill(pid, signal.SIGKILL)
            body = request("chat", "gpt")
            found = {ai.client.post(PATHS["chat"], json=body, headers=headers).status_code for _ in range(5)}
            assert found == {200}
            running.await_word("warning: the service")
            total, refused = spend(ai, "chat", "gpt", "bob")
            assert refused.status_code == 429
            assert total >= TOTAL


TRICKS = {
    "asks for no usage": '"stream": true, "stream_options": {"include_usage": false}',
    "has no options": '"stream": true, "stream_options": null',
    "streams in the end": '"stream": false, "stream": true',
    "changes its mind": '"stream": true, "stream_options": {"include_usage": true}, "stream_options": {}',
    "hides its keys": '"str\\u0065am": true, "stream\\u005foptions": {"include_us\\u0061ge": false}',
}


@pytest.mark.parametrize("model", ["gpt", "claude"])
def test_nobody_gets_around_the_count(model: str) -> None:
    """Neither by what is asked of streams nor by compressed answers, of which Envoy could not read the usage."""
    with ai_gateway(*PROVIDERS, BUDGET, port=80) as ai:
        for name, fields in TRICKS.items():
            body = f'{{"model": "{model}", "messages": [{{"role": "user", "content": "hello"}}], {fields}}}'
            headers = {"x-user-id": name, "content-type": "application/json", "accept-encoding": "gzip, br"}
            codes = [ai.client.post(PATHS["chat"], content=body, headers=headers).status_code for _ in range(13)]
            assert (codes[:10], codes[-1]) == ([200] * 10, 429), name
        while not ai.running.requests.empty():
            assert dict(ai.running.requests.get().headers).get("accept-encoding", "identity") == "identity"
