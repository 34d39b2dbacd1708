"""Upstreams that break, clients that leave, bytes that mean nothing."""

import json
import random
import socket
import threading
from queue import Queue

import pytest
from fake_egress import BLOCK, CHAT, END, START, STREAM, delta, head, message, render, texts

from anygate.providers.framing import encode_frame


def is_bad_end(payload: bytes) -> bool:
    return b'"error"' in payload and payload.endswith(b"data: [DONE]\n\n")


def cutting(*chunks: bytes, kind: str = "text/event-stream"):
    def script(asked):
        asked.stream(*chunks, kind=kind, end=False)
        asked.cut()

    return script


def test_an_upstream_that_closes_midway_ends_the_stream_well(adapter, egress):
    egress.script = cutting(START + BLOCK + delta("one"))
    seen = adapter.ask(STREAM).read()
    assert texts(seen) == "one"
    assert is_bad_end(seen)
    assert adapter.ask(STREAM | {"max_tokens": 1}, "messages", "OpenAI").read().startswith(b"event: ")


def test_malformed_events_end_the_stream_well(adapter, egress):
    egress.script = lambda asked: asked.stream(START + BLOCK + b"data: {nope\n\n" + delta("x") + END)
    assert is_bad_end(adapter.ask(STREAM).read())


def test_truncated_and_broken_frames_end_the_stream_well(adapter, egress):
    frame = encode_frame({":event-type": "messageStart", ":message-type": "event"}, b'{"role":"assistant"}')
    for broken in (frame[:-3], frame[:-1] + b"\x00", b"\xff" * 40):
        egress.script = lambda asked, broken=broken: asked.stream(
            frame, broken, kind="application/vnd.amazon.eventstream"
        )
        assert is_bad_end(adapter.ask(STREAM, schema="AWSBedrock").read())


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\nconte", b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"])
def test_an_upstream_that_closes_early_is_a_502(adapter, egress, start):
    def script(asked):
        asked.send(start)
        asked.cut()

    egress.script = script
    answer = adapter.ask(CHAT)
    assert (answer.status, "closed" in json.loads(answer.read())["error"]["message"]) == (502, True)


@pytest.mark.parametrize(
    "noise",
    [
        b"SSH-2.0-x\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
    ],
)
def test_an_upstream_that_speaks_no_http_is_a_502(adapter, egress, noise):
    egress.script = lambda asked: asked.send(noise)
    answer = adapter.ask(CHAT)
    assert (answer.status, "error" in json.loads(answer.read())) == (502, True)


def test_an_answer_nobody_asked_for_reaches_nobody(adapter, egress):
    """What follows an answer on its connection is never the next request's answer."""
    egress.script = lambda asked: asked.send(
        b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(message("mine")), message("mine"))
        + b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(message("evil")), message("evil"))
    )
    for _ in range(5):
        assert b"evil" not in adapter.ask(CHAT).read()


@pytest.mark.parametrize("streamed", [False, True])
def test_a_client_that_leaves_takes_its_request_along(adapter, egress, streamed):
    arrived, gone = Queue(), Queue()

    def script(asked):
        if streamed:
            asked.stream(START + BLOCK + delta("x"), end=False)
        arrived.put(None)
        gone.put(asked.is_gone())

    egress.script = script
    client = adapter.raw()
    client.sendall(render(json.dumps(CHAT | {"stream": streamed}).encode(), head()))
    arrived.get(timeout=5)
    if streamed:
        assert client.recv(10)
    client.close()
    assert gone.get(timeout=5)


def test_a_slow_client_holds_the_provider_back(adapter, egress):
    sent, blocked = [0], threading.Event()

    def script(asked):
        asked.stream(START + BLOCK, end=False)
        asked.connection.settimeout(1)
        piece = delta("x" * 60_000)
        chunk = b"%x\r\n%b\r\n" % (len(piece), piece)
        try:
            for _ in range(2000):
                asked.connection.sendall(chunk)
                sent[0] += 1
        except TimeoutError:
            blocked.set()
            egress.hold.get(timeout=5)
        asked.cut()

    egress.hold = Queue()
    egress.script = script
    client = adapter.raw()
    client.sendall(render(json.dumps(STREAM).encode(), head()))
    assert blocked.wait(10)
    assert sent[0] < 40  # under 2.4 MB of 120 are on the way
    egress.hold.put(None)
    seen = bytearray()
    while b"[DONE]" not in seen[-100:]:
        seen += client.recv(1 << 20)
    assert seen.count(b"x" * 60_000) >= sent[0] - 1
    client.close()


def test_huge_answers_and_requests(adapter, egress):
    text = "y" * 20_000_000
    egress.script = lambda asked: asked.answer(message(text))
    assert len(adapter.ask(CHAT).read()) > 20_000_000
    egress.script = lambda asked: asked.answer(message(str(len(asked.body))))
    tool = {"type": "function", "function": {"name": "f", "description": "d" * 1000, "parameters": {"type": "object"}}}
    tools = [{**tool, "function": {**tool["function"], "name": f"f{number}"}} for number in range(1000)]
    answer = adapter.ask(CHAT | {"tools": tools})
    assert int(json.loads(answer.read())["choices"][0]["message"]["content"]) > 1_000_000


def test_an_answer_beyond_the_limit_is_a_502_and_hangs_up(adapter, egress):
    held = Queue()

    def script(asked):
        asked.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 999999999\r\n\r\n")
        try:
            while True:
                asked.send(b"z" * 1_000_000)
        except OSError:
            held.put(None)

    egress.script = script
    answer = adapter.ask(CHAT)
    assert (answer.status, "larger" in json.loads(answer.read())["error"]["message"]) == (502, True)
    held.get(timeout=5)


def test_random_bytes_do_no_harm(adapter, egress):
    egress.script = lambda asked: asked.answer(message())
    dice = random.Random(5)
    whole = render(json.dumps(CHAT).encode(), head())
    for round_ in range(300):
        client = adapter.raw()
        mutated = bytearray(whole)
        for _ in range(dice.randrange(1, 6)):
            mutated[dice.randrange(len(mutated))] = dice.randrange(256)
        noise = bytes(mutated) if round_ % 2 else dice.randbytes(dice.randrange(1, 400))
        try:
            client.sendall(noise)
            client.shutdown(socket.SHUT_WR)
            while client.recv(65536):
                pass
        except (ConnectionResetError, BrokenPipeError):
            pass
        client.close()
    assert adapter.ask(CHAT).status == 200


def test_random_answers_do_no_harm(adapter, egress):
    dice = random.Random(6)
    body = message()
    whole = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)

    def script(asked):
        mutated = bytearray(whole)
        for _ in range(dice.randrange(1, 5)):
            mutated[dice.randrange(len(mutated))] = dice.randrange(256)
        asked.send(bytes(mutated[: dice.randrange(1, len(mutated) + 1)]))
        asked.cut()

    egress.script = script
    for _ in range(300):
        answer = adapter.ask(CHAT)
        assert isinstance(json.loads(answer.read()), dict)
    egress.script = lambda asked: asked.answer(message())
    assert adapter.ask(CHAT).status == 200


def test_interleaved_requests_keep_their_words_apart(adapter, egress):
    """Whatever is in flight together, each client gets its own answer in its own format and no other's."""

    def script(asked):
        sent = json.loads(asked.body)
        secret = sent["messages"][0]["content"]
        secret = secret if isinstance(secret, str) else secret[0]["text"]
        kind = random.random()
        if asked.line.startswith("POST /v1/chat"):
            choice = {"index": 0, "message": {"role": "assistant", "content": secret}, "finish_reason": "stop"}
            asked.answer(
                json.dumps({"id": "c", "object": "chat.completion", "model": "g", "choices": [choice]}).encode()
            )
        elif kind < 0.15:
            asked.cut()
        elif sent.get("stream"):
            asked.stream(START + BLOCK + delta(secret[:7]), delta(secret[7:]) + END[: 30 if kind < 0.3 else None])
        else:
            asked.answer(message(secret))

    egress.script = script
    wrong: list[bytes] = []

    def visit(seed: int) -> None:
        dice = random.Random(seed)
        for number in range(40):
            secret = f"secret-{seed}-{number}-" + "s" * dice.randrange(2000)
            ask = {**CHAT, "messages": [{"role": "user", "content": secret}], "stream": dice.random() < 0.5}
            if dice.random() < 0.3:
                endpoint, schema, ask["stream"] = "messages", "OpenAI", False
            else:
                endpoint, schema = "chat", "Anthropic"
            if dice.random() < 0.1:
                client = adapter.raw()
                client.sendall(render(json.dumps(ask).encode(), head(endpoint, schema))[: dice.randrange(400)])
                client.close()
                continue
            seen = adapter.ask(ask, endpoint, schema).read()
            found = texts(seen) if ask["stream"] else seen.decode()
            if "secret-" in found.replace(secret, "") and found != "secret-":
                wrong.append(seen)

    visitors = [threading.Thread(target=visit, args=(seed,)) for seed in range(8)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join(60)
    assert not wrong
    assert adapter.metrics()["anygate_adapter_open_requests"] == 0
