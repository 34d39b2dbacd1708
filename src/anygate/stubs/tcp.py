"""A TCP stub: what arrives goes back; asked for its name, it says which backend it is."""

import asyncio
from typing import cast

from anygate.stubs.open_connections import OpenConnections
from anygate.stubs.request_log import RequestLog

NAME_QUESTION = b"x-stub?\n"


class TcpEcho(asyncio.Protocol):
    """One connection. It reads only as fast as the peer reads."""

    __slots__ = ("_first", "_log", "_open", "_transport")

    def __init__(self, log: RequestLog, open_connections: OpenConnections) -> None:
        self._log = log
        self._open = open_connections
        self._first = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)
        self._open.add(self)
        self._log.count += 1

    def data_received(self, data: bytes) -> None:
        """Send the bytes back, or the name if they ask for it."""
        if self._first and data == NAME_QUESTION:
            data = f"{self._log.backend.name}\n".encode()
        self._first = False
        self._transport.write(data)

    def pause_writing(self) -> None:
        """Stop reading while the peer does not read."""
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on."""
        self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave the set of open connections."""
        self._open.discard(self)

    def finish(self) -> None:
        """Close once everything written has left: a byte stream has no end of its own to wait for."""
        self._transport.close()

    def abort(self) -> None:
        """Drop the connection at once."""
        self._transport.abort()
