"""The gateway's own side of HTTP/1.1 on a Unix socket, for Envoy alone."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from http import HTTPStatus
from typing import cast

import httptools

from anygate.adapter.mcp.http import Reply, Request

LARGEST_BODY = 4 * 1024 * 1024
_PHRASES = {int(status): status.phrase for status in HTTPStatus}

Answering = Callable[[Request], Awaitable[Reply]]


class Connection(asyncio.Protocol):
    """One connection. Envoy does not pipeline: a request begins when the last one is answered."""

    def __init__(self, answer: Answering, open_connections: set["Connection"]) -> None:
        self._answer = answer
        self._open = open_connections
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._room = asyncio.Event()
        self._room.set()
        self._is_closing = False
        self._begin()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)
        self._open.add(self)

    def connection_lost(self, problem: Exception | None) -> None:
        """Stop answering: nobody listens."""
        del problem
        self._open.discard(self)
        self._room.set()
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        """Wait with the next part."""
        self._room.clear()

    def resume_writing(self) -> None:
        """Go on."""
        self._room.set()

    def data_received(self, chunk: bytes) -> None:
        """Take bytes."""
        try:
            self._parser.feed_data(chunk)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._close()

    def on_url(self, url: bytes) -> None:
        """Take the target from the parser."""
        self._path += url.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header from the parser."""
        self._headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("utf-8", "replace"))

    def on_body(self, part: bytes) -> None:
        """Take a part of the body from the parser; what is too large is not kept."""
        self._size += len(part)
        if self._size <= LARGEST_BODY:
            self._body.append(part)

    def on_message_complete(self) -> None:
        """Answer the request that is there now."""
        if self._task is not None and not self._task.done():
            self._close()
            return
        method = self._parser.get_method().decode("latin-1")
        first = {name: values[0] for name, values in self._headers.items()}
        request = Request(method, self._path, first, self._headers, b"".join(self._body))
        too_large = self._size > LARGEST_BODY
        keep = self._parser.should_keep_alive()
        self._begin()
        self._task = asyncio.get_running_loop().create_task(self._respond(request, too_large, keep))

    def finish(self) -> None:
        """Close now, or after the answer in progress."""
        self._is_closing = True
        if self._task is None or self._task.done():
            self._close()

    def _begin(self) -> None:
        self._path = ""
        self._headers: dict[str, list[str]] = {}
        self._body: list[bytes] = []
        self._size = 0

    async def _respond(self, request: Request, too_large: bool, keep: bool) -> None:
        reply = Reply(413, b"the body is too large") if too_large else await self._answer(request)
        try:
            await self._write(reply)
        except Exception:
            # The head is out: all that can still be said is that the answer is not whole.
            self._close()
            return
        finally:
            if reply.close is not None:
                reply.close()
        if not keep or self._is_closing:
            self._close()

    async def _write(self, reply: Reply) -> None:
        lines = [f"HTTP/1.1 {reply.status} {_PHRASES.get(reply.status, '')}"]
        lines.extend(f"{name}: {value}" for name, value in reply.headers.items())
        transport = self._transport
        assert transport is not None
        if reply.parts is None:
            lines.append(f"content-length: {len(reply.body)}")
            transport.write("\r\n".join(lines).encode("utf-8", "replace") + b"\r\n\r\n" + reply.body)
            return
        lines.append("transfer-encoding: chunked")
        transport.write("\r\n".join(lines).encode("utf-8", "replace") + b"\r\n\r\n")
        async with aclosing(reply.parts) as parts:
            async for part in parts:
                if part:
                    transport.write(b"%x\r\n%s\r\n" % (len(part), part))
                    await self._room.wait()
        transport.write(b"0\r\n\r\n")

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def serve(listening: socket.socket, answer: Answering, stop: asyncio.Event, deadline: float = 5.0) -> None:
    """Answer requests until `stop`; then finish what is in progress within `deadline` seconds."""
    connections: set[Connection] = set()
    loop = asyncio.get_running_loop()
    server = await loop.create_unix_server(lambda: Connection(answer, connections), sock=listening)
    try:
        await stop.wait()
    finally:
        server.close()
        for one in tuple(connections):
            one.finish()
        tasks = [one._task for one in connections if one._task is not None and not one._task.done()]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=deadline)
            for task in late:
                task.cancel()
        with suppress(TimeoutError):
            await asyncio.wait_for(server.wait_closed(), 1.0)
