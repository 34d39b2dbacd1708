"""The ADS server: one gRPC method that gives each connected Envoy the snapshot of the day."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from anygate.envoy.snapshot import Snapshot
from anygate.errors import EnvironmentProblem
from anygate.xds.messages import Connected, Disconnected, Event, Nacked
from anygate.xds.stream import Stream
from anygate.xds.wire import METHOD, Node, parse_request, serialise_response

if TYPE_CHECKING:
    import grpc

_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.so_reuseport", 0),
)


@dataclass(frozen=True, slots=True)
class Client:
    """One connected Envoy. `number` tells streams of the same node apart."""

    node: Node
    number: int


@dataclass(frozen=True, slots=True)
class Applied:
    """What the clients made of a snapshot: each refusal with the client that refuses."""

    number: int
    refusals: tuple[tuple[Client, Nacked], ...] = ()


@dataclass(eq=False, slots=True)
class _Connection:
    stream: Stream
    number: int
    client: Client | None = None
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    patience: asyncio.TimerHandle | None = None

    def hurry(self) -> None:
        self.patience = None
        self.stream.hurry()
        self.wake.set()


class AdsServer:
    """Serves the newest published snapshot to any number of Envoys and learns what they make of it.

    `on_event` is called in the event loop and must not block. `patience` is how many seconds routes and
    listeners wait for clusters that do not get warm before they are sent all the same.
    """

    def __init__(self, *, on_event: Callable[[Client, Event], None] | None = None, patience: float = 5.0) -> None:
        self._on_event = on_event
        self._patience = patience
        self._snapshot = Snapshot()
        self._number = 0
        self._count = 0
        self._connections: set[_Connection] = set()
        self._server: grpc.aio.Server | None = None
        self._changed = asyncio.Event()
        self._ready = asyncio.Event()

    @property
    def clients(self) -> tuple[Client, ...]:
        """The Envoys that are connected now."""
        return tuple(found.client for found in self._connections if found.client is not None)

    async def start(self, address: str, credentials: "grpc.ServerCredentials | None" = None) -> None:
        """Listen on `unix:<path>` or `<host>:<port>`; without credentials only a Unix socket is private."""
        import grpc  # takes longer to import than all the rest of this package

        accept = grpc.stream_stream_rpc_method_handler(self._serve)
        service, _, method = METHOD[1:].partition("/")
        server = grpc.aio.server(options=_OPTIONS)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: accept}),))
        try:
            if credentials is None:
                server.add_insecure_port(address)
            else:
                server.add_secure_port(address, credentials)
        except RuntimeError as problem:
            raise EnvironmentProblem(f"cannot serve configuration on {address}: {problem}") from problem
        await server.start()
        self._server = server

    async def stop(self) -> None:
        """End all streams and stop listening. Envoys keep what they have and try to connect again."""
        server, self._server = self._server, None
        if server is None:
            return
        # A stream that grpc cancels leaks native memory (grpc/grpc#43360), so each one returns by itself.
        for connection in self._connections:
            connection.closed.set()
        await server.stop(grace=1.0)

    def publish(self, snapshot: Snapshot) -> int:
        """Make a snapshot the one that all clients should have, and return its number."""
        self._snapshot = snapshot
        self._number += 1
        for connection in self._connections:
            connection.stream.publish(snapshot)
            connection.wake.set()
        self._ready.set()
        self._announce_change()
        return self._number

    async def applied(self, number: int, *, clients: int = 1) -> Applied:
        """Wait until at least `clients` Envoys are connected and each took over or refused a snapshot.

        A newer snapshot published meanwhile counts as well, since it takes the place of the older one.
        """
        if number > self._number:
            raise ValueError(f"snapshot {number} is not published yet")
        while len(self.clients) < clients or not all(found.stream.settled for found in self._connections):
            await self._changed.wait()
        refusals = tuple(
            (found.client, refusal)
            for found in sorted(self._connections, key=lambda found: found.number)
            if found.client is not None
            for refusal in found.stream.refusals
        )
        return Applied(self._number, refusals)

    async def _serve(self, _requests: Any, context: Any) -> None:
        await self._ready.wait()
        self._count += 1
        connection = _Connection(Stream(self._snapshot), self._count)
        self._connections.add(connection)
        try:
            async with asyncio.TaskGroup() as tasks:
                both = (
                    tasks.create_task(self._read(connection, context)),
                    tasks.create_task(self._write(connection, context)),
                )
                await connection.closed.wait()
                for task in both:
                    task.cancel()
        finally:
            if connection.patience:
                connection.patience.cancel()
            self._connections.discard(connection)
            self._report(connection, Disconnected())
            self._announce_change()

    async def _read(self, connection: _Connection, context: Any) -> None:
        import grpc

        with suppress(grpc.aio.UsageError, grpc.RpcError):
            while (raw := await context.read()) is not grpc.aio.EOF:
                request, node = parse_request(raw)
                if connection.client is None:
                    connection.client = Client(node or Node("", ""), connection.number)
                    self._report(connection, Connected())
                outcome = connection.stream.receive(request)
                if outcome is not None:
                    self._report(connection, outcome)
                connection.wake.set()
                self._announce_change()
        connection.closed.set()

    async def _write(self, connection: _Connection, context: Any) -> None:
        while True:
            await connection.wake.wait()
            connection.wake.clear()
            for response in connection.stream.responses():
                await context.write(serialise_response(response))
            self._watch_patience(connection)

    def _watch_patience(self, connection: _Connection) -> None:
        if not connection.stream.is_held_up:
            if connection.patience:
                connection.patience.cancel()
                connection.patience = None
        elif connection.patience is None:
            loop = asyncio.get_running_loop()
            connection.patience = loop.call_later(self._patience, connection.hurry)

    def _report(self, connection: _Connection, event: Event) -> None:
        if self._on_event is not None and connection.client is not None:
            self._on_event(connection.client, event)

    def _announce_change(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
