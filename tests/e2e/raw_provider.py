"""A provider that answers with bytes and not with messages, for what no decent server would send."""

import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import NamedTuple


class Asked(NamedTuple):
    """A request as it came."""

    line: str
    headers: dict[str, str]
    body: bytes


Script = Callable[[Asked], bytes | Iterable[bytes] | None]
"""What is sent before the connection is closed, at once or piece by piece; None to leave it open and silent."""


class RawProvider:
    """Takes one request for each connection and answers as its script says; `seen` holds them all."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.seen: list[Asked] = []
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> "RawProvider":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        for one in self._open:
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._open.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError):
            with connection.makefile("rb") as stream:
                asked = _read(stream)
            if asked is None:
                return
            self.seen.append(asked)
            answer = self.script(asked)
            if answer is None:
                return
            for piece in (answer,) if isinstance(answer, bytes) else answer:
                connection.sendall(piece)
            connection.shutdown(socket.SHUT_RDWR)


def _read(stream: object) -> Asked | None:
    line = stream.readline().decode().strip()  # type: ignore[attr-defined]
    if not line:
        return None
    headers = {}
    while text := stream.readline().decode().strip():  # type: ignore[attr-defined]
        name, _, value = text.partition(":")
        headers[name.lower()] = value.strip()
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while size := int(stream.readline(), 16):  # type: ignore[attr-defined]
            body += stream.read(size)  # type: ignore[attr-defined]
            stream.readline()  # type: ignore[attr-defined]
        stream.readline()  # type: ignore[attr-defined]
    else:
        body = stream.read(int(headers.get("content-length", 0)))  # type: ignore[attr-defined]
    return Asked(line, headers, body)
