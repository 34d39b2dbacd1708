"""The open connections of one stub, and the wait until none is left."""

import asyncio
import contextlib
from typing import Protocol


class Connection(Protocol):
    """What a stub asks of a connection when it stops."""

    def finish(self) -> None:
        """Complete what is in progress, then close."""

    def abort(self) -> None:
        """Drop the connection at once."""


class OpenConnections:
    """A set of connections that can be drained."""

    def __init__(self) -> None:
        self._open: set[Connection] = set()
        self._emptied = asyncio.Event()
        self._emptied.set()

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: Connection) -> None:
        """Learn of a new connection."""
        self._open.add(connection)
        self._emptied.clear()

    def discard(self, connection: Connection) -> None:
        """Learn that a connection is gone."""
        self._open.discard(connection)
        if not self._open:
            self._emptied.set()

    async def drain(self, deadline: float) -> None:
        """Finish every connection within `deadline` seconds, then drop those left."""
        for connection in list(self._open):
            connection.finish()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline):
                await self._emptied.wait()
        for connection in list(self._open):
            connection.abort()
        await self._emptied.wait()
