"""Token budgets and quotas of AI manifests, with simulated providers behind the real Envoy."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from textwrap import dedent
from typing import Any

import httpx2
import msgspec
import pytest
from limit_service import Limits
from running import find_offset

from anygate.compiler import CompileCache, read_sources
from anygate.diagnostics import Report, SourceFile
from anygate.envoy.build import build
from anygate.envoy.placement import Placement, Socket
from anygate.model import Model
from anygate.model.backend import Endpoint, EndpointGroup
from anygate.proxy.bootstrap import build_bootstrap
from anygate.proxy.envoy import LocalEnvoy, Options
from anygate.proxy.run_folder import RunFolder
from anygate.stubs.providers import ProviderStub, Vendor
from anygate.xds.server import AdsServer

pytestmark = pytest.mark.anyio
VENDORS: Mapping[str, Vendor] = {"openai": "openai", "other": "openai", "anthropic": "anthropic"}
CHAT, MESSAGES = "/v1/chat/completions", "/anthropic/v1/messages"

GATEWAY = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: ai}
spec: {gatewayClassName: envoy, listeners: [{name: http, port: 80, protocol: HTTP}]}
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
    for key, limit in (("llm_input_token", 10_000), ("llm_output_token", 10_000), ("llm_total_token", 30))
)


def provider(name: str, schema: str) -> str:
    return f"""
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: AIServiceBackend
metadata: {{name: {name}}}
spec: {{schema: {{name: {schema}}}, backendRef: {{group: gateway.envoyproxy.io, kind: Backend, name: {name}}}}}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {{name: {name}}}
spec: {{endpoints: [{{ip: {{address: 127.0.0.1, port: 1}}}}]}}
"""


def route(*rules: str) -> str:
    return """
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: AIGatewayRoute
metadata: {name: usage-rate-limit}
spec:
  parentRefs: [{name: ai}]
  llmRequestCosts:
  - {metadataKey: llm_input_token, type: InputToken}
  - {metadataKey: llm_output_token, type: OutputToken}
  - {metadataKey: llm_total_token, type: TotalToken}
  rules:
""" + "".join(rules)


def rule(model: str, *backends: str) -> str:
    named = f"  - matches: [{{headers: [{{name: x-ai-eg-model, value: {model}}}]}}]\n    backendRefs:\n"
    return named + "".join(f"    - {{{one}}}\n" for one in backends)


class Running:
    def __init__(self, client: httpx2.AsyncClient, limits: Limits, stubs: dict[str, ProviderStub]) -> None:
        self.client = client
        self.limits = limits
        self.stubs = stubs

    async def ask(self, user: str, model: str = "gpt-4o", path: str = CHAT, **more: Any) -> httpx2.Response:
        messages = [{"role": "user", "content": "How are you today, my friend?"}]
        body = {"model": model, "messages": messages, "max_tokens": 50, **more}
        return await self.client.post(path, json=body, headers={"x-user-id": user})

    async def settled(self, calls: int) -> None:
        await asyncio.to_thread(self.limits.wait_for_calls, calls)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def load(*texts: str) -> Model:
    text = "\n---\n".join(dedent(one).strip("\n") for one in texts)
    report = Report()
    read = read_sources([SourceFile("in.yaml", text)], report, CompileCache())
    errors = [str(found) for found in report.diagnostics if found.severity.value == "error"]
    assert errors == []
    return read.model


def lead_to(model: Model, ports: Mapping[str, int]) -> Model:
    """The model with its backends where the stubs are."""
    backends = tuple(
        msgspec.structs.replace(
            one,
            groups=(EndpointGroup(endpoints=(Endpoint(host="127.0.0.1", port=ports[one.service]),)),),
            tls=None,
        )
        for one in model.backends
    )
    return msgspec.structs.replace(model, backends=backends)


@asynccontextmanager
async def serving(*texts: str, has_services: bool = True) -> AsyncIterator[Running]:
    async with AsyncExitStack() as stack:
        model = load(GATEWAY, *texts)
        stubs: dict[str, ProviderStub] = {}
        ports: dict[str, int] = {}
        for name, vendor in VENDORS.items():
            stubs[name] = ProviderStub(vendor, name, "default", is_open=True)
            ports[name] = (await stubs[name].listen())[1]
            stack.push_async_callback(stubs[name].stop)
        limits = stack.enter_context(Limits())
        folder = stack.enter_context(RunFolder())
        port = 80 + find_offset((80,))
        listener = model.gateways[0].listeners[0]
        placement = Placement(
            address="127.0.0.1",
            sockets={listener.name: Socket("127.0.0.1", port)},
            services=str(limits.socket) if has_services else "",
            access_log="",
        )
        built = build(lead_to(model, ports), placement)
        assert built.refused == ()
        server = AdsServer()
        await server.start(f"unix:{folder.xds_socket}")
        stack.push_async_callback(server.stop)
        envoy = LocalEnvoy(
            folder,
            build_bootstrap(xds=folder.xds_socket, admin=folder.admin_socket),
            options=Options(concurrency=1, drain=0.1),
        )
        stack.push_async_callback(envoy.stop)
        await envoy.start()
        number = server.publish(built.snapshot)
        await envoy.ready()
        applied = await server.applied(number)
        assert applied.refusals == ()
        client = await stack.enter_async_context(httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}"))
        yield Running(client, limits, stubs)


def used(answer: httpx2.Response) -> int:
    """What an answer says it used in all."""
    if "text/event-stream" not in answer.headers["content-type"]:
        usage = answer.json()["usage"]
        return usage.get("total_tokens") or usage["input_tokens"] + usage["output_tokens"]
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
    found = [one["usage"] for one in events if one.get("usage")]
    if "total_tokens" in found[-1]:
        return found[-1]["total_tokens"]
    started = next(one["message"]["usage"] for one in events if one["type"] == "message_start")
    return started["input_tokens"] + found[-1]["output_tokens"]


BOTH = (
    provider("openai", "OpenAI"),
    provider("anthropic", "Anthropic"),
    route(rule("gpt-4o", "name: openai"), rule("claude", "name: anthropic")),
)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("model", "path"), [("gpt-4o", CHAT), ("claude", MESSAGES)])
async def test_a_budget_of_tokens_for_each_user(model: str, path: str, stream: bool) -> None:
    async with serving(*BOTH, BUDGET) as running:
        total = calls = 0
        while total < 30:
            answer = await running.ask("ann", model, path, stream=stream)
            assert answer.status_code == 200, answer.text
            total += used(answer)
            calls += 2
            await running.settled(calls)
        charged = running.limits.charges()
        assert sum(charged[2::3]) == total
        assert [a + b for a, b in zip(charged[0::3], charged[1::3], strict=True)] == charged[2::3]
        refused = await running.ask("ann", model, path, stream=stream)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) > 0
        assert refused.json()["error"]["type"] == "rate_limit_error"
        assert (await running.ask("bob", model, path)).status_code == 200
        running.limits.now += 3600
        assert (await running.ask("ann", model, path)).status_code == 200


@pytest.mark.parametrize("shared", [False, True])
async def test_limits_of_the_envoy_itself_hold_for_models(shared: bool) -> None:
    policy = f"""
    apiVersion: gateway.envoyproxy.io/v1alpha1
    kind: BackendTrafficPolicy
    metadata: {{name: few}}
    spec:
      targetRefs: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, name: usage-rate-limit}}]
      rateLimit:
        local:
          rules:
          - clientSelectors: [{{headers: [{{name: x-user-id, type: Distinct}}]}}]
            limit: {{requests: 1, unit: Hour}}
            shared: {str(shared).lower()}
    """
    async with serving(*BOTH, policy) as running:
        assert (await running.ask("ann")).status_code == 200
        refused = await running.ask("ann")
        assert refused.status_code == 429
        assert refused.json()["error"]["type"] == "rate_limit_error"
        assert (await running.ask("bob")).status_code == 200
        # Another model is another rule.
        assert (await running.ask("ann", "claude", MESSAGES)).status_code == (429 if shared else 200)
        assert (await running.ask("ann", "unheard-of")).status_code == 404


async def test_without_a_service_nothing_is_limited() -> None:
    async with serving(*BOTH, BUDGET, has_services=False) as running:
        assert (await running.ask("ann")).status_code == 200


async def test_a_stream_that_breaks_off_is_charged_what_it_said_at_its_start() -> None:
    async with serving(*BOTH, BUDGET) as running:
        body = {"model": "claude", "messages": [{"role": "user", "content": "Hello there"}], "max_tokens": 50}
        headers = {"x-user-id": "ann", "x-stub-cut": "3"}
        started = 0
        asking = running.client.stream("POST", MESSAGES, json={**body, "stream": True}, headers=headers)
        with suppress(httpx2.RemoteProtocolError):
            async with asking as answer:
                async for line in answer.aiter_lines():
                    if line.startswith("data: ") and "message_start" in line:
                        started = json.loads(line[6:])["message"]["usage"]["input_tokens"]
                raise AssertionError("the stream ended well")
        await running.settled(2)
        assert started > 0
        assert running.limits.charges() == [started, 0, started]


async def test_costs_may_ask_for_model_backend_and_route() -> None:
    cost = "model == 'gpt-4o' && backend == 'openai.default' && route_name == 'default/usage-rate-limit' ? 7 : 1000"
    costs = f'{{metadataKey: llm_total_token, type: CEL, cel: "{cost}"}}'
    own = BOTH[2].replace("{metadataKey: llm_total_token, type: TotalToken}", costs)
    assert own != BOTH[2]
    async with serving(*BOTH[:2], own, BUDGET) as running:
        assert (await running.ask("ann")).status_code == 200
        await running.settled(2)
        assert running.limits.charges()[-1] == 7


QUOTAS = """
apiVersion: aigateway.envoyproxy.io/v1alpha1
kind: QuotaPolicy
metadata: {name: q}
spec:
  targetRefs: [{group: aigateway.envoyproxy.io, kind: AIServiceBackend, name: openai}]
  perModelQuotas:
  - modelName: gpt-4o-mini
    quota:
      costExpression: input_tokens + output_tokens * 2
      defaultBucket: {limit: 60, duration: 1h}
      bucketRules:
      - clientSelectors: [{headers: [{name: x-user-id, type: Distinct}]}]
        quota: {limit: 30, duration: 1mo}
      - quota: {limit: 1, duration: 1s}
        shadowMode: true
"""


async def test_a_backend_without_quota_is_left_out() -> None:
    """Each request costs more than 20: each user gets two, and the backend three in an hour."""
    backends = ("name: openai, modelNameOverride: gpt-4o-mini", "name: other, priority: 1")
    texts = (provider("openai", "OpenAI"), provider("other", "OpenAI"), route(rule("gpt-4o", *backends)), QUOTAS)
    async with serving(*texts) as running:
        seen = []
        for number, user in enumerate(("ann", "ann", "ann", "bob", "bob"), 1):
            answer = await running.ask(user)
            assert answer.status_code == 200
            await running.settled(2 * number)
            seen.append(answer.headers["x-stub-backend"].partition(".")[0])
        costs = running.limits.charges()[::3]
        assert costs[0] >= 20
        assert seen[:3] == ["openai", "openai", "other"]
        assert [bool(one) for one in costs] == [one == "openai" for one in seen]
        assert seen[-1] == "other"


async def test_without_another_backend_a_quota_refuses() -> None:
    texts = (provider("openai", "OpenAI"), route(rule("gpt-4o-mini", "name: openai")), QUOTAS)
    async with serving(*texts) as running:
        for calls in (2, 4):
            assert (await running.ask("ann", "gpt-4o-mini")).status_code == 200
            await running.settled(calls)
        refused = await running.ask("ann", "gpt-4o-mini")
        assert refused.status_code == 429
        assert refused.json()["error"]["type"] == "rate_limit_error"
        assert len(running.stubs["openai"].records) == 2
