import gzip
import itertools
import json
import tracemalloc

import pytest

from anygate.providers import Backend, BackendFormat, ClientFormat, Exchange, Refusal, render_losses
from anygate.providers.losses import HEADER_LIMIT, Loss

REQUEST = {"model": "smart", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}
ANSWER = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-x",
    "content": [{"type": "text", "text": "hello"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 3, "output_tokens": 2},
}
START = b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","model":"c"}}\n\n'
DELTA = (
    b"event: content_block_delta\n"
    b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"abc"}}\n\n'
)


def open_exchange(client=ClientFormat.CHAT, kind=BackendFormat.ANTHROPIC, headers=None, **settings) -> Exchange:
    counter = itertools.count(1)
    backend = Backend(format=kind, **settings)
    return Exchange(client, backend, headers=headers, clock=lambda: 5.0, new_id=lambda: str(next(counter)))


def ask(exchange: Exchange, **more):
    return exchange.convert_request(json.dumps(REQUEST | more).encode())


def test_credentials_and_framing_headers_are_not_forwarded():
    headers = {
        "Authorization": "Bearer k",
        "X-API-Key": "k",
        "Cookie": "c",
        "Content-Length": "9",
        "Accept-Encoding": "br",
        "X-Stainless-Lang": "python",
        "X-Ai-Eg-Model": "m",
        "Traceparent": "00-1",
    }
    sent = dict(ask(open_exchange(headers=headers)).headers)
    assert sent == {
        "traceparent": "00-1",
        "accept": "application/json",
        "content-type": "application/json",
        "anthropic-version": "2023-06-01",
    }


def test_gzip_answers_are_read():
    exchange = open_exchange()
    ask(exchange)
    _, headers = exchange.start_response(
        200, [("content-type", "application/json"), ("content-encoding", "gzip"), ("content-length", "1"), ("x-a", "1")]
    )
    assert headers == [("x-a", "1"), ("content-type", "application/json")]
    body = gzip.compress(json.dumps(ANSWER).encode())
    assert exchange.feed(body[:20]) == b""
    assert exchange.feed(body[20:]) == b""
    assert json.loads(exchange.finish())["choices"][0]["message"]["content"] == "hello"
    assert (exchange.usage.input, exchange.usage.output, exchange.response_model) == (3, 2, "claude-x")


@pytest.mark.parametrize("encoding", ["br", "gzip"])
def test_unreadable_encoding_is_a_502(encoding):
    exchange = open_exchange()
    ask(exchange)
    exchange.start_response(200, [("content-type", "application/json"), ("content-encoding", encoding)])
    exchange.feed(b"no gzip at all")
    assert json.loads(exchange.finish())["error"]["code"] == "502"
    assert exchange.status == 502


@pytest.mark.parametrize(("kind", "status"), [("closed", 502), ("reset", 502), ("timeout", 504), ("connect", 503)])
def test_failing_before_the_answer(kind, status):
    exchange = open_exchange(ClientFormat.MESSAGES, BackendFormat.OPENAI)
    ask(exchange)
    body = json.loads(exchange.fail(kind))
    assert body["type"] == "error"
    assert exchange.status == status
    assert exchange.response_headers == [("content-type", "application/json")]
    assert exchange.fail(kind) == b""


def test_failing_midway_ends_the_stream_once():
    exchange = open_exchange()
    ask(exchange, stream=True)
    exchange.start_response(200, [("content-type", "text/event-stream; charset=utf-8")])
    assert not exchange.buffered
    exchange.feed(START)
    written = exchange.fail("reset")
    assert written.startswith(b'data: {"type":"error"')
    assert written.endswith(b"data: [DONE]\n\n")
    assert exchange.feed(DELTA) == b""
    assert exchange.finish() == b""


def test_an_error_answer_to_a_stream_request_is_a_plain_body():
    exchange = open_exchange()
    ask(exchange, stream=True)
    exchange.start_response(529, [("content-type", "application/json"), ("retry-after", "3")])
    assert exchange.buffered
    exchange.feed(b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}')
    assert json.loads(exchange.finish())["error"]["type"] == "overloaded_error"
    assert exchange.status == 529
    assert ("retry-after", "3") in exchange.response_headers


def test_unsupported_pair_is_422():
    exchange = open_exchange(ClientFormat.COMPLETIONS, BackendFormat.COHERE)
    refusal = ask(exchange)
    assert isinstance(refusal, Refusal)
    assert refusal.status == 422


@pytest.mark.parametrize("body", [b"", b" ", b"[]", b"null", b"{", b"\xff", b'{"model":1}', b"\xef\xbb\xbf{}"])
@pytest.mark.parametrize("client", [ClientFormat.CHAT, ClientFormat.RESPONSES, ClientFormat.MESSAGES])
@pytest.mark.parametrize("kind", [BackendFormat.OPENAI, BackendFormat.ANTHROPIC, BackendFormat.AWS_BEDROCK])
def test_malformed_bodies_are_400_in_the_clients_format(client, kind, body):
    refusal = open_exchange(client, kind).convert_request(body)
    assert isinstance(refusal, Refusal)
    assert refusal.status == 400
    error = json.loads(refusal.body)["error"]
    assert error["type"] == ("invalid_request_error" if client.is_anthropic else "BadRequest")


def test_local_refusals_take_the_clients_format():
    refusal = open_exchange(ClientFormat.MESSAGES, BackendFormat.OPENAI).refuse(404, "no such model")
    assert json.loads(refusal.body)["error"] == {"type": "not_found_error", "message": "no such model"}


def test_a_long_stream_keeps_no_memory():
    exchange = open_exchange()
    ask(exchange, stream=True)
    exchange.start_response(200, [("content-type", "text/event-stream")])
    exchange.feed(START)
    for _ in range(500):
        exchange.feed(DELTA)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(20_000):
        exchange.feed(DELTA)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 20_000


def test_one_large_event_in_tiny_pieces_is_linear():
    exchange = open_exchange()
    ask(exchange, stream=True)
    exchange.start_response(200, [("content-type", "text/event-stream")])
    event = DELTA.replace(b"abc", b"x" * 300_000)
    out = b"".join(exchange.feed(event[at : at + 3]) for at in range(0, len(event), 3))
    assert len(out) > 300_000


def test_loss_header_is_printable_and_short():
    losses = tuple(Loss(f"field\n{at}é", "not a field the target knows") for at in range(100))
    line = render_losses(losses)
    assert len(line) <= HEADER_LIMIT
    assert line.isprintable()
    assert line.isascii()


def test_passing_through_changes_nothing_but_the_model():
    exchange = open_exchange(kind=BackendFormat.OPENAI, model="gpt-x", prefix="/api/v2/")
    body = b'{ "future":  {"a":1.10},"model" : "smart", "messages":[ ] }'
    upstream = exchange.convert_request(body)
    assert upstream.path == "/api/v2/chat/completions"
    assert upstream.body == body.replace(b'"smart"', b'"gpt-x"')


def test_azure_keeps_the_clients_model_in_the_body():
    upstream = ask(open_exchange(kind=BackendFormat.AZURE_OPENAI, model="dep/1", version="2025-01-01"))
    assert upstream.path == "/openai/deployments/dep%2F1/chat/completions?api-version=2025-01-01"
    assert json.loads(upstream.body)["model"] == "smart"


def test_legacy_servers_get_max_tokens():
    exchange = open_exchange(ClientFormat.MESSAGES, BackendFormat.OPENAI, legacy_max_tokens=True)
    assert json.loads(ask(exchange).body)["max_tokens"] == 5


def test_a_gemini_signature_never_reaches_claude():
    block = {"type": "thinking", "thinking": "t", "signature": "gemini:abc"}
    messages = [*REQUEST["messages"], {"role": "assistant", "content": "x", "thinking_blocks": [block]}]
    exchange = open_exchange()
    assert b"thinking" not in ask(exchange, messages=messages).body
    assert exchange.losses


def test_beta_features_that_the_backend_does_not_have_are_named():
    exchange = Exchange(
        ClientFormat.MESSAGES, Backend(format=BackendFormat.OPENAI), headers={"anthropic-beta": "context-1m-2025-08-07"}
    )
    exchange.convert_request(b'{"model":"gpt-4o","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}')
    assert [loss.path for loss in exchange.losses] == ["anthropic-beta"]
