"""Whatever a client sends to `anygate run examples/ai`: an answer or an error in its own format, and nobody else's."""

import gzip
import json
import re
import socket
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
from ai_clients import BOTH_WAYS, MODELS, PAIRS, PATHS, Gateway, ai_gateway, check_error, read_stream, request, told

MIB = 1 << 20
UNKNOWN = "no such model", "gpt-4o ", "GPT-4O", "../../etc/passwd", "模型", "😀", '"quoted" \\ %REQ(x)%', "-", "!", ""
NO_MODELS = (None, True, 5, 1.5, {"a": 1}, ["gpt-4o"], "a\nb", "a\x00b", "x" * 5_000, "x" * 100_000)


@pytest.fixture(scope="module")
def ai() -> Iterator[Gateway]:
    with ai_gateway() as found:
        yield found


def encoded(form: str, model: str, text: str = "hello", **fields: Any) -> bytes:
    return json.dumps(request(form, model, text, **fields)).encode()


def broken(form: str, model: str) -> dict[str, tuple[bytes, dict[str, str]]]:
    """Bodies that no provider should be asked about, with their headers."""
    whole = encoded(form, model)
    packed = gzip.compress(whole)
    return {
        "empty": (b"", {}),
        "cut": (whole[:-5], {}),
        "trailing garbage": (whole + b"}", {}),
        "two objects": (whole + whole, {}),
        "a list": (b"[" + whole + b"]", {}),
        "a text": (b'"hello"', {}),
        "null": (b"null", {}),
        "not UTF-8": (whole.replace(b"hello", b"h\xff\xfello"), {}),
        "a lone surrogate": (whole.replace(b"hello", b"\\ud800"), {}),
        "a thousand levels": (whole[:-1] + b', "metadata": ' + b"[" * 1000 + b"]" * 1000 + b"}", {}),
        "a million levels": (whole[:-1] + b', "metadata": ' + b"[" * MIB, {}),
        "deflate": (zlib.compress(whole), {"content_encoding": "deflate"}),
        "gzip twice": (gzip.compress(packed), {"content_encoding": "gzip, gzip"}),
        "gzip cut": (packed[:-12], {"content_encoding": "gzip"}),
        "no gzip at all": (whole, {"content_encoding": "gzip"}),
        "a form": (b'--x\r\ncontent-disposition: form-data; name="model"\r\n\r\ngpt-4o\r\n--x--\r\n', {}),
    }


@pytest.mark.parametrize("case", broken("chat", "gpt-4o"))
@pytest.mark.parametrize(("form", "model"), BOTH_WAYS)
def test_what_cannot_be_read_is_refused_before_any_provider(ai: Gateway, form: str, model: str, case: str) -> None:
    content, headers = broken(form, model)[case]
    asked = ai.running.requests.qsize()
    answer = ai.send(form, content, **headers)
    assert answer.status_code in (400, 415), answer.text
    check_error(form, answer)
    assert ai.running.requests.qsize() == asked


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
@pytest.mark.parametrize(("form", "model"), BOTH_WAYS)
def test_the_content_type_and_gzip_do_not_matter(ai: Gateway, form: str, model: str, kind: str) -> None:
    packed = gzip.compress(encoded(form, model))
    answer = ai.send(form, packed, content_encoding="gzip", content_type=kind)
    assert answer.status_code == 200, answer.text
    assert told(form, answer.json()) == "You said: hello"


@pytest.mark.parametrize("fields", [{"messages": 7, "input": 7}, {"stream": "yes"}, {"tools": {}}, {"max_tokens": "x"}])
@pytest.mark.parametrize(("form", "model"), PAIRS)
def test_fields_of_a_wrong_type_are_the_clients_mistake(
    ai: Gateway, form: str, model: str, fields: dict[str, Any]
) -> None:
    if form == "responses" and "max_tokens" in fields:
        fields = {"max_output_tokens": "x"}
    answer = ai.client.post(PATHS[form], json={**request(form, model), **fields})
    assert answer.status_code == 400, answer.text
    check_error(form, answer)


@pytest.mark.parametrize("depth", [100, 190, 500, 990])
@pytest.mark.parametrize(("form", "model"), BOTH_WAYS)
def test_a_tool_with_a_deep_schema_is_carried_or_refused(ai: Gateway, form: str, model: str, depth: int) -> None:
    schema = '{"type": "object", "properties": {"a": ' * (depth // 2) + "{}" + "}}" * (depth // 2)
    tool = {
        "chat": '{"type": "function", "function": {"name": "t", "parameters": SCHEMA}}',
        "responses": '{"type": "function", "name": "t", "parameters": SCHEMA}',
        "messages": '{"name": "t", "input_schema": SCHEMA}',
    }[form].replace("SCHEMA", schema)
    answer = ai.send(form, encoded(form, model)[:-1] + b', "tools": [' + tool.encode() + b"]}")
    if answer.status_code == 200:
        assert told(form, answer.json()) == "You said: hello"
    else:
        assert (answer.status_code, depth > 150) == (400, True), answer.text
        check_error(form, answer)


@pytest.mark.parametrize(("form", "model"), BOTH_WAYS)
def test_a_megabyte_of_tools(ai: Gateway, form: str, model: str) -> None:
    parameters = {
        "type": "object",
        "properties": {f"p{i}": {"type": "string", "description": "d" * 80} for i in range(90)},
    }
    tools = []
    for number in range(100):
        plain = {"name": f"tool_{number}", "description": "d" * 500}
        if form == "chat":
            tools.append({"type": "function", "function": {**plain, "parameters": parameters}})
        elif form == "responses":
            tools.append({"type": "function", **plain, "parameters": parameters})
        else:
            tools.append({**plain, "input_schema": parameters})
    content = encoded(form, model, tools=tools)
    assert len(content) > MIB
    for stream in (False, True):
        answer = ai.send(form, encoded(form, model, tools=tools, stream=stream))
        assert answer.status_code == 200, answer.text
        found = read_stream(form, answer.text).text if stream else told(form, answer.json())
        assert found == "You said: hello"


@pytest.mark.parametrize(("form", "model"), BOTH_WAYS)
def test_bodies_up_to_the_limit_pass_and_longer_ones_are_413(ai: Gateway, form: str, model: str) -> None:
    long = ai.send(form, encoded(form, model, "x" * 20 * MIB))
    assert long.status_code == 200
    assert told(form, long.json()).startswith("You said: xxx")
    assert ai.running.await_request(lambda one: one.body_bytes > 20 * MIB).backend.startswith(MODELS[model])
    over = ai.send(form, encoded(form, model, "x" * 60 * MIB))
    assert over.status_code == 413
    check_error(form, over)


@pytest.mark.parametrize("form", PATHS)
def test_models_that_there_are_not(ai: Gateway, form: str) -> None:
    for name in (*UNKNOWN, *NO_MODELS):
        answer = ai.ask(form, name)
        assert answer.status_code in (400, 404), (name, answer.text)
        message = check_error(form, answer)
        if answer.status_code == 404:
            assert (json.dumps(name) if not isinstance(name, str) else name) in message
    missing = ai.send(form, b'{"messages": [], "input": "hello", "max_tokens": 64}')
    assert (missing.status_code, "model" in check_error(form, missing)) == (400, True)


@pytest.mark.parametrize(
    "name", ["gemini-模型", "gemini-../../x", "gemini-a/b", "gemini-a?b=c#d", "gemini-%2e", "gemini-" + "y" * 3000]
)
def test_a_model_never_leaves_its_place_in_a_path(ai: Gateway, name: str) -> None:
    answer = ai.ask("chat", name)
    assert (answer.status_code, answer.json()["model"]) == (200, name)
    record = ai.running.await_request(lambda one: one.backend.startswith("vertex."))
    while not ai.running.requests.empty():
        record = ai.running.requests.get()
    assert re.fullmatch(r"/v1/projects/my-project/[\w/-]+/models/[^/?#]+:generateContent", record.path), record.path


@pytest.mark.parametrize("form", PATHS)
def test_other_methods_and_paths(ai: Gateway, form: str) -> None:
    for method in ("GET", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"):
        answer = ai.client.request(method, PATHS[form], content=encoded(form, "gpt-4o"))
        assert answer.status_code == 405
        if method != "HEAD":
            check_error(form, answer)
    for path in (PATHS[form] + "/", PATHS[form].upper(), PATHS[form] + "/nowhere", "/", "/v1", "/v1/nowhere"):
        for method in ("GET", "HEAD", "POST"):
            answer = ai.client.request(method, path)
            assert answer.status_code == 404
            assert "unsupported path" in answer.text or method == "HEAD"


@pytest.mark.parametrize(
    "head",
    [
        b"POST PATH HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n{}",
        b"POST PATH HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n{}",
        b"POST PATH HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}",
        b"POST PATH HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n{}",
        b"POST PATH HTTP/9.9\r\nhost: a\r\n\r\n",
        b"POST PATH HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 64,
    ],
)
@pytest.mark.parametrize("form", PATHS)
def test_what_is_no_http_gets_a_refusal_or_nothing(ai: Gateway, form: str, head: bytes) -> None:
    host, port = ai.running.address(1975)
    with socket.create_connection((host, port), timeout=20) as connection:
        connection.sendall(head.replace(b"PATH", PATHS[form].encode()))
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while more := connection.recv(65_536):
            answer += more
    assert not answer or re.match(rb"HTTP/1.1 (4|50)\d\d? |\x00\x00", answer), answer


@pytest.mark.parametrize(("form", "model"), BOTH_WAYS)
def test_clients_that_leave_midway_do_no_harm(ai: Gateway, form: str, model: str) -> None:
    content = encoded(form, model, stream=True)
    head = f"POST {PATHS[form]} HTTP/1.1\r\nhost: a\r\nx-stub-chunks: 5000\r\ncontent-length: {len(content)}\r\n\r\n"
    for part in (10, len(head) - 3, len(head) + 5, len(head) + len(content)):
        with socket.create_connection(ai.running.address(1975), timeout=20) as connection:
            connection.sendall((head.encode() + content)[:part])
            if part == len(head) + len(content):
                assert connection.recv(10) == b"HTTP/1.1 2"
    assert told(form, ai.ask(form, model).json()) == "You said: hello"


def test_everybody_gets_an_answer_to_the_own_request(ai: Gateway) -> None:
    def ask(number: int) -> None:
        form, model = PAIRS[number % len(PAIRS)]
        stream = number % 4 > 1
        text = f"number {number} " + "abc" * (number % 50)
        wrong = number % 10 == 9
        answer = ai.ask(form, "nobody" if wrong else model, text, {"x-stub-delay": f"{number % 7}ms"}, stream=stream)
        if wrong:
            assert answer.status_code == 404
            check_error(form, answer)
            return
        assert answer.status_code == 200, answer.text
        found = read_stream(form, answer.text) if stream else None
        assert found is None or found.is_whole
        assert (found.text if found else told(form, answer.json())) == f"You said: {text}"

    with ThreadPoolExecutor(50) as pool:
        assert list(pool.map(ask, range(600))) == [None] * 600


def test_http2_clients_are_told_apart(ai: Gateway) -> None:
    def ask(number: int) -> None:
        form, model = PAIRS[number % len(PAIRS)]
        answer = client.post(PATHS[form], json=request(form, model, f"number {number}"))
        assert told(form, answer.json()) == f"You said: number {number}"

    with httpx2.Client(base_url=ai.url, http1=False, http2=True, timeout=20) as client, ThreadPoolExecutor(20) as pool:
        assert list(pool.map(ask, range(200))) == [None] * 200
