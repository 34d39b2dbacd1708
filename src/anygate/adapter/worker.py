"""One process of the adapter: what its connections share, its socket, and its end."""

import asyncio
import gc
import os
import signal
import socket
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

from anygate.adapter.client import ClientConnection
from anygate.adapter.defects import report_defect
from anygate.adapter.egress import EgressPool
from anygate.adapter.metrics import Tally
from anygate.adapter.route import Routes

BODY_LIMIT = 64 * 1024 * 1024
_BACKLOG = 1024
_YOUNG_OBJECTS = 10_000


class Worker:
    """Serves one listening socket until it is told to stop."""

    def __init__(self, egress: str, limit: int = BODY_LIMIT) -> None:
        self.loop = asyncio.get_running_loop()
        self.pool = EgressPool(self.loop, egress)
        self.tally = Tally()
        self.routes = Routes()
        self.clients: set[ClientConnection] = set()
        self.limit = limit
        self.is_draining = False
        self._empty = asyncio.Event()

    async def serve(self, listening: socket.socket) -> None:
        """Answer requests; after SIGTERM or SIGINT finish those in flight and return."""
        self.loop.set_exception_handler(_report)
        stopping = asyncio.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            self.loop.add_signal_handler(name, stopping.set)
        if listening.family == socket.AF_UNIX:
            server = await self.loop.create_unix_server(self._accept, sock=listening, backlog=_BACKLOG)
        else:
            server = await self.loop.create_server(self._accept, sock=listening, backlog=_BACKLOG)
        gc.collect()
        gc.freeze()
        gc.set_threshold(_YOUNG_OBJECTS, 20, 50)
        await stopping.wait()
        server.close()
        await self._drain()

    def forget(self, client: ClientConnection) -> None:
        """A connection is gone."""
        self.clients.discard(client)
        if self.is_draining and not self.clients:
            self._empty.set()

    def _accept(self) -> ClientConnection:
        return ClientConnection(self)

    async def _drain(self) -> None:
        self.is_draining = True
        for client in list(self.clients):
            client.drain()
        if self.clients:
            await self._empty.wait()
        self.pool.close()


def _report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    defect = context.get("exception")
    if isinstance(defect, BaseException):
        report_defect(defect)


def bind(path: str) -> tuple[socket.socket, int]:
    """A listening socket that only its owner can reach, and the inode of its file.

    It takes the place of one that a dead worker left.
    """
    made = f"{path}.{os.getpid()}"
    listening = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        with suppress(FileNotFoundError):
            Path(made).unlink()
        listening.bind(made)
    finally:
        os.umask(before)
    listening.listen(_BACKLOG)
    inode = Path(made).stat().st_ino
    Path(made).rename(path)
    return listening, inode


def unbind(path: str, inode: int) -> None:
    """Remove the socket's file, unless it is a successor's by now."""
    with suppress(OSError):
        found = Path(path).stat()
        if stat.S_ISSOCK(found.st_mode) and found.st_ino == inode:
            Path(path).unlink()
