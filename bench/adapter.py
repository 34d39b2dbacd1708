"""What the adapter alone costs: CPU per request, OpenAI chat to Anthropic, beside a plain Envoy in the same run.

    python bench/adapter.py [--seconds 4] [--rounds 3] [--soak 100000]

Both stand between wrk and the same canned server, which is a process of its own and not counted. Streams have 100
chunks: in one burst, or each in a packet of its own. `--soak` sends that many requests of every kind through one worker
instead, a tenth of them with clients that leave midway, and prints its memory on the way.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import uvloop
from measure import MEGABYTE, cpu_seconds, describe_box, median, render_table, resident
from plain_envoy import LOOPBACK, free_port, running, wait_for

CHUNKS = 100
ORDER = json.dumps({"egress": "canned", "format": "Anthropic"})
WORDS = "The quick brown fox jumps over the lazy dog. "
REQUEST = {
    "model": "claude",
    "max_tokens": 100,
    "temperature": 0.5,
    "messages": [{"role": "user", "content": WORDS * 20}],
}


def message() -> bytes:
    """Anthropic's answer of about 1 KB."""
    usage = {"input_tokens": 200, "output_tokens": 200, "cache_read_input_tokens": 0}
    content = [{"type": "text", "text": WORDS * 17}]
    fields = {"id": "msg_01", "type": "message", "role": "assistant", "model": "claude-x", "content": content}
    return json.dumps({**fields, "stop_reason": "end_turn", "stop_sequence": None, "usage": usage}).encode()


def events() -> list[bytes]:
    """Anthropic's stream, one piece per packet."""

    def event(name: str, **fields: object) -> bytes:
        return f"event: {name}\ndata: {json.dumps({'type': name, **fields})}\n\n".encode()

    start = event("message_start", message={"id": "m", "model": "claude-x", "usage": {"input_tokens": 200}})
    block = event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    text = {"type": "text_delta", "text": " some words"}
    deltas = [event("content_block_delta", index=0, delta=text)] * CHUNKS
    stop = event("content_block_stop", index=0)
    end = event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 200})
    return [start + block, *deltas, stop + end + event("message_stop")]


def _chunk(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece)


STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
PIECES = [_chunk(piece) for piece in events()]
UNARY = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(message()) + message()
BURST = STREAM_HEAD + b"".join(PIECES) + b"0\r\n\r\n"


class Canned(asyncio.Protocol):
    """Answers by what stands in the request, without reading it further than needed."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._pending = b""

    def data_received(self, data: bytes) -> None:
        self._pending += data
        while b"\r\n\r\n" in self._pending:
            head, _, rest = self._pending.partition(b"\r\n\r\n")
            found = re.search(rb"content-length: (\d+)", head)
            length = int(found[1]) if found else 0
            if len(rest) < length:
                return
            body, self._pending = rest[:length], rest[length:]
            if b'"stream":true' not in body:
                self._transport.write(UNARY)
            elif b'"temperature":0.5' in body:
                self._transport.write(BURST)
            elif b'"temperature":0.25' in body:  # a stream that stays open
                self._transport.write(STREAM_HEAD + PIECES[0] + PIECES[1])
            else:
                self._transport.write(STREAM_HEAD)
                self._send(0)

    def _send(self, number: int) -> None:
        if number == len(PIECES):
            self._transport.write(b"0\r\n\r\n")
        elif not self._transport.is_closing():
            self._transport.write(PIECES[number])
            asyncio.get_running_loop().call_soon(self._send, number + 1)


def serve_canned(path: str) -> None:
    async def serve() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_unix_server(Canned, path)
        await server.serve_forever()

    uvloop.run(serve())


@contextmanager
def canned(folder: Path) -> Iterator[str]:
    path = str(folder / "canned.sock")
    process = subprocess.Popen([sys.executable, __file__, "--canned", path])
    try:
        wait_for(lambda: Path(path).exists())
        yield path
    finally:
        process.kill()
        process.wait()


@contextmanager
def adapter(egress: str, port: int) -> Iterator[int]:
    """A worker on a TCP port, because wrk knows no Unix sockets; its pid."""
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((LOOPBACK, port))
        listening.listen(1024)
        command = [sys.executable, "-m", "anygate.adapter", "--listen-fd", str(listening.fileno()), "--egress", egress]
        process = subprocess.Popen([*command, "--parent", str(os.getpid())], pass_fds=(listening.fileno(),))
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


def plain(port: int, path: str) -> dict[str, object]:
    """An Envoy that only forwards."""
    from plain_envoy import _listener

    route = {"match": {"prefix": "/"}, "route": {"cluster": "canned"}}
    endpoint = {"endpoint": {"address": {"pipe": {"path": path}}}}
    cluster = {
        "name": "canned",
        "type": "STATIC",
        "load_assignment": {"cluster_name": "canned", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    return {
        "static_resources": {
            "listeners": [_listener(port, [{"domains": ["*"], "routes": [route]}])],
            "clusters": [cluster],
        }
    }


def drive(port: int, body: bytes, seconds: float, folder: Path, connections: int) -> int:
    """How many requests wrk got answered."""
    script = folder / "ask.lua"
    fields = {"x-anygate-provider": ORDER, "x-anygate-endpoint": "chat", "content-type": "application/json"}
    lines = [f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in fields.items()]
    script.write_text("\n".join(['wrk.method = "POST"', f"wrk.body = {json.dumps(body.decode())}", *lines]))
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "-s", str(script), f"http://{LOOPBACK}:{port}/"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in text or "Socket errors" in text:
        print(text, file=sys.stderr)
    found = re.search(r"(\d+) requests in", text)
    assert found is not None, text
    return int(found[1])


def bodies() -> dict[str, bytes]:
    compact = {"separators": (",", ":")}
    return {
        "unary": json.dumps(REQUEST, **compact).encode(),
        f"stream of {CHUNKS}, one burst": json.dumps({**REQUEST, "stream": True}, **compact).encode(),
        f"stream of {CHUNKS}, one by one": json.dumps(
            {**REQUEST, "stream": True, "temperature": 0.75}, **compact
        ).encode(),
    }


def compare(seconds: float, rounds: int) -> None:
    print(describe_box())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ports = free_port(), free_port()
        with (
            canned(folder) as egress,
            adapter(egress, ports[0]) as worker,
            running(plain(ports[1], egress), concurrency=1) as envoy,
        ):
            wait_for(lambda: is_open(ports[1]))
            rows = []
            for case, body in bodies().items():
                costs: dict[int, list[float]] = {worker: [], envoy.pid: []}
                for _ in range(rounds):
                    for pid, port in ((worker, ports[0]), (envoy.pid, ports[1])):
                        before = cpu_seconds([pid])
                        count = drive(port, body, seconds, folder, 16)
                        costs[pid].append(1e6 * (cpu_seconds([pid]) - before) / count)
                ours, theirs = median(costs[worker]), median(costs[envoy.pid])
                rows.append((case, f"{ours:.0f}", f"{theirs:.0f}", f"{ours / theirs:.2f}"))
            print(render_table(("CPU per request, µs", "adapter", "plain Envoy", "ratio"), rows))
            asyncio.run(measure_open_streams(worker, ports[0]))


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0


def render(body: bytes) -> bytes:
    head = f"POST / HTTP/1.1\r\nhost: a\r\nx-anygate-provider: {ORDER}\r\nx-anygate-endpoint: chat\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


async def measure_open_streams(pid: int, port: int, count: int = 400) -> None:
    """Memory of the worker per stream that has begun and not ended."""
    body = json.dumps({**REQUEST, "stream": True, "temperature": 0.25}, separators=(",", ":")).encode()
    before, _ = resident(pid)
    held = []
    for _ in range(count):
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        writer.write(render(body))
        await reader.readuntil(b" some words")
        held.append(writer)
    after, _ = resident(pid)
    print(f"memory per open stream: {(after - before) / count / 1024:.1f} KiB (RSS, {count} streams)")
    for writer in held:
        writer.close()


async def read_answer(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head)
    if length:
        await reader.readexactly(int(length[1]))
    else:
        await reader.readuntil(b"0\r\n\r\n")


async def soak(pid: int, port: int, total: int) -> None:
    """Requests of every kind, a tenth of them abandoned."""
    dice = random.Random(1)
    kinds = [*(render(body) for body in bodies().values()), render(b"{broken"), b"no http\r\n\r\n"]
    done = 0

    async def visit() -> None:
        nonlocal done
        while done < total:
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            for _ in range(20):
                done += 1
                kind = dice.randrange(len(kinds) if dice.random() < 0.05 else 3)
                writer.write(kinds[kind])
                if dice.random() < 0.1:
                    break
                await read_answer(reader)
                if kind > 2:
                    break
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def watch() -> None:
        reported = -1
        while done < total:
            if done * 10 // total > reported:
                reported = done * 10 // total
                print(f"{done:>8} requests: RSS {resident(pid)[0] / MEGABYTE:.1f} MiB", flush=True)
            await asyncio.sleep(0.05)

    await asyncio.gather(watch(), *(visit() for _ in range(16)))
    print(f"{done:>8} requests: RSS {resident(pid)[0] / MEGABYTE:.1f} MiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--soak", type=int, default=0)
    parser.add_argument("--canned", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.canned:
        serve_canned(options.canned)
    elif options.soak:
        with tempfile.TemporaryDirectory() as name, canned(Path(name)) as egress:
            port = free_port()
            with adapter(egress, port) as pid:
                uvloop.run(soak(pid, port, options.soak))
    else:
        compare(options.seconds, options.rounds)


if __name__ == "__main__":
    main()
