"""TokenPolicy with real traffic: simulated providers, the vendors' own clients, counters in memory and in Redis."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import anthropic
import grpc
import httpx2
import openai
import pytest
from limit_service import private_redis
from redis import Redis
from running import DEADLINE, Running, gateway, join, run_manifests, services

from anygate.runner.companions import CompanionOptions
from anygate.runner.destinations import parse_resolution

ROUTE_TARGET = "{group: gateway.networking.k8s.io, kind: HTTPRoute, name: chat}"
GATEWAY_TARGET = "{group: gateway.networking.k8s.io, kind: Gateway, name: web}"
HELLO = {"model": "any", "messages": [{"role": "user", "content": "hello"}]}
TOKENS = 6
"""What the simulated providers say that a hello costs."""


def to(name: str) -> str:
    return f"[{{group: gateway.nantian.dev, kind: AIService, name: {name}}}]"


ROUTE = f"""
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: chat}}
spec:
  parentRefs: [{{name: web}}]
  rules:
  - name: gpt
    matches: [{{path: {{value: /v1}}}}]
    backendRefs: {to("gpt")}
  - name: claude
    matches: [{{path: {{value: /claude}}}}]
    filters: [{{type: URLRewrite, urlRewrite: {{path: {{type: ReplacePrefixMatch, replacePrefixMatch: /}}}}}}]
    backendRefs: {to("claude")}
"""
PLAIN = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: plain}
spec:
  parentRefs: [{name: web}]
  rules: [{matches: [{path: {value: /plain}}], backendRefs: [{name: shop, port: 80}]}]
"""


def ai_service(name: str, provider: str, model: str, more: str = "") -> str:
    return f"""
    apiVersion: gateway.nantian.dev/v1alpha1
    kind: AIService
    metadata: {{name: {name}}}
    spec: {{provider: {provider}, model: {model}{more}}}
    """


SERVICES = (ai_service("gpt", "openai", "gpt-4o"), ai_service("claude", "anthropic", "claude-sonnet-5"))
BASE = (gateway(), ROUTE, *SERVICES)


def policy(spec: str, name: str = "budget", target: str = ROUTE_TARGET) -> str:
    return f"""
    apiVersion: gateway.nantian.dev/v1alpha1
    kind: TokenPolicy
    metadata: {{name: {name}}}
    spec: {{targetRefs: [{target}], {spec}}}
    """


class Client:
    """Asks a run, under a key."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.http = httpx2.Client(base_url=running.url(), timeout=DEADLINE)

    def chat(self, key: str = "ann", path: str = "/v1/chat/completions", **fields: object) -> httpx2.Response:
        return self.http.post(path, json={**HELLO, **fields}, headers={"authorization": f"Bearer {key}"})

    def message(self, key: str = "ann", path: str = "/claude/v1/messages", **fields: object) -> httpx2.Response:
        return self.http.post(path, json={**HELLO, "max_tokens": 64, **fields}, headers={"x-api-key": key})

    def await_status(self, status: int, key: str) -> httpx2.Response:
        """Ask until answered so: what an answer costs is charged when it has ended, at no certain time."""
        deadline = time.monotonic() + DEADLINE
        while (answer := self.chat(key)).status_code != status:
            assert time.monotonic() < deadline, answer.text
        return answer


@contextmanager
def serving(*texts: str, **options: object) -> Iterator[Client]:
    with run_manifests(*texts, **options) as running:
        client = Client(running)
        with client.http:
            yield client


def test_a_client_that_reaches_a_limit_is_refused_in_its_own_format_and_others_are_not() -> None:
    with serving(*BASE, policy("tokensPerMinute: 20, burst: 1.5, requestsPerMinute: 1000")) as client:
        found = [client.chat() for _ in range(4)]
        assert [one.status_code for one in found] == [200] * 4
        assert found[-1].headers["x-ratelimit-limit"] == "30"
        client.await_status(429, "ann")
        refused = client.message("ann")
        assert refused.status_code == 429
        assert refused.json()["error"]["type"] == "rate_limit_error"
        assert refused.json()["type"] == "error"
        assert refused.headers["x-ratelimit-remaining"] == "0"
        assert 0 < int(refused.headers["retry-after"]) <= 60
        assert refused.headers["x-ratelimit-retry-after-seconds"] == refused.headers["retry-after"]
        assert client.chat("bob").status_code == 200
        url = client.running.url()
        with (
            openai.OpenAI(base_url=f"{url}/v1", api_key="ann", max_retries=0) as gpt,
            anthropic.Anthropic(base_url=f"{url}/claude", api_key="ann", max_retries=0) as claude,
        ):
            with pytest.raises(openai.RateLimitError, match="limit of requests or tokens"):
                gpt.chat.completions.create(model="any", messages=[{"role": "user", "content": "hi"}])
            with pytest.raises(anthropic.RateLimitError):
                claude.messages.create(model="any", max_tokens=9, messages=[{"role": "user", "content": "hi"}])


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/claude/v1/chat/completions"])
def test_streams_are_charged_what_they_have_used(path: str) -> None:
    with serving(*BASE, policy(f"tokensPerHour: {3 * TOKENS}")) as client:
        for _ in range(3):
            answer = client.chat("ann", path, stream=True)
            assert answer.status_code == 200
        refused = client.await_status(429, "ann")
        assert refused.headers["x-ratelimit-limit"] == str(3 * TOKENS)
        assert int(refused.headers["retry-after"]) > 60


def hang_up(client: Client, path: str, **fields: object) -> None:
    """Read the beginning of a stream that is longer than all buffers in between, then go away."""
    body = {**HELLO, "stream": True, "messages": [{"role": "user", "content": "hello " * 20_000}], **fields}
    content = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ann\r\nx-stub-chunks: 10000\r\n"
    with socket.create_connection(client.running.address(80), timeout=DEADLINE) as connection:
        connection.sendall(f"{head}content-length: {len(content)}\r\n\r\n".encode() + content)
        got = b""
        while len(got) < 2000:
            more = connection.recv(4096)
            assert more, got
            got += more


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/claude/v1/chat/completions", "/claude/v1/messages"])
def test_a_client_that_hangs_up_is_charged(path: str) -> None:
    with serving(*BASE, policy("tokensPerMinute: 20000")) as client:
        hang_up(client, path, **({"max_tokens": 60_000} if path.endswith("messages") else {}))
        # 120,000 bytes of input are 30,000 tokens by estimate; an Anthropic stream tells its input at its start.
        refused = client.await_status(429, "ann")
        assert refused.headers["x-ratelimit-limit"] == "20000"
        assert client.chat("bob").status_code == 200


def test_a_limit_that_warns_lets_requests_pass() -> None:
    with serving(*BASE, policy("requestsPerMinute: 1, onLimit: warn")) as client:
        assert "x-ratelimit-warning" not in client.chat().headers
        for answer in (client.chat(), client.message()):
            assert answer.status_code == 200
            assert answer.headers["x-ratelimit-warning"] == "default/budget"
        client.running.await_word("warning: rate limits: TokenPolicy/default/budget#spec.requestsPerMinute is reached")


def test_requests_wait_for_room_and_are_refused_when_there_is_none() -> None:
    """Both take the five seconds that a request waits; the counters of one of the clients are emptied meanwhile."""
    with private_redis() as redis:
        options = CompanionOptions(ratelimit=redis.url)
        with serving(*BASE, policy("requestsPerMinute: 1, onLimit: queue"), companions=options) as client:
            assert client.chat("ann").status_code == client.chat("bob").status_code == 200
            with Redis.from_url(redis.url) as counters, ThreadPoolExecutor(2) as pool:
                kept = counters.keys()
                began = time.monotonic()
                waiting = pool.submit(client.chat, "ann")
                # Emptied before she asks, they would let her through at once.
                assert not wait([waiting], timeout=1).done
                counters.delete(*kept)
                assert waiting.result().status_code == 200
                took = time.monotonic() - began
                assert 4 < took < 8
                assert client.chat("ann").status_code == 429


def test_the_strictest_of_several_policies_answers_and_what_it_refuses_counts_for_no_other() -> None:
    texts = (policy("requestsPerMinute: 2"), policy("requestsPerMinute: 5, scope: global", "all", GATEWAY_TARGET))
    with serving(*BASE, *texts) as client:
        assert [client.chat("ann").status_code for _ in range(10)] == [200, 200, *[429] * 8]
        assert [client.chat("bob").status_code for _ in range(3)] == [200, 200, 429]
        # Of five requests for all, four have been let through.
        found = [client.chat("eve") for _ in range(2)]
        assert [one.status_code for one in found] == [200, 429]
        assert found[1].headers["x-ratelimit-limit"] == "5"


def test_a_request_counts_once_however_often_it_is_tried() -> None:
    retried = ai_service("gpt", "openai", "gpt-4o", ", retry: {maxRetries: 3, backoff: 10ms}")
    with serving(gateway(), ROUTE, retried, SERVICES[1], policy("requestsPerMinute: 2")) as client:
        failing = {"authorization": "Bearer ann", "x-stub-status": "503"}
        assert client.http.post("/v1/chat/completions", json=HELLO, headers=failing).status_code == 503
        assert [client.chat().status_code for _ in range(2)] == [200, 429]


def test_a_rule_and_a_service_and_a_reference_have_their_own_budgets() -> None:
    referring = ai_service("claude", "anthropic", "claude-sonnet-5", ", tokenPolicyRef: messages")
    texts = (
        policy("requestsPerMinute: 1", "section", ROUTE_TARGET.replace("chat", "chat, sectionName: gpt")),
        policy("requestsPerMinute: 2", "messages").replace(f"targetRefs: [{ROUTE_TARGET}], ", ""),
    )
    with serving(gateway(), ROUTE, SERVICES[0], referring, *texts) as client:
        assert [client.chat().status_code for _ in range(2)] == [200, 429]
        assert [client.message().status_code for _ in range(3)] == [200, 200, 429]


def test_users_and_models_and_rules_are_counted_apart() -> None:
    scopes = {"user": "perUser", "model": "model", "route": "route"}
    for scope, word in scopes.items():
        with serving(*BASE, policy(f"requestsPerMinute: 1, scope: {word}")) as client:
            if scope == "user":
                found = [client.chat(user="ann"), client.message(metadata={"user_id": "ann"}), client.chat(user="bob")]
                found += [client.chat(), client.chat("other-key")]
                assert [one.status_code for one in found] == [200, 429, 200, 200, 429]
            elif scope == "model":
                found = [client.chat(model="a"), client.message(model="a"), client.chat(model="b")]
                assert [one.status_code for one in found] == [200, 429, 200]
            else:
                found = [client.chat("ann"), client.message("ann"), client.chat("bob")]
                assert [one.status_code for one in found] == [200, 200, 429]


def test_a_model_that_stands_in_answers_when_the_tokens_of_the_first_are_used_up() -> None:
    chain = ", fallback: {chains: [{fallbacks: [{model: gpt-4o-mini}]}]}"
    texts = (gateway(), ROUTE, ai_service("gpt", "openai", "gpt-4o", chain), SERVICES[1])
    with serving(*texts, policy(f"tokensPerMinute: {2 * TOKENS}, requestsPerMinute: 900, onLimit: degrade")) as client:
        seen: list[str] = []
        deadline = time.monotonic() + DEADLINE
        while not seen or seen[-1] == "gpt-4o":
            assert time.monotonic() < deadline
            seen.append(client.chat().json()["model"])
        assert seen[-1] == "gpt-4o-mini"
        assert 2 <= len(seen) - 1 <= 4
        assert client.chat("bob").json()["model"] == "gpt-4o"
        # A service without one refuses.
        assert [client.message().status_code for _ in range(1)] == [429]


def test_what_a_request_asks_for_is_reserved_until_it_is_charged() -> None:
    with serving(*BASE, policy("tokensPerMinute: 100, reserve: true")) as client:
        assert client.chat(max_tokens=90).status_code == 200
        # Six have been used, and the rest was given back.
        found = client.await_status(200, "ann")
        assert 80 <= int(found.headers["x-ratelimit-remaining"]) <= 94
        assert client.chat(max_tokens=1000).status_code == 429
        assert client.chat(max_tokens=50).status_code == 200


def test_plain_routes_have_limits_too_and_calls_of_grpc_are_refused_in_their_way() -> None:
    grpc_route = """
    apiVersion: gateway.networking.k8s.io/v1
    kind: GRPCRoute
    metadata: {name: calls}
    spec:
      parentRefs: [{name: web, sectionName: calls}]
      rules: [{matches: [{method: {service: shop.Shop}}], backendRefs: [{name: shop, port: 80}]}]
    """
    target = "{group: gateway.networking.k8s.io, kind: GRPCRoute, name: calls}"
    listeners = gateway("name: http, port: 80, protocol: HTTP", "name: calls, port: 81, protocol: HTTP")
    plain = PLAIN.replace("{name: web}", "{name: web, sectionName: http}")
    texts = (listeners, plain, services("shop"), policy("requestsPerMinute: 2", target="{kind: Service, name: shop}"))
    more = policy("requestsPerMinute: 1, scope: ip", "calls", target)
    with serving(*texts, grpc_route, more, ports=(80, 81)) as client:
        headers = {"authorization": "Basic YW5uOnNlY3JldA=="}
        found = [client.http.get("/plain", headers=headers) for _ in range(2)]
        found.append(client.http.get("/plain", headers={"x-api-key": "ann"}))
        assert [one.status_code for one in found] == [200, 200, 429]
        assert found[2].json()["error"]["type"] == "rate_limit_exceeded"
        assert client.http.get("/plain").status_code == 200
        host, port = client.running.address(81)
        with grpc.insecure_channel(f"{host}:{port}") as channel:
            call = channel.unary_unary("/shop.Shop/Buy", None, None)
            call(b"", timeout=DEADLINE)
            with pytest.raises(grpc.RpcError) as failed:
                call(b"", timeout=DEADLINE)
        assert failed.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "limit" in failed.value.details()


class _Model(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        usage = {"prompt_tokens": 40, "completion_tokens": 60, "total_tokens": 100}
        content = json.dumps({"object": "chat.completion", "model": "m", "usage": usage}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def model_server() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Model)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_tokens_of_a_plain_service_are_read_from_its_answers(model_server: str) -> None:
    texts = (gateway(), PLAIN, services("shop"), policy("tokensPerMinute: 250", target="{kind: Service, name: shop}"))
    with serving(*texts, resolutions=[parse_resolution(f"shop={model_server}")]) as client:
        found = [client.chat(path="/plain/v1/chat/completions") for _ in range(3)]
        assert [one.status_code for one in found] == [200] * 3
        deadline = time.monotonic() + DEADLINE
        while (answer := client.chat(path="/plain/v1/chat/completions")).status_code == 200:
            assert time.monotonic() < deadline
        assert answer.headers["x-ratelimit-limit"] == "250"
        assert client.running.rules() == ["token-policy-plain"]


@pytest.mark.parametrize("mode", ["allow", "deny"])
def test_several_gateways_share_limits_in_redis_and_do_as_they_are_told_without_it(mode: str) -> None:
    text = policy(f"requestsPerMinute: 4, failureMode: {mode}")
    with private_redis() as redis:
        options = CompanionOptions(ratelimit=redis.url)
        with serving(*BASE, text, companions=options) as one, serving(*BASE, text, companions=options) as other:
            found = [client.chat().status_code for client in (one, other, one, other, one, other)]
            assert found == [200] * 4 + [429] * 2
            assert other.chat("bob").status_code == 200
            redis.stop()
            assert one.chat().status_code == (200 if mode == "allow" else 500)
            one.running.await_word("warning: rate limits: the counters are away")


@pytest.mark.parametrize("spec", ["tokensPerMinute: 5, scope: tenant", "onLimit: beg", "tokensPerMinute: lots"])
def test_a_policy_that_cannot_be_kept_closes_what_it_is_for(spec: str) -> None:
    with serving(*BASE, PLAIN, services("shop"), policy(spec)) as client:
        assert client.chat().status_code == client.message().status_code == 500
        assert client.http.get("/plain").status_code == 200


def test_a_limit_changes_while_requests_run() -> None:
    with serving(*BASE, policy("requestsPerMinute: 1")) as client:
        assert [client.chat().status_code for _ in range(2)] == [200, 429]
        client.running.write(join(*BASE, policy("requestsPerMinute: 3")))
        # What was counted stays counted.
        client.await_status(200, "ann")
        assert [client.chat().status_code for _ in range(2)] == [200, 429]
