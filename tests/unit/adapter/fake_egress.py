"""Envoy's egress listener as a raw socket, and a client of the adapter that shows its bytes."""

import http.client
import json
import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from queue import Queue

DEADLINE = 10.0


class Asked:
    """One request as it arrived at the egress listener, on a connection that a script answers by hand."""

    def __init__(self, connection: socket.socket, number: int, head: bytes, body: bytes) -> None:
        self.connection = connection
        self.number = number
        self.line, *lines = head.decode("latin-1").split("\r\n")
        self.headers = dict(line.split(": ", 1) for line in lines if line)
        self.body = body

    def send(self, payload: bytes) -> None:
        self.connection.sendall(payload)

    def answer(self, body: bytes, status: int = 200, kind: str = "application/json", extra: str = "") -> None:
        head = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\n{extra}content-length: {len(body)}\r\n\r\n"
        self.send(head.encode() + body)

    def stream(self, *chunks: bytes, kind: str = "text/event-stream", end: bool = True) -> None:
        self.send(f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n".encode())
        for chunk in chunks:
            self.send(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        if end:
            self.send(b"0\r\n\r\n")

    def cut(self) -> None:
        self.connection.shutdown(socket.SHUT_RDWR)

    def is_gone(self) -> bool:
        """Whether the adapter has closed the connection; waits for it."""
        ready, _, _ = select.select([self.connection], [], [], DEADLINE)
        try:
            return bool(ready) and self.connection.recv(1) == b""
        except ConnectionResetError:
            return True


class FakeEgress:
    """Accepts connections and gives each request to `script`."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.script: Callable[[Asked], None] = lambda asked: asked.answer(b"{}")
        self.asked: Queue[Asked] = Queue()
        self.connections = 0
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(path)
        self._listening.listen(512)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection, self.connections), daemon=True).start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        with connection:
            try:
                pending = b""
                while True:
                    while b"\r\n\r\n" not in pending:
                        more = connection.recv(65536)
                        if not more:
                            return
                        pending += more
                    head, _, pending = pending.partition(b"\r\n\r\n")
                    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                    while len(pending) < length:
                        pending += connection.recv(1 << 20)
                    asked = Asked(connection, number, head, pending[:length])
                    pending = pending[length:]
                    self.asked.put(asked)
                    self.script(asked)
            except OSError:
                return

    def close(self) -> None:
        self._listening.close()


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, open_raw: Callable[[], socket.socket]) -> None:
        super().__init__("adapter", timeout=DEADLINE)
        self._open_raw = open_raw

    def connect(self) -> None:
        self.sock = self._open_raw()


class RunningAdapter:
    """A worker as a process of its own, and the egress listener before it."""

    def __init__(self, folder: Path, limit: int = 64 * 1024 * 1024) -> None:
        self.egress = FakeEgress(str(folder / "egress.sock"))
        self.path = str(folder / "adapter.sock")
        self._sockets: list[socket.socket] = []
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(self.path)
        listening.listen(512)
        descriptor = listening.fileno()
        command = [sys.executable, "-m", "anygate.adapter", "--listen-fd", str(descriptor), "--limit", str(limit)]
        self.process = subprocess.Popen(
            [*command, "--egress", self.egress.path, "--parent", str(os.getpid())],
            pass_fds=(descriptor,),
            stderr=subprocess.PIPE,
        )
        listening.close()

    def raw(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(DEADLINE)
        connection.connect(self.path)
        self._sockets.append(connection)
        return connection

    def connect(self) -> UnixConnection:
        return UnixConnection(self.raw)

    def close_sockets(self) -> None:
        while self._sockets:
            self._sockets.pop().close()

    def ask(self, body, endpoint="chat", schema="Anthropic", headers=None, **order) -> http.client.HTTPResponse:
        connection = self.connect()
        given = {**head(endpoint, schema, **order), **(headers or {})}
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection.request("POST", "/v1/x", payload, given)
        return connection.getresponse()

    def metrics(self) -> dict[str, float]:
        connection = self.connect()
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        return {
            line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
            for line in text.splitlines()
            if not line.startswith("#")
        }

    def stop(self) -> bytes:
        self.close_sockets()
        self.process.terminate()
        _, errors = self.process.communicate(timeout=DEADLINE)
        self.egress.close()
        return errors


def head(endpoint="chat", schema="Anthropic", **order) -> dict[str, str]:
    written = json.dumps({"egress": "cluster-1", "format": schema, **order})
    return {"x-anygate-provider": written, "x-anygate-endpoint": endpoint, "content-type": "application/json"}


def render(body: bytes, fields: dict[str, str]) -> bytes:
    """A request as bytes."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST /v1/x HTTP/1.1\r\nhost: a\r\n{lines}content-length: {len(body)}\r\n\r\n".encode() + body


CHAT = {"model": "smart", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}
STREAM = CHAT | {"stream": True}


def message(text="hello", **more) -> bytes:
    """Anthropic's answer."""
    content = [{"type": "text", "text": text}]
    usage = {"input_tokens": 3, "output_tokens": 2}
    fields = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "content": content}
    return json.dumps({**fields, "stop_reason": "end_turn", "usage": usage, **more}).encode()


def event(name: str, **fields) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'type': name, **fields})}\n\n".encode()


def delta(text: str) -> bytes:
    return event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


START = event("message_start", message={"id": "m", "model": "claude-x", "usage": {"input_tokens": 3}})
BLOCK = event("content_block_start", index=0, content_block={"type": "text", "text": ""})
END = (
    event("content_block_stop", index=0)
    + event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 2})
    + event("message_stop")
)


def texts(payload: bytes) -> str:
    """The text of a chat completion stream."""
    chunks = [json.loads(line[6:]) for line in payload.decode().split("\n\n") if line.startswith("data: {")]
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk.get("choices", []))
