"""AI requests are accounted for: exactly once each, whatever becomes of them."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from usage_gateway import Running, rule, usage_gateway

from anygate.services.access_log.entry import hash_key

CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello there, how are you?"}]}
MESSAGES = {**CHAT, "model": "claude-sonnet-5", "max_tokens": 1000}
COSTS = {"total": "total_tokens", "money": "input_tokens * 2 + output_tokens * 10"}
RULES = [rule("chat", COSTS), rule("messages"), rule("embeddings")]


def body(request: dict[str, Any], **fields: Any) -> bytes:
    return json.dumps({**request, **fields}).encode()


def hang_up(found: Running, path: str, content: bytes, enough: int, *headers: str) -> bytes:
    """Read a stream until `enough` bytes have come, then go away."""
    lines = [f"POST {path} HTTP/1.1", "host: web", f"content-length: {len(content)}", *headers, "", ""]
    with socket.create_connection(("127.0.0.1", found.envoy.port), timeout=20) as connection:
        connection.sendall("\r\n".join(lines).encode() + content)
        got = b""
        while len(got) < enough:
            more = connection.recv(4096)
            assert more, got
            got += more
    return got


def test_an_answer_is_accounted_for_with_everything_known_of_it(tmp_path: Path) -> None:
    with usage_gateway(tmp_path, RULES) as found:
        headers = {"authorization": "Bearer sk-caller", "agent-session-id": "talk-1"}
        answer = found.post("/v1/chat/completions", CHAT, headers).json()
        (row,) = found.services.rows(1)
    usage = answer["usage"]
    assert (row.route, row.rule) == ("default/ai", "AIGatewayRoute/default/ai/rule/chat/match/0")
    assert (row.endpoint, row.backend) == ("chat", "openai.default")
    assert (row.provider, row.format) == ("default/openai", "OpenAI")
    assert (row.model, row.sent_model, row.answered_model) == ("gpt-4o", "", "gpt-4o")
    assert (row.input_tokens, row.output_tokens) == (usage["prompt_tokens"], usage["completion_tokens"])
    assert row.total_tokens == usage["total_tokens"]
    assert row.costs == {
        "total": usage["total_tokens"],
        "money": 2 * usage["prompt_tokens"] + 10 * usage["completion_tokens"],
    }
    assert (row.status, row.outcome, row.stream, row.estimated, row.attempts) == (200, "ok", False, False, 1)
    assert row.ttft_ms is not None
    assert 0 < row.ttft_ms <= row.duration_ms
    assert row.session == "talk-1"
    # The caller's key and not the provider's, which is in its place by the end.
    assert row.key_hash == hash_key("Bearer sk-caller") == hash_key("sk-caller")


def test_no_key_is_kept_anywhere(tmp_path: Path) -> None:
    with usage_gateway(tmp_path, RULES) as found:
        found.post("/v1/chat/completions", CHAT, {"authorization": "Bearer sk-caller-secret"})
        found.services.rows(1)
        dump = found.envoy.ask_admin("/config_dump")
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert b"sk-caller-secret" not in kept
    assert "sk-caller-secret" not in dump


def test_a_thousand_requests_are_a_thousand_rows(tmp_path: Path) -> None:
    with usage_gateway(tmp_path, RULES) as found:

        def ask(number: int) -> int:
            path, request = (("/v1/chat/completions", CHAT), ("/v1/messages", MESSAGES))[number % 2]
            return found.post(path, {**request, "stream": number % 4 > 1}).status_code

        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(ask, range(1000))) == {200}
        rows = found.services.rows(1000)
    assert len({row.request_id for row in rows}) == 1000
    assert sum(row.stream for row in rows) == 500
    assert all(row.total_tokens for row in rows)
    assert {row.estimated for row in rows if not row.stream or row.endpoint == "messages"} == {False}


def test_other_requests_are_not_accounted_for(tmp_path: Path) -> None:
    with usage_gateway(tmp_path, RULES) as found:
        assert found.client.get("/plain").status_code == 200
        found.post("/v1/chat/completions", CHAT)
        (row,) = found.services.rows(1)
    assert row.endpoint == "chat"


@pytest.mark.parametrize("endpoint", ["chat", "messages"])
def test_a_client_that_hangs_up_is_accounted_for(tmp_path: Path, endpoint: str) -> None:
    path, request = {"chat": ("/v1/chat/completions", CHAT), "messages": ("/v1/messages", MESSAGES)}[endpoint]
    with usage_gateway(tmp_path, RULES) as found:
        # More than fits between the provider and us while we do not read.
        headers = ("x-stub-chunks: 10000", "content-type: application/json", "anthropic-version: 2023-06-01")
        hang_up(found, path, body(request, stream=True), 1000, *headers)
        (row,) = found.services.rows(1)
    assert (row.outcome, row.estimated, row.stream) == ("hung_up", True, True)
    assert row.total_tokens == (row.input_tokens or 0) + (row.output_tokens or 0)
    assert row.output_tokens


def test_a_stream_without_its_usage_is_estimated(tmp_path: Path) -> None:
    with usage_gateway(tmp_path, RULES) as found:
        found.post("/v1/chat/completions", {**CHAT, "stream": True}, {"x-stub-chunks": "50"})
        found.post(
            "/v1/chat/completions",
            {**CHAT, "stream": True, "stream_options": {"include_usage": True}},
            {"x-stub-chunks": "50"},
        )
        guessed, told = found.services.rows(2)
    assert (guessed.estimated, told.estimated) == (True, False)
    assert guessed.outcome == told.outcome == "ok"
    assert guessed.costs is not None
    assert guessed.costs["total"] == guessed.total_tokens
    assert 25 <= (guessed.output_tokens or 0) <= 100


def test_a_provider_that_breaks_off_is_accounted_for(tmp_path: Path) -> None:
    with usage_gateway(tmp_path, RULES) as found:
        with pytest.raises(Exception, match=r"peer closed|incomplete|closed"):
            found.post("/v1/messages", {**MESSAGES, "stream": True}, {"x-stub-chunks": "50", "x-stub-cut": "10"})
        (row,) = found.services.rows(1)
        whole = found.post("/v1/messages", MESSAGES).json()["usage"]
    assert (row.outcome, row.estimated) == ("cut", True)
    # What the stream said at its start is known, and no estimate.
    assert row.input_tokens == whole["input_tokens"]
    assert row.sent_model == "claude-override"


@pytest.mark.parametrize(
    ("headers", "content", "path", "outcome", "status"),
    [
        ({"x-stub-status": "500"}, None, "/v1/chat/completions", "error", 500),
        ({"x-stub-status": "429"}, None, "/v1/chat/completions", "error", 429),
        ({"x-stub-reset": "1"}, None, "/v1/chat/completions", "failed", 503),
        ({}, b"{oops", "/v1/chat/completions", "error", 400),
        ({}, None, "/v1/nowhere", "refused", 404),
    ],
)
def test_what_has_no_usage_has_no_tokens(
    tmp_path: Path, headers: dict[str, str], content: bytes | None, path: str, outcome: str, status: int
) -> None:
    with usage_gateway(tmp_path, RULES) as found:
        sent = content or body(CHAT)
        answer = found.client.post(path, content=sent, headers={**headers, "content-type": "application/json"})
        (row,) = found.services.rows(1)
    assert (answer.status_code, row.status, row.outcome) == (status, status, outcome)
    assert (row.input_tokens, row.total_tokens, row.estimated) == (None, None, False)


def test_embeddings_have_a_total(tmp_path: Path) -> None:
    with usage_gateway(tmp_path, RULES) as found:
        found.post("/v1/embeddings", {"model": "text-embedding-3-small", "input": "some words to embed"})
        (row,) = found.services.rows(1)
    assert row.input_tokens
    assert (row.output_tokens, row.total_tokens, row.estimated) == (0, row.input_tokens, False)


def test_requests_do_not_need_the_services(tmp_path: Path) -> None:
    with usage_gateway(tmp_path, RULES) as found:
        found.post("/v1/chat/completions", CHAT)
        found.services.rows(1)
        found.services.stop()
        assert found.post("/v1/chat/completions", CHAT).status_code == 200
        found.services.start()
        found.post("/v1/messages", MESSAGES)
        # Entries that came while nobody was there may be lost.
        assert found.services.row_with(endpoint="messages").outcome == "ok"


def test_envoys_come_and_go(tmp_path: Path) -> None:
    with usage_gateway(tmp_path, RULES) as found:
        found.post("/v1/chat/completions", CHAT)
        found.services.rows(1)
        with found.another_envoy() as client:
            assert client.post("/v1/chat/completions", json=CHAT).status_code == 200
            found.services.rows(2)
        found.post("/v1/chat/completions", CHAT)
        found.services.rows(3)


def test_the_access_log_file_has_usage_for_ai_requests_alone(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    routes = [rule("chat", COSTS), rule("messages", {"total": "input_tokens"}, "default/other")]
    with usage_gateway(tmp_path, routes, access_log=str(path)) as found:
        found.client.get("/plain")
        usage = found.post("/v1/chat/completions", CHAT).json()["usage"]
        claude = found.post("/v1/messages", MESSAGES).json()["usage"]
    # Envoy writes its files out in the end.
    plain, chat, messages = map(json.loads, path.read_text().splitlines())
    assert (plain["path"], plain["status"]) == ("/plain", 200)
    assert "model" not in plain
    assert plain.keys() < chat.keys()
    assert chat["backend"] == "openai"
    assert (chat["model"], chat["response_model"], chat["provider"]) == ("gpt-4o", "gpt-4o", "default/openai")
    assert (chat["endpoint"], chat["format"]) == ("chat", "OpenAI")
    assert (chat["input_tokens"], chat["total_tokens"]) == (usage["prompt_tokens"], usage["total_tokens"])
    assert chat["costs"]["money"] == 2 * usage["prompt_tokens"] + 10 * usage["completion_tokens"]
    assert chat["costs"]["total"] == usage["total_tokens"]
    # A key that two routes reckon differently, and one that only one of them has.
    assert (messages["costs"]["total"], messages["costs"]["money"]) == (claude["input_tokens"], None)
    assert chat["ttft_ms"] >= 0
