"""Requests to MCP servers, through Envoy's egress listener on a Unix socket."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress

import httptools

from anygate.providers.order import EGRESS_HEADER

_READ = 65_536
_LONGEST_BODY = 32 * 1024 * 1024


class EgressFault(Exception):  # noqa: N818 - the server's or Envoy's, turned into an error for the client
    """No whole answer came."""


class Answer:
    """An answer whose body is read as it comes. It holds a connection, so close it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self._reader, self._writer = reader, writer
        self._parser = httptools.HttpResponseParser(self)
        self._parts: list[bytes] = []
        self._has_head = self._is_complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header from the parser."""
        self.headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))

    def on_headers_complete(self) -> None:
        """Learn from the parser that the body begins."""
        status = self._parser.get_status_code()
        if status < 200:
            self.headers.clear()
            return
        self.status, self._has_head = status, True

    def on_body(self, part: bytes) -> None:
        """Take a part of the body from the parser."""
        self._parts.append(part)

    def on_message_complete(self) -> None:
        """Learn from the parser that all is there."""
        self._is_complete = self._has_head

    async def read_head(self) -> None:
        """Wait for the status and the headers."""
        while not self._has_head:
            await self._receive()

    async def parts(self) -> AsyncIterator[bytes]:
        """The body as it comes."""
        while True:
            parts, self._parts = self._parts, []
            for part in parts:
                yield part
            if self._is_complete and not self._parts:
                return
            if not self._parts:
                await self._receive()

    async def read(self) -> bytes:
        """The whole body."""
        found: list[bytes] = []
        size = 0
        async for part in self.parts():
            size += len(part)
            if size > _LONGEST_BODY:
                raise EgressFault("the answer is too large")
            found.append(part)
        return b"".join(found)

    def close(self) -> None:
        """Give the connection up; what is not read yet is lost."""
        with suppress(OSError, RuntimeError):
            self._writer.close()

    async def _receive(self) -> None:
        chunk = await self._reader.read(_READ)
        if not chunk:
            raise EgressFault("the answer broke off")
        try:
            self._parser.feed_data(chunk)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as problem:
            raise EgressFault("the answer is not HTTP") from problem


class Egress:
    """Sends requests to clusters of Envoy."""

    def __init__(self, path: str) -> None:
        self._path = path

    async def send(self, method: str, cluster: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """Send a request and wait for the head of its answer; raises EgressFault."""
        try:
            reader, writer = await asyncio.open_unix_connection(self._path)
        except OSError as problem:
            raise EgressFault("Envoy does not take requests") from problem
        answer = Answer(reader, writer)
        try:
            writer.write(_write_head(method, cluster, path, headers, len(body)) + body)
            await writer.drain()
            await answer.read_head()
        except BaseException as problem:
            answer.close()
            if isinstance(problem, OSError):
                raise EgressFault("the connection broke off") from problem
            raise
        return answer


def _write_head(method: str, cluster: str, path: str, headers: Mapping[str, str], length: int) -> bytes:
    lines = [
        f"{method} {path} HTTP/1.1",
        "host: mcp",
        f"{EGRESS_HEADER}: {cluster}",
        "connection: close",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    if length or method == "POST":
        lines.append(f"content-length: {length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "replace")
