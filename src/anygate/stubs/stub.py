"""One simulated service: a socket, the connections on it and what arrived there."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from anygate.stubs.answerer import ECHO, Answerer
from anygate.stubs.echo import Backend
from anygate.stubs.open_connections import OpenConnections
from anygate.stubs.request_log import RequestLog, RequestRecord
from anygate.stubs.tcp import TcpEcho
from anygate.stubs.udp import UdpEcho
from anygate.stubs.wire import Wire

Kind = Literal["http", "tcp", "udp"]

_BACKLOG = 1024


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """Where an HTTP or TCP stub listens."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


@dataclass(frozen=True, slots=True)
class UdpAddress:
    """Where a UDP stub listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


Address = UnixAddress | UdpAddress


class EchoStub:
    """Stands in for one service of one kind."""

    def __init__(
        self,
        service: str,
        namespace: str,
        kind: Kind,
        *,
        on_request: Callable[[RequestRecord], None] | None = None,
        answerer: Answerer = ECHO,
    ) -> None:
        self.kind: Kind = kind
        self._answerer = answerer
        self.backend = Backend(service, namespace)
        self._log = RequestLog(self.backend, on_request)
        self._connections = OpenConnections()
        self._server: asyncio.Server | None = None
        self._datagrams: asyncio.DatagramTransport | None = None
        self._address: Address | None = None

    @property
    def address(self) -> Address:
        """Where the stub listens."""
        if self._address is None:
            raise RuntimeError(f"the stub {self.backend.name} is not started")
        return self._address

    @property
    def requests(self) -> int:
        """How many requests (HTTP), connections (TCP) or datagrams (UDP) arrived."""
        return self._log.count

    @property
    def records(self) -> tuple[RequestRecord, ...]:
        """The last 100 HTTP requests, oldest first."""
        return tuple(self._log.records)

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    async def start(self, path: Path | str | None = None) -> Address:
        """Listen: on the Unix socket `path`, or for UDP on a free port of 127.0.0.1."""
        if self._address is not None:
            return self._address
        loop = asyncio.get_running_loop()
        if self.kind == "udp":
            transport, _ = await loop.create_datagram_endpoint(lambda: UdpEcho(self._log), local_addr=("127.0.0.1", 0))
            self._datagrams = transport
            host, port = transport.get_extra_info("sockname")[:2]
            self._address = UdpAddress(host, port)
            return self._address
        if path is None:
            raise ValueError(f"a stub of kind {self.kind} needs the path of a Unix socket")
        self._server = await loop.create_unix_server(self._accept, str(path), backlog=_BACKLOG)
        self._address = UnixAddress(str(path))
        return self._address

    async def listen(self, host: str = "127.0.0.1", port: int = 0) -> tuple[str, int]:
        """Listen on a TCP port instead, any free one unless told which; return the host and the port."""
        if self._server is not None or self.kind == "udp":
            raise RuntimeError(f"the stub {self.backend.name} listens elsewhere")
        self._server = await asyncio.get_running_loop().create_server(self._accept, host, port, backlog=_BACKLOG)
        bound = self._server.sockets[0].getsockname()
        return str(bound[0]), int(bound[1])

    def stop_listening(self) -> None:
        """Take no new connections and give up the address at once, so that a new stub may claim it."""
        address, self._address = self._address, None
        if self._datagrams is not None:
            self._datagrams.close()
            self._datagrams = None
        if self._server is not None:
            self._server.close()
            self._server = None
        if isinstance(address, UnixAddress):
            with contextlib.suppress(OSError):
                Path(address.path).unlink()

    async def stop(self, deadline: float = 5.0) -> None:
        """Take nothing new, finish what is in progress within `deadline` seconds, then drop the rest."""
        self.stop_listening()
        await self._connections.drain(deadline)

    def _accept(self) -> asyncio.Protocol:
        if self.kind == "tcp":
            return TcpEcho(self._log, self._connections)
        return Wire(self._log, self._connections, self._answerer)
