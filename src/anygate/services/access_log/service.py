"""`envoy.service.accesslog.v3.AccessLogService`: Envoy's workers each hold a stream open and send entries on it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from anygate.services.access_log.writer import UsageWriter

if TYPE_CHECKING:
    import grpc


class AccessLogService:
    """Passes every message on to the writer. The streams end when Envoy does; a new Envoy opens new ones."""

    name = "envoy.service.accesslog.v3.AccessLogService"

    def __init__(self, writer: UsageWriter) -> None:
        self._writer = writer

    def methods(self) -> "Mapping[str, grpc.RpcMethodHandler]":
        """Return how the one method is answered."""
        import grpc

        return {"StreamAccessLogs": grpc.stream_stream_rpc_method_handler(self._serve)}

    async def open(self) -> None:
        """Start the writer."""
        self._writer.start()

    async def close(self) -> None:
        """Write what has come."""
        import asyncio

        await asyncio.to_thread(self._writer.stop)

    async def _serve(self, _requests: Any, context: Any) -> None:
        import grpc

        try:
            while (raw := await context.read()) is not grpc.aio.EOF:
                self._writer.put(raw)
        except (grpc.aio.UsageError, grpc.RpcError):  # Envoy went away in the middle
            return
