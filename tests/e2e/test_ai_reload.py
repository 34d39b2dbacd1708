"""AI traffic while the manifests change and while processes beside Envoy are killed."""

import os
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
from ai_clients import AI, NATIVE, PAIRS, PATHS, PORT, Gateway, ai_gateway, check_error, read_stream, request, told
from mcp_servers import McpUpstream, mcp_route
from mcp_servers import backend as tools_backend
from raw_provider import Asked, RawProvider
from running import DEADLINE, gateway, join, run_manifests

from anygate.runner.companions import CompanionOptions

CLIENTS = 8
RELOADS = 10
FORMS = ("chat", "responses", "messages")


class Load:
    """Clients that ask, one request after the other, until told to stop; what became of each request is kept."""

    def __init__(self, ai: Gateway, pairs: list[tuple[str, str]]) -> None:
        self._ai = ai
        self._pairs = pairs
        self._stop = threading.Event()
        self._turn = threading.Condition()
        self._count = 0
        self.seen: Counter[str] = Counter()

    def ask(self, client: int) -> None:
        number = client
        while not self._stop.is_set():
            form, model = self._pairs[number % len(self._pairs)]
            outcome = self._ask_once(form, model, f"client {client}, number {number}", stream=number % 2 == 0)
            number += 1
            with self._turn:
                self.seen[outcome] += 1
                self._count += 1
                self._turn.notify_all()

    def _ask_once(self, form: str, model: str, text: str, *, stream: bool) -> str:
        body = request(form, model, text, stream=stream)
        headers = {"x-stub-chunks": "20"} if stream else {}
        try:
            answer = self._ai.client.post(PATHS[form], json=body, headers=headers)
        except httpx2.TransportError:
            return "broken off"
        if answer.status_code != 200:
            check_error(form, answer)
            return f"{answer.status_code} {answer.text}"
        found = read_stream(form, answer.text) if stream else None
        if found and not found.is_whole:
            return "ended with an error"
        assert (found.text if found else told(form, answer.json())) == f"You said: {text}"
        return "ok"

    def await_more(self, count: int) -> None:
        """Wait for so many more requests."""
        with self._turn:
            wanted = self._count + count
            assert self._turn.wait_for(lambda: self._count >= wanted, DEADLINE)

    def stop(self) -> None:
        self._stop.set()


@contextmanager
def loading(ai: Gateway, pairs: list[tuple[str, str]]) -> Iterator[Load]:
    """Clients at work until the block ends."""
    load = Load(ai, pairs)
    with ThreadPoolExecutor(CLIENTS) as pool:
        asking = [pool.submit(load.ask, client) for client in range(CLIENTS)]
        try:
            yield load
        finally:
            load.stop()
        for one in asking:
            one.result()


def backend(name: str, schema: str, host: str) -> str:
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
        spec: {{endpoints: [{{fqdn: {{hostname: {host}, port: 80}}}}]}}
        """,
    )


def manifests(number: int) -> str:
    """The same models each time, served with other weights, overrides, keys and costs."""
    keyed = ("openai", "claude")[number % 2]
    override = f", modelNameOverride: claude-{number}" if number % 2 else ""
    return join(
        gateway(),
        backend("openai", "OpenAI", "openai.invalid"),
        backend("other", "OpenAI", "other.invalid"),
        backend("claude", "Anthropic", "claude.invalid"),
        f"""
        apiVersion: aigateway.envoyproxy.io/v1beta1
        kind: BackendSecurityPolicy
        metadata: {{name: key}}
        spec:
          targetRefs: [{{group: aigateway.envoyproxy.io, kind: AIServiceBackend, name: {keyed}}}]
          type: APIKey
          apiKey: {{secretRef: {{name: key}}}}
        """,
        f"""
        apiVersion: v1
        kind: Secret
        metadata: {{name: key}}
        stringData: {{apiKey: the-key-{number}}}
        """,
        f"""
        apiVersion: aigateway.envoyproxy.io/v1beta1
        kind: AIGatewayRoute
        metadata: {{name: ai}}
        spec:
          parentRefs: [{{name: web, kind: Gateway, group: gateway.networking.k8s.io}}]
          llmRequestCosts: [{{metadataKey: cost, type: CEL, cel: "input_tokens * {number + 1}"}}]
          rules:
          - matches: [{{headers: [{{type: Exact, name: x-ai-eg-model, value: gpt}}]}}]
            backendRefs: [{{name: openai, weight: {number % 5 + 1}}}, {{name: other, weight: {number % 3 + 1}}}]
          - matches: [{{headers: [{{type: Exact, name: x-ai-eg-model, value: claude}}]}}]
            backendRefs: [{{name: claude{override}}}]
          - matches: [{{headers: [{{type: Exact, name: x-ai-eg-model, value: extra-{number}}}]}}]
            backendRefs: [{{name: claude, priority: 0}}, {{name: other, priority: 1}}]
        """,
    )


def test_no_request_notices_a_reload(tmp_path: Path) -> None:
    options = CompanionOptions(usage=tmp_path / "usage.db")
    pairs = [(form, model) for form in FORMS for model in ("gpt", "claude")]
    with ai_gateway(manifests(0), port=80, companions=options) as ai, loading(ai, pairs) as load:
        for number in range(1, RELOADS + 1):
            load.await_more(CLIENTS)
            ai.running.write(manifests(number))
            ai.running.await_word("reloaded")
        load.await_more(2 * CLIENTS)
        assert ai.ask("chat", f"extra-{RELOADS}").status_code == 200
        assert ai.ask("chat", f"extra-{RELOADS - 1}").status_code == 404
    assert set(load.seen) == {"ok"}, load.seen
    record = None
    while not ai.running.requests.empty():
        last = ai.running.requests.get()
        record = last if last.backend.startswith("openai") else record
    assert record is not None
    assert ("authorization", f"Bearer the-key-{RELOADS}") in record.headers


@pytest.mark.parametrize("kind", ["adapter", "services"])
def test_what_is_killed_under_load_comes_back(tmp_path: Path, kind: str) -> None:
    """Without its adapters only what they had in hand fails; without the services nothing does."""
    options = CompanionOptions(usage=tmp_path / "usage.db")
    pairs = [one for one in PAIRS if kind == "services" or one not in NATIVE]
    with run_manifests(path=AI, ports=(PORT,), companions=options) as running:
        ai = Gateway(running, PORT)
        with ai.client, loading(ai, pairs) as load:
            kills = 0
            for _ in range(3):
                load.await_more(2 * CLIENTS)
                for pid in ai.pids(kind):
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                    kills += 1
                    running.await_word("warning: ")
                load.await_more(2 * CLIENTS)
            failed = sum(count for outcome, count in load.seen.items() if outcome != "ok")
            if kind == "services":
                assert failed == 0, load.seen
            assert failed <= kills * CLIENTS, load.seen
            assert all(ai.ask(*one).status_code == 200 for one in pairs * 2)
            assert len(ai.pids("adapter")) == options.adapters
            assert len(ai.pids("envoy")) == 1


def test_no_python_touches_what_needs_no_translation() -> None:
    """The adapters' own count stays where it was, whatever is asked in a provider's own format."""
    with ai_gateway() as ai:
        for form, model in sorted(NATIVE):
            for stream in (False, True):
                assert ai.ask(form, model, stream=stream).status_code == 200
        assert ai.ask("chat", "gpt-4o", headers={"x-stub-status": "503", "x-stub-for": "openai"}).status_code == 200
        bedrock = ai.ask("messages", "claude-sonnet-5", headers={"x-stub-status": "503", "x-stub-for": "anthropic"})
        assert bedrock.status_code == 200
        assert ai.client.get("/v1/models").status_code == 200
        assert ai.ask("chat", "nobody").status_code == 404
        before = counted(ai)
        assert ai.ask("chat", "claude-sonnet-5").status_code == 200
        assert counted(ai) == before + 1
    # Anthropic's own format on Bedrock has another path and no model in the body.
    assert before == 1


def counted(ai: Gateway) -> int:
    """How many requests the adapters have had."""
    total = 0.0
    for path in sorted(ai.folder.glob("adapter-*.sock")):
        with httpx2.Client(transport=httpx2.HTTPTransport(uds=str(path))) as client:
            page = client.get("http://adapter/metrics").text
        total += sum(map(float, re.findall(r"^anygate_adapter_requests_total\{.*\} (\S+)$", page, re.MULTILINE)))
    return round(total)


def test_sessions_of_tools_outlive_the_process_that_serves_them() -> None:
    """Calls meanwhile fail with a status or wait; the same session goes on afterwards."""
    with McpUpstream("alpha") as alpha:
        manifests = (gateway(), tools_backend("alpha", alpha.port), mcp_route("alpha"))
        with run_manifests(*manifests) as running:
            ai = Gateway(running, 80)
            with ai.client:
                session = call(ai, "initialize", BEGIN).headers["mcp-session-id"]
                headers = {"mcp-session-id": session}
                assert "alpha: hi" in call(ai, "tools/call", ECHO, **headers).text
                [pid] = ai.pids("mcp")
                os.kill(pid, signal.SIGKILL)
                assert call(ai, "tools/call", ECHO, **headers).status_code in (200, 502, 503)
                running.await_word("warning: the MCP gateway")
                deadline = time.monotonic() + DEADLINE
                while (answer := call(ai, "tools/call", ECHO, **headers)).status_code != 200:
                    assert answer.status_code in (502, 503)
                    assert time.monotonic() < deadline
                assert "alpha: hi" in answer.text
                assert ai.pids("mcp") != [pid]


BEGIN = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
ECHO = {"name": "alpha__echo", "arguments": {"text": "hi"}}


def call(ai: Gateway, method: str, params: Any, **headers: str) -> httpx2.Response:
    accepted = {"accept": "application/json, text/event-stream", **headers}
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return ai.client.post("/mcp", json=body, headers=accepted)


@pytest.mark.parametrize("schema", ["OpenAI", "Anthropic"])
def test_a_reload_does_not_take_the_next_provider_from_a_request(schema: str) -> None:
    """One that waits for its first provider while the second gets another model is still answered by the second."""
    arrived, reloaded = threading.Event(), threading.Event()

    def script(_: Asked) -> bytes:
        arrived.set()
        assert reloaded.wait(DEADLINE)
        return b""

    def manifest(port: int, model: str) -> str:
        first = backend("first", "OpenAI", "127.0.0.1").replace(
            "fqdn: {hostname: 127.0.0.1, port: 80}", f"ip: {{address: 127.0.0.1, port: {port}}}"
        )
        route = f"""
        apiVersion: aigateway.envoyproxy.io/v1beta1
        kind: AIGatewayRoute
        metadata: {{name: ai}}
        spec:
          parentRefs: [{{name: web, kind: Gateway, group: gateway.networking.k8s.io}}]
          rules:
          - matches: [{{headers: [{{type: Exact, name: x-ai-eg-model, value: m}}]}}]
            backendRefs: [{{name: first}}, {{name: second, modelNameOverride: {model}, priority: 1}}]
        """
        return join(gateway(), first, backend("second", schema, "second.invalid"), route)

    with (
        RawProvider(script) as first,
        ai_gateway(manifest(first.port, "one"), port=80) as ai,
        ThreadPoolExecutor(1) as pool,
    ):
        asking = pool.submit(ai.ask, "chat", "m")
        assert arrived.wait(DEADLINE)
        ai.running.write(manifest(first.port, "two"))
        ai.running.await_word("reloaded")
        reloaded.set()
        answer = asking.result(DEADLINE)
        assert answer.status_code == 200, answer.text
        assert answer.json()["model"] == "one"
        assert ai.ask("chat", "m").json()["model"] == "two"
