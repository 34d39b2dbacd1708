"""Whatever a provider does: the client gets a well-formed error, a well-formed end, or the next provider's answer."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import anthropic
import httpx
import httpx2
import openai
import pytest
from ai_clients import (
    NATIVE,
    PAIRS,
    PATHS,
    Gateway,
    ai_gateway,
    check_error,
    check_error_body,
    read_stream,
    request,
    told,
)
from filter_gateway import Answer, Upstream
from raw_provider import Asked, RawProvider
from running import DEADLINE, gateway, join

from anygate.runner.destinations import parse_resolution

OK = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: "
JSON = OK + b"application/json\r\n"
PAGE = b"\r\nconnection: close\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>"
EVENTS = OK + b"text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
CHUNK = (
    b'data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"m",'
    b'"choices":[{"index":0,"delta":{"content":"Yo"}}]}\n\n'
)
EVENT = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"1","type":"message","role":"assistant",'
    b'"model":"m","content":[],"usage":{"input_tokens":1,"output_tokens":1}}}\n\n'
)


def chunked(*parts: bytes) -> bytes:
    return b"".join(f"{len(part):x}\r\n".encode() + part + b"\r\n" for part in parts)


CASES: dict[str, bytes | None] = {
    "closes": b"",
    "closes within the head": b"HTTP/1.1 200 OK\r\ncontent-ty",
    "closes after the head": JSON + b"content-length: 100\r\n\r\n",
    "closes within the body": JSON + b'content-length: 100\r\n\r\n{"id": "1"',
    "closes within a chunk": EVENTS + b"ff\r\ndata: {",
    "closes between chunks": EVENTS + chunked(CHUNK),
    "closes within an event": EVENTS + chunked(CHUNK[:40]),
    "ends within an event": EVENTS + chunked(CHUNK, CHUNK[:40], b""),
    "ends too early": EVENTS + chunked(CHUNK, b""),
    "says nothing": EVENTS + chunked(b""),
    "speaks no HTTP": b"\x00\xff\x13\x37" * 64,
    "has a huge head": JSON + b"x-long: " + b"x" * 100_000 + b"\r\n\r\n",
    "has an odd status": b"HTTP/1.1 999 Odd\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
    "has a bad chunk size": EVENTS + b"zz\r\n",
    "has two lengths": JSON + b"content-length: 1\r\ncontent-length: 2\r\n\r\n{}",
    "sends a page": b"HTTP/1.1 200 OK" + PAGE,
    "fails with a page": b"HTTP/1.1 502 Bad" + PAGE,
    "fails without a word": b"HTTP/1.1 500 Bad\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
    "lies about gzip": JSON + b"content-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}",
    "sends a list": JSON + b"content-length: 2\r\n\r\n[]",
    "sends an empty object": JSON + b"content-length: 2\r\n\r\n{}",
    "sends deep nesting": JSON + b"content-length: 20000\r\n\r\n" + b"[" * 20_000,
    "hangs": None,
}
WAYS = [("chat", "native"), ("chat", "claude"), ("responses", "native"), ("messages", "native"), ("messages", "claude")]


def route(name: str, *rules: str) -> str:
    text = f"""
    apiVersion: aigateway.envoyproxy.io/v1beta1
    kind: AIGatewayRoute
    metadata: {{name: {name}}}
    spec:
      parentRefs: [{{name: web, kind: Gateway, group: gateway.networking.k8s.io}}]
      rules:
    """
    return join(text).rstrip("\n") + "\n" + "\n".join(f"  - {one}" for one in rules)


def rule(model: str, *backends: str, request: str = "20s") -> str:
    match = f"[{{headers: [{{type: Exact, name: x-ai-eg-model, value: {model}}}]}}]"
    refs = ", ".join(f"{{name: {one}}}" if "name:" not in one else f"{{{one}}}" for one in backends)
    limit = f"timeouts: {{request: {request}}}, " if request else ""
    return f"{{matches: {match}, {limit}backendRefs: [{refs}]}}"


def provider(name: str, schema: str, endpoint: str) -> str:
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
        spec: {{endpoints: [{{{endpoint}}}]}}
        """,
    )


def here(port: int) -> str:
    return f"ip: {{address: 127.0.0.1, port: {port}}}"


@contextmanager
def raw_gateway() -> Iterator[Gateway]:
    """Providers of two formats at one address, whose answer is named by a header of the request."""
    with RawProvider(lambda asked: CASES[asked.headers["x-case"]]) as raw:
        texts = (
            gateway(),
            provider("openai", "OpenAI", here(raw.port)),
            provider("claude", "Anthropic", here(raw.port)),
            provider("backup", "OpenAI", "fqdn: {hostname: backup.invalid, port: 80}"),
            route(
                "ai",
                rule("native", "openai", request="400ms"),
                rule("claude", "claude", request="400ms"),
                rule("native-then", "openai", "name: backup, priority: 1"),
                rule("claude-then", "claude", "name: backup, priority: 1"),
            ),
        )
        with ai_gateway(*texts, port=80) as found:
            yield found


@pytest.fixture(scope="module")
def raw() -> Iterator[Gateway]:
    with raw_gateway() as found:
        yield found


@pytest.fixture(scope="module")
def ai() -> Iterator[Gateway]:
    with ai_gateway() as found:
        yield found


def fetch(ai: Gateway, form: str, model: str, case: str, stream: bool) -> tuple[httpx2.Response, bytes, str]:
    """The answer, its bytes, and how it broke off if it did."""
    body = request(form, model, stream=stream)
    got = b""
    with ai.client.stream("POST", PATHS[form], json=body, headers={"x-case": case}) as answer:
        try:
            for part in answer.iter_raw():
                got += part
        except httpx2.TransportError as problem:
            return answer, got, repr(problem)
    return answer, got, ""


BREAKS_OFF = {
    "closes after the head",
    "closes within the body",
    "closes within a chunk",
    "closes between chunks",
    "closes within an event",
    "has a bad chunk size",
}
BEFORE_THE_HEAD = {
    "closes": 503,
    "closes within the head": 502,
    "speaks no HTTP": 502,
    "has a huge head": 502,
    "has two lengths": 502,
    "hangs": 504,
}


def check_native(form: str, case: str, answer: httpx2.Response, got: bytes, broken: str) -> None:
    """What has begun goes on to the client byte for byte, up to its end if it has one."""
    if case in BEFORE_THE_HEAD:
        assert answer.status_code == BEFORE_THE_HEAD[case]
        check_error(form, httpx2.Response(answer.status_code, headers=answer.headers, content=got))
        return
    assert bool(broken) is (case in BREAKS_OFF)
    sent = CASES[case]
    assert sent is not None
    assert answer.status_code == int(sent[9:12])
    assert got in sent or got in sent.replace(b"\r\n", b"") or b"chunked" in sent


def check_translated(form: str, case: str, answer: httpx2.Response, got: bytes, broken: str) -> None:
    """The client gets an error or a whole stream that ends with one, never half an answer."""
    assert broken == ""
    if answer.headers["content-type"].startswith("text/event-stream"):
        assert answer.status_code == 200
        found = read_stream(form, got.decode())
        assert found.error is not None
        check_error_body(form, found.error)
        return
    assert answer.status_code == BEFORE_THE_HEAD.get(case, answer.status_code) >= 500
    check_error(form, httpx2.Response(answer.status_code, headers=answer.headers, content=got))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("form", "model"), WAYS)
def test_nothing_that_a_provider_sends_does_harm(raw: Gateway, form: str, model: str, stream: bool) -> None:
    is_native = (form, model) in {("chat", "native"), ("responses", "native"), ("messages", "claude")}

    def check(case: str) -> None:
        answer, got, broken = fetch(raw, form, model, case, stream)
        (check_native if is_native else check_translated)(form, case, answer, got, broken)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(check, CASES))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("form", "first"), [("chat", "native"), ("chat", "claude"), ("messages", "claude")])
def test_the_next_provider_gets_the_original_request(raw: Gateway, form: str, first: str, stream: bool) -> None:
    body = json.dumps(request(form, f"{first}-then", "with ümläuts", stream=stream), ensure_ascii=False).encode()
    for case in sorted(BEFORE_THE_HEAD.keys() - {"hangs"} | {"fails with a page", "fails without a word"}):
        answer = raw.client.post(PATHS[form], content=body, headers={"x-case": case})
        assert answer.status_code == 200, (case, answer.text)
        found = read_stream(form, answer.text) if stream else None
        assert (found.text if found else told(form, answer.json())) == "You said: with ümläuts"
        record = raw.running.await_request(lambda one: one.backend.startswith("backup"))
        if form == "chat":
            # Nothing of the first try: the same bytes, and their own length.
            assert record.body == body
            assert dict(record.headers).get("content-length", str(len(body))) == str(len(body))
        assert record.path == "/v1/chat/completions"


@pytest.mark.parametrize("form", ["chat", "responses"])
def test_nobody_else_is_asked_after_the_first_byte(raw: Gateway, form: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        cases = sorted(BREAKS_OFF)
        found = list(pool.map(lambda case: fetch(raw, form, "native-then", case, stream=True), cases))
    assert all(broken for _, _, broken in found)
    assert raw.running.requests.empty()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("form", "model"), PAIRS)
def test_what_stubs_do_wrong_is_an_error_in_the_clients_format(
    ai: Gateway, form: str, model: str, stream: bool
) -> None:
    for status in (429, 500, 503, 529):
        answer = ai.ask(form, model, headers={"x-stub-status": str(status)}, stream=stream)
        assert answer.status_code == status
        check_error(form, answer)
        assert (answer.headers.get("retry-after") is not None) is (status == 429)
    for headers in ({"x-stub-chunks": "6", "x-stub-cut": "4"}, {"x-stub-garbage": "1"}):
        if (form, model) in NATIVE:
            continue
        answer = ai.ask(form, model, headers=headers, stream=stream)
        if not stream:
            assert answer.status_code == 502
            check_error(form, answer)
            continue
        found = read_stream(form, answer.text)
        assert found.error is not None
        assert "You said: hello".startswith(found.text)


@pytest.mark.parametrize("model", ["native", "claude"])
def test_the_vendors_clients_understand(raw: Gateway, model: str) -> None:
    """Their own errors, for answers and for streams."""
    messages: Any = [{"role": "user", "content": "hello"}]
    key: Any = {"api_key": "k", "max_retries": 0}
    with (
        openai.OpenAI(base_url=f"{raw.url}/v1", **key) as gpt,
        anthropic.Anthropic(base_url=f"{raw.url}/anthropic", **key) as claude,
    ):
        for case, status in BEFORE_THE_HEAD.items():
            named: Any = {"model": model, "extra_headers": {"x-case": case}}
            for stream in (False, True):
                with pytest.raises(openai.APIStatusError) as refused:
                    gpt.chat.completions.create(messages=messages, stream=stream, **named)
                assert (refused.value.status_code, isinstance(refused.value.body, dict)) == (status, True)
                with pytest.raises(openai.APIStatusError):
                    gpt.responses.create(input="hello", stream=stream, **named)
                with pytest.raises(anthropic.APIStatusError) as denied:
                    claude.messages.create(messages=messages, max_tokens=9, stream=stream, **named)
                assert (denied.value.status_code, denied.value.body["type"]) == (status, "error")  # type: ignore[index]
        cut: Any = {"model": model, "extra_headers": {"x-case": "closes between chunks"}, "stream": True}
        broken = (openai.APIError, anthropic.APIError, httpx.HTTPError, httpx2.TransportError)
        with pytest.raises(broken):
            list(gpt.chat.completions.create(messages=messages, **cut))
        with pytest.raises(broken):
            list(claude.messages.create(messages=messages, max_tokens=9, **cut))
        if model == "native":
            with pytest.raises(broken):
                list(gpt.responses.create(input="hello", **cut))
        else:
            assert [event.type for event in gpt.responses.create(input="hello", **cut)][-1] == "response.failed"


CHAT_ANSWER = {
    "id": "1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "You said: hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}


def answer_chat(_: dict[str, Any]) -> Answer:
    return 200, {"content-type": "application/json"}, json.dumps(CHAT_ANSWER).encode()


@pytest.mark.parametrize("schema", ["OpenAI", "Anthropic"])
@pytest.mark.parametrize("lost", ["fqdn: {hostname: nowhere.invalid, port: 443}", here(1)])
def test_a_provider_that_cannot_be_reached(schema: str, lost: str) -> None:
    """Its name is not known, or nobody listens there: the next one answers, and without one there is a clear error."""
    with Upstream("second", answer_chat) as second:
        texts = (
            gateway(),
            provider("first", schema, lost),
            provider("second", "OpenAI", "fqdn: {hostname: second.invalid, port: 80}"),
            route("ai", rule("both", "first", "name: second, priority: 1"), rule("alone", "first")),
        )
        known = [parse_resolution(f"second.invalid=127.0.0.1:{second.port}")]
        with ai_gateway(*texts, port=80, stubs="none", resolutions=known) as found:
            for form in PATHS if schema == "OpenAI" else ("chat", "messages"):
                answer = found.ask(form, "both")
                if form != "responses":
                    assert answer.status_code == 200, answer.text
                    assert told(form, answer.json()) == "You said: hello"
                answer = found.ask(form, "alone")
                assert answer.status_code == 503
                check_error(form, answer)


LIMITED = """
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: BackendTrafficPolicy
metadata: {name: limited}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: ai}]
  retry: {numRetries: 1, retryOn: {triggers: [reset, connect-failure]}, perRetry: {timeout: 400ms}}
"""


@pytest.mark.parametrize("schema", ["OpenAI", "Anthropic"])
def test_the_limit_of_a_try_ends_with_the_first_byte(schema: str) -> None:
    """What hangs until then is asked of the next one, and what has begun may take as long as it likes."""
    enough = threading.Event()
    event = CHUNK if schema == "OpenAI" else EVENT
    end = b"data: [DONE]\n\n" if schema == "OpenAI" else b'event: message_stop\ndata: {"type":"message_stop"}\n\n'

    def script(asked: Asked) -> Iterator[bytes] | None:
        if asked.headers.get("x-case") == "hangs":
            return None
        return slowly()

    def slowly() -> Iterator[bytes]:
        yield EVENTS + chunked(event)
        enough.wait(DEADLINE)
        yield chunked(end, b"")

    with RawProvider(script) as first:
        texts = (
            gateway(),
            provider("first", schema, here(first.port)),
            provider("second", "OpenAI", "fqdn: {hostname: second.invalid, port: 80}"),
            route("ai", rule("both", "first", "name: second, priority: 1", request="")),
            LIMITED,
        )
        with ai_gateway(*texts, port=80) as found:
            body = request("chat", "both", stream=True)
            with found.client.stream("POST", PATHS["chat"], json=body) as answer:
                lines = answer.iter_lines()
                assert next(lines).startswith("data: {")
                # This takes as long as one try may.
                began = time.monotonic()
                assert told("chat", found.ask("chat", "both", headers={"x-case": "hangs"}).json()) == "You said: hello"
                assert time.monotonic() - began >= 0.4
                enough.set()
                assert [one for one in lines if one][-1] == "data: [DONE]"
            assert len(first.seen) == 2


def test_shares_are_those_of_the_weights() -> None:
    texts = (
        gateway(),
        provider("openai", "OpenAI", "fqdn: {hostname: openai.invalid, port: 80}"),
        provider("claude", "Anthropic", "fqdn: {hostname: claude.invalid, port: 80}"),
        route("ai", rule("m", "name: openai, weight: 3", "name: claude, weight: 1")),
    )
    with ai_gateway(*texts, port=80) as found, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: found.ask("chat", "m"), range(1200)))
        assert {one.status_code for one in answers} == {200}
        shares = Counter(one.headers["x-stub-backend"].partition(".")[0] for one in answers)
    assert abs(shares["openai"] / 1200 - 0.75) < 0.05, shares
