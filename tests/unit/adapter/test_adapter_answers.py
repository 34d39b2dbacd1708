"""Requests and answers through the real worker, with the egress listener played byte by byte."""

import gzip
import json
import socket

import pytest
from fake_egress import BLOCK, CHAT, END, START, STREAM, delta, head, message, render, texts


def test_a_request_is_converted_and_so_is_its_answer(adapter, egress):
    egress.script = lambda asked: asked.answer(
        message(), extra="request-id: r1\r\nx-envoy-upstream-service-time: 4\r\n"
    )
    answer = adapter.ask(CHAT | {"seed": 1}, headers={"authorization": "Bearer k", "x-envoy-attempt-count": "1"})
    assert (answer.status, answer.headers["request-id"]) == (200, "r1")
    assert "seed" in answer.headers["x-anygate-losses"]
    assert "x-envoy-upstream-service-time" not in answer.headers
    assert json.loads(answer.read())["choices"][0]["message"]["content"] == "hello"
    asked = egress.asked.get(timeout=5)
    assert asked.line == "POST /v1/messages HTTP/1.1"
    assert asked.headers["x-anygate-egress"] == "cluster-1"
    assert not {"authorization", "x-anygate-provider", "x-anygate-endpoint", "x-envoy-attempt-count"} & set(
        asked.headers
    )
    assert json.loads(asked.body)["messages"] == [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]


def test_a_stream_passes_event_by_event(adapter, egress):
    def script(asked):
        asked.stream(START + BLOCK + delta("one"), end=False)
        egress.go_on.get(timeout=5)
        asked.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(delta(" two") + END), delta(" two") + END))

    from queue import Queue

    egress.go_on = Queue()
    egress.script = script
    answer = adapter.ask(STREAM)
    assert answer.headers["content-type"] == "text/event-stream"
    first = answer.read1()
    assert texts(first) == "one"  # while the provider is still silent
    assert adapter.metrics()["anygate_adapter_open_streams"] == 1
    egress.go_on.put(None)
    rest = answer.read()
    assert texts(first + rest) == "one two"
    assert rest.endswith(b"data: [DONE]\n\n")
    assert adapter.metrics()["anygate_adapter_open_streams"] == 0


def test_connections_are_kept_on_both_sides(adapter, egress):
    egress.script = lambda asked: asked.answer(message())
    connection = adapter.connect()
    for _ in range(5):
        connection.request("POST", "/", json.dumps(CHAT).encode(), head())
        assert connection.getresponse().read()
    numbers = {egress.asked.get(timeout=5).number for _ in range(5)}
    assert len(numbers) == 1


def test_pipelined_requests_are_answered_in_order(adapter, egress):
    egress.script = lambda asked: asked.answer(message(json.loads(asked.body)["messages"][0]["content"][0]["text"]))
    requests = [CHAT | {"messages": [{"role": "user", "content": f"question {number}"}]} for number in range(300)]
    client = adapter.raw()
    client.sendall(b"".join(render(json.dumps(one).encode(), head()) for one in requests))
    seen = b""
    while seen.count(b"HTTP/1.1 200 OK") < 300 or not seen.endswith(b"}"):
        seen += client.recv(1 << 16)
    positions = [seen.index(f'"question {number}"'.encode()) for number in range(300)]
    assert positions == sorted(positions)


def test_pipelined_refusals_do_not_recurse(adapter):
    client = adapter.raw()
    count = 3000
    client.sendall(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n" * count)
    seen = 0
    while seen < count:
        seen += client.recv(1 << 20).count(b"HTTP/1.1 400")
    assert seen == count


@pytest.mark.parametrize("step", [1, 7])
def test_requests_and_answers_may_come_in_any_pieces(adapter, egress, step):
    def script(asked):
        raw = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        raw += b"transfer-encoding: chunked\r\n\r\n"
        body = message()
        raw += b"".join(b"%x\r\n%b\r\n" % (len(body[at : at + 9]), body[at : at + 9]) for at in range(0, len(body), 9))
        raw += b"0\r\n\r\n"
        for at in range(0, len(raw), step):
            asked.send(raw[at : at + step])

    egress.script = script
    body = json.dumps(CHAT).encode()
    fields = "".join(f"{name}: {value}\r\n" for name, value in head().items())
    sent = f"POST / HTTP/1.1\r\nhost: a\r\n{fields}transfer-encoding: chunked\r\n\r\n".encode()
    sent += b"".join(b"%x\r\n%b\r\n" % (len(body[at : at + 5]), body[at : at + 5]) for at in range(0, len(body), 5))
    client = adapter.raw()
    for at in range(0, len(sent), step):
        client.sendall(sent[at : at + step])
    client.sendall(b"0\r\n\r\n")
    seen = b""
    while not seen.endswith(b"}"):
        seen += client.recv(65536)
    assert b'"content":"hello"' in seen


def test_an_answer_may_end_with_its_connection(adapter, egress):
    def script(asked):
        asked.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n" + message())
        asked.cut()

    egress.script = script
    answer = adapter.ask(CHAT)
    assert (answer.status, json.loads(answer.read())["model"]) == (200, "claude-x")


def test_a_kept_connection_that_has_gone_costs_one_retry(adapter, egress):
    seen = []

    def script(asked):
        seen.append(asked.number)
        if len(seen) == 2:
            asked.cut()  # the second request on this connection is swallowed
        else:
            asked.answer(message())

    egress.script = script
    connection = adapter.connect()
    for _ in range(2):
        connection.request("POST", "/", json.dumps(CHAT).encode(), head())
        answer = connection.getresponse()
        assert (answer.status, bool(answer.read())) == (200, True)
    assert seen[0] == seen[1] != seen[2]


def test_a_fresh_connection_is_not_tried_again(adapter, egress):
    seen = []

    def script(asked):
        seen.append(asked)
        asked.cut()

    egress.script = script
    before = adapter.metrics()["anygate_adapter_retries_total"]
    answer = adapter.ask(CHAT)
    assert (answer.status, json.loads(answer.read())["error"]["message"][:12]) == (502, "the provider")
    assert len(seen) - (adapter.metrics()["anygate_adapter_retries_total"] - before) == 1


@pytest.mark.parametrize("status", [429, 500, 503, 529])
def test_error_statuses_pass_with_retry_after_whatever_the_page(adapter, egress, status):
    egress.script = lambda asked: asked.answer(b"<html>busy</html>", status, "text/html", "retry-after: 7\r\n")
    for endpoint, schema in (
        ("chat", "Anthropic"),
        ("messages", "OpenAI"),
        ("chat", "OpenAI"),
        ("messages", "Anthropic"),
    ):
        answer = adapter.ask(CHAT, endpoint, schema)
        assert (answer.status, answer.headers["retry-after"]) == (status, "7")
        assert "busy" in json.loads(answer.read())["error"]["message"]


def test_gzip_answers_are_read(adapter, egress):
    egress.script = lambda asked: asked.answer(gzip.compress(message()), extra="content-encoding: gzip\r\n")
    answer = adapter.ask(CHAT)
    assert "content-encoding" not in answer.headers
    assert json.loads(answer.read())["choices"][0]["message"]["content"] == "hello"


def test_odd_methods_get_well_formed_errors(adapter):
    connection = adapter.connect()
    for method in ("GET", "DELETE", "OPTIONS", "HEAD"):
        connection.request(method, "/v1/messages", headers=head("messages"))
        answer = connection.getresponse()
        body = answer.read()
        assert (answer.status, answer.headers["allow"] if method != "HEAD" else "POST") == (405, "POST")
        assert body == b"" if method == "HEAD" else json.loads(body)["type"] == "error"


@pytest.mark.parametrize(
    ("order", "endpoint"),
    [
        ("", "chat"),
        ("{", "chat"),
        ('{"egress":"c","format":"Nobody"}', "chat"),
        ('{"egress":"c","format":"OpenAI"}', "x"),
    ],
)
def test_a_request_without_an_order_is_refused(adapter, order, endpoint):
    answer = adapter.ask(CHAT, headers={"x-anygate-provider": order, "x-anygate-endpoint": endpoint})
    assert answer.status == 400
    assert json.loads(answer.read())["error"]["message"]


def test_refusals_are_in_the_clients_format_and_keep_the_connection(adapter, egress):
    egress.script = lambda asked: asked.answer(message())
    connection = adapter.connect()
    for body in (b"", b"{", b"[]", b"[" * 100_000, b'{"model":5}', b"\xff"):
        connection.request("POST", "/", body, head("messages", "OpenAI"))
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())["type"]) == (400, "error")
    connection.request("POST", "/", json.dumps(CHAT).encode(), head())
    assert connection.getresponse().read()


def test_without_an_egress_listener_the_answer_is_503(tmp_path, adapter):
    from fake_egress import RunningAdapter

    lonely = RunningAdapter(tmp_path)
    lonely.egress.close()
    (tmp_path / "egress.sock").unlink()
    answer = lonely.ask(CHAT)
    assert (answer.status, "reached" in answer.read().decode()) == (503, True)
    lonely.stop()


def test_too_large_a_request_is_413_with_and_without_a_length(tmp_path):
    from fake_egress import RunningAdapter

    small = RunningAdapter(tmp_path, limit=100_000)
    answer = small.ask(b"x" * 100_001, "messages")
    assert (answer.status, json.loads(answer.read())["error"]["type"]) == (413, "request_too_large")
    client = small.raw()
    fields = "".join(f"{name}: {value}\r\n" for name, value in head().items())
    client.sendall(f"POST / HTTP/1.1\r\nhost: a\r\n{fields}transfer-encoding: chunked\r\n\r\n".encode())
    chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    for _ in range(50):
        client.sendall(chunk)
    seen = b""
    while more := client.recv(65536):
        seen += more
    assert seen.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in seen
    client.close()
    assert small.stop() == b""


def test_the_counts_say_what_happened(adapter, egress):
    egress.script = lambda asked: asked.answer(message())
    series = 'anygate_adapter_requests_total{client="openai.chat",backend="Anthropic",outcome="answered"}'
    lost = 'anygate_adapter_losses_total{client="openai.chat",backend="Anthropic",field="messages[].audio"}'
    before = adapter.metrics()
    assert adapter.ask(CHAT).read()
    after = adapter.metrics()
    assert after[series] == before.get(series, 0) + 1
    assert after["anygate_adapter_converting_seconds_total"] > before["anygate_adapter_converting_seconds_total"]
    assert after["anygate_adapter_open_requests"] == 0
    assert lost not in before


def test_the_sockets_are_the_owners_alone(tmp_path):
    from anygate.adapter.worker import bind, unbind

    path = tmp_path / "a.sock"
    first, inode = bind(str(path))
    assert path.stat().st_mode & 0o777 == 0o600
    second, successor = bind(str(path))  # takes the place of one left behind
    unbind(str(path), inode if inode != successor else -1)
    assert path.exists()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    unbind(str(path), successor)
    assert not path.exists()
    first.close()
    second.close()


def test_a_version_without_sampling_gets_none(adapter, egress):
    egress.script = lambda asked: asked.answer(message())
    answer = adapter.ask(CHAT | {"temperature": 1.5, "top_p": 0.5}, version="2026-10-21")
    assert "temperature: " in answer.headers["x-anygate-losses"]
    assert "top_p: " in answer.headers["x-anygate-losses"]
    assert answer.read()
    asked = egress.asked.get(timeout=5)
    assert asked.headers["anthropic-version"] == "2026-10-21"
    assert not {"temperature", "top_p"} & set(json.loads(asked.body))
