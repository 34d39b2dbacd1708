"""Spans of AI requests arrive at an OTLP collector, in the client's trace and with what the answer has used."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from typing import Any

from usage_gateway import DEADLINE, rule, usage_gateway

from anygate.envoy.api import message
from anygate.envoy.recording import Tracing

CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "a secret question"}]}
RULES = [rule("chat"), rule("messages"), rule("embeddings")]
TRACE, PARENT = "ab" * 16, "cd" * 8
REQUEST = "opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest"


class Collector:
    """An OTLP/HTTP receiver. `spans` gets every span, `requests` the path and headers of every message."""

    def __init__(self) -> None:
        self.spans: Queue[Any] = Queue()
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        outer = self

        class Take(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["content-length"]))
                outer.requests.append((self.path, {key.lower(): value for key, value in self.headers.items()}, raw))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()
                for one in message(REQUEST).FromString(raw).resource_spans:
                    for scope in one.scope_spans:
                        for span in scope.spans:
                            outer.spans.put(span)

            def log_message(self, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Take)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"

    def next(self) -> tuple[Any, dict[str, Any]]:
        """The next span, with its attributes."""
        span = self.spans.get(timeout=DEADLINE)
        return span, {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


@contextmanager
def collector() -> Iterator[Collector]:
    found = Collector()
    thread = threading.Thread(target=found.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found.http.shutdown()
        thread.join()
        found.http.server_close()


def test_a_span_has_the_usage_and_belongs_to_the_clients_trace(tmp_path: Path) -> None:
    env = {**os.environ, "OTEL_EXPORTER_OTLP_HEADERS": "x-collector-key=very%20secret"}
    with (
        collector() as received,
        usage_gateway(tmp_path, RULES, "--otlp", received.url, env=env, tracing=Tracing("shop")) as found,
    ):
        headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "agent-session-id": "talk-1"}
        usage = found.post("/v1/chat/completions", CHAT, headers).json()["usage"]
        span, seen = received.next()
        dump = found.envoy.ask_admin("/config_dump")
        ((path, sent, raw),) = received.requests
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, PARENT)
    assert seen["openinference.span.kind"] == "LLM"
    assert (seen["llm.model_name"], seen["llm.provider"]) == ("gpt-4o", "openai")
    assert seen["llm.token_count.prompt"] == usage["prompt_tokens"]
    assert seen["llm.token_count.completion"] == usage["completion_tokens"]
    assert seen["llm.token_count.total"] == usage["total_tokens"]
    assert seen["session.id"] == "talk-1"
    assert seen["anygate.route"] == "default/ai"
    # Bodies are nobody's business, and the collector's key not even Envoy's.
    assert b"secret question" not in raw
    assert (path, sent["x-collector-key"]) == ("/v1/traces", "very secret")
    assert "very secret" not in dump
    assert "very secret" not in found.services.said()


def test_the_provider_sees_the_span_as_its_parent_and_other_requests_are_no_model_calls(tmp_path: Path) -> None:
    with collector() as received, usage_gateway(tmp_path, RULES, "--otlp", received.url, tracing=Tracing()) as found:
        found.post("/v1/embeddings", {"model": "text-embedding-3-small", "input": "words"})
        _, embedding = received.next()
        found.client.get("/plain")
        _, plain = received.next()
        found.post("/v1/chat/completions", CHAT, {"traceparent": f"00-{TRACE}-{PARENT}-00"})
        found.post("/v1/chat/completions", CHAT, {"x-stub-status": "500"})
        failed, seen = received.next()
    assert embedding["openinference.span.kind"] == "EMBEDDING"
    assert not {name for name in plain if name.startswith(("llm.", "openinference."))}
    # The one that its client did not want to have sampled is not among them.
    assert (seen["http.status_code"], seen["llm.model_name"]) == ("500", "gpt-4o")
    assert "llm.token_count.total" not in seen
    assert failed.status.code == 2
