"""The server of the gRPC services: one Unix socket, on which Envoy finds all of them."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from anygate.errors import EnvironmentProblem
from anygate.services.service import Service

if TYPE_CHECKING:
    import grpc

_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.so_reuseport", 0),
    # What Envoy sends along with a call may hold as much as a configuration does.
    ("grpc.max_metadata_size", 4 * 1024 * 1024),
    ("grpc.absolute_max_metadata_size", 4 * 1024 * 1024),
)
_GRACE = 2.0


class ServiceServer:
    """Serves any number of services on one Unix socket.

    Whoever can open the socket can use them, so it belongs into a folder of its user alone.
    """

    def __init__(self, services: Sequence[Service]) -> None:
        self._services = tuple(services)
        self._server: grpc.aio.Server | None = None
        self._opened = AsyncExitStack()

    async def start(self, socket: Path) -> None:
        """Open the services and listen. Raises EnvironmentProblem, with everything closed again, if it cannot."""
        try:
            for service in self._services:
                await service.open()
                self._opened.push_async_callback(service.close)
            await self._listen(socket)
        except BaseException:
            await self._opened.aclose()
            raise

    async def _listen(self, socket: Path) -> None:
        import grpc  # takes longer to import than all the rest of this package

        server = grpc.aio.server(options=_OPTIONS)
        server.add_generic_rpc_handlers(
            tuple(grpc.method_handlers_generic_handler(one.name, dict(one.methods())) for one in self._services)
        )
        try:
            server.add_insecure_port(f"unix:{socket}")
        except RuntimeError as problem:
            raise EnvironmentProblem(f"cannot serve on {socket}: {problem}") from problem
        await server.start()
        self._server = server

    async def stop(self) -> None:
        """Let calls that are under way finish for a moment, then close the services. Safe to call twice."""
        server, self._server = self._server, None
        if server is not None:
            await server.stop(grace=_GRACE)
        await self._opened.aclose()
