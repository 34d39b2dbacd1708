"""One accepted HTTP connection: bytes in and out, and the protocol engine that speaks on it."""

import asyncio
from typing import Protocol, cast

from anygate.stubs.answerer import ECHO, Answerer
from anygate.stubs.open_connections import OpenConnections
from anygate.stubs.request_log import RequestLog

H2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Engine(Protocol):
    """A protocol spoken on a wire. Engines do no I/O: they are called with bytes and write to the wire."""

    def receive(self, chunk: bytes) -> None:
        """Take bytes that arrived."""

    def end_input(self) -> None:
        """Learn that the peer sends no more."""

    def resume(self) -> None:
        """Go on sending: the wire has room again."""

    def finish(self) -> None:
        """Complete what is in progress, take nothing new, then close the wire."""

    def lose(self) -> None:
        """Learn that the connection is gone and drop everything."""


class Wire(asyncio.Protocol):
    """Reads the first bytes to see which protocol the peer speaks, then only carries bytes."""

    __slots__ = ("_closing", "_engine", "_open", "_sniffed", "_transport", "answerer", "blocked", "log")

    def __init__(self, log: RequestLog, open_connections: OpenConnections, answerer: Answerer = ECHO) -> None:
        self.log = log
        self.answerer = answerer
        self.blocked = False
        self._open = open_connections
        self._engine: Engine | None = None
        self._sniffed = b""
        self._closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)
        self._open.add(self)

    def data_received(self, data: bytes) -> None:
        """Pass arrived bytes to the engine, chosen by the first of them."""
        if self._closing:
            return
        if self._engine is not None:
            self._engine.receive(data)
            return
        self._sniffed += data
        if len(self._sniffed) < len(H2_PREFACE) and H2_PREFACE.startswith(self._sniffed):
            return
        self._choose(self._sniffed.startswith(H2_PREFACE))

    def eof_received(self) -> bool:
        """Let the engine finish what the peer asked before it stopped sending."""
        if self._engine is None and self._sniffed:
            self._choose(http2=False)
        if self._engine is None or self._closing:
            return False
        self._engine.end_input()
        return not self._closing

    def pause_writing(self) -> None:
        """Stop reading while the peer does not read, so that nothing piles up here."""
        self.blocked = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on."""
        self.blocked = False
        self._transport.resume_reading()
        if self._engine is not None and not self._closing:
            self._engine.resume()

    def connection_lost(self, exc: Exception | None) -> None:
        """Release everything."""
        self._closing = True
        self._open.discard(self)
        if self._engine is not None:
            self._engine.lose()
            self._engine = None

    def write(self, chunk: bytes) -> None:
        """Send bytes; `blocked` turns true when the peer falls behind."""
        if chunk and not self._closing:
            self._transport.write(chunk)

    def hold(self) -> None:
        """Read no more for now."""
        self._transport.pause_reading()

    def release(self) -> None:
        """Read again, unless the peer is behind."""
        if not self.blocked:
            self._transport.resume_reading()

    def switch(self, engine: Engine) -> None:
        """Let another engine speak from now on."""
        self._engine = engine

    def close(self) -> None:
        """Close once everything written has left."""
        self._closing = True
        self._transport.close()

    def abort(self) -> None:
        """Drop the connection at once."""
        self._closing = True
        self._transport.abort()

    def finish(self) -> None:
        """Close as soon as what is in progress has been answered."""
        if self._engine is None:
            self.close()
        elif not self._closing:
            self._engine.finish()

    def _choose(self, http2: bool) -> None:
        # Imported late: most runs meet one of the two only, and a stub that nobody calls needs neither.
        first, self._sniffed = self._sniffed, b""
        if http2:
            from anygate.stubs.http2 import Http2Engine

            speaking = Http2Engine(self, self.log)
            self._engine = speaking
            speaking.start()
        else:
            from anygate.stubs.http1 import Http1Engine

            self._engine = Http1Engine(self, self.log)
        self._engine.receive(first)
