"""A page of metrics over HTTP, on a Unix socket or a port; of this machine alone unless another address is named."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import httptools

from anygate.errors import EnvironmentProblem

_LOOPBACK = "127.0.0.1"
_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_MOST_HEAD = 16_384
_PATIENCE = 10.0


class MetricsServer:
    """Answers GET requests for one path, one request a connection, and nothing else."""

    def __init__(self, render: Callable[[], Awaitable[bytes]], path: str = "/metrics") -> None:
        self._render = render
        self._path = path.encode()
        self._server: asyncio.Server | None = None

    async def start(self, where: Path | int, address: str = _LOOPBACK) -> int:
        """Listen on the Unix socket or the port, 0 for any free one; return the port, 0 for a socket."""
        try:
            if isinstance(where, Path):
                self._server = await asyncio.start_unix_server(self._serve, where, limit=_MOST_HEAD)
                return 0
            self._server = await asyncio.start_server(self._serve, address, where, limit=_MOST_HEAD)
        except OSError as problem:
            place = where if isinstance(where, Path) or address == _LOOPBACK else f"{address}:{where}"
            reason = os.strerror(problem.errno) if problem.errno else problem.strerror
            raise EnvironmentProblem(f"metrics cannot be served on {place}: {reason}") from problem
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(await self._answer(head))
                await writer.drain()
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
            pass  # whoever asked has gone, or never asked properly
        finally:
            writer.close()

    async def _answer(self, head: bytes) -> bytes:
        asked = _Asked()
        parser = httptools.HttpRequestParser(asked)
        try:
            parser.feed_data(head)
        except httptools.HttpParserUpgrade:
            return _render(400, b"not here\n")
        except httptools.HttpParserError:
            return _render(400, b"not HTTP\n")
        if parser.get_method() != b"GET" or asked.url.partition(b"?")[0] != self._path:
            return _render(404, b"ask for %s\n" % self._path)
        return _render(200, await self._render())


class _Asked:
    """What a request asks for."""

    url = b""

    def on_url(self, url: bytes) -> None:
        self.url += url


_REASONS = {200: b"OK", 400: b"Bad Request", 404: b"Not Found"}


def _render(status: int, body: bytes) -> bytes:
    kind = _TYPE if status == 200 else b"text/plain"
    return b"HTTP/1.1 %d %s\r\ncontent-type: %s\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s" % (
        *(status, _REASONS[status], kind, len(body)),
        body,
    )
