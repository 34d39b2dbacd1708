"""`envoy.service.ext_proc.v3.ExternalProcessor`: calls the plugins that an order names."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from anygate.envoy.api import message
from anygate.services.complaints import Complaints
from anygate.services.ext_proc import NAME, REQUEST, find_order
from anygate.services.wasm.engine import Plugins
from anygate.services.wasm.exchange import Exchange
from anygate.wasm.order import ORDER_KEY, read_order

if TYPE_CHECKING:
    import grpc

_THREADS = 16


class SandboxService:
    """Runs plugins of a folder, several at once; one that takes long keeps no other waiting."""

    name = NAME

    def __init__(self, folder: Path) -> None:
        self._plugins = Plugins(folder)
        self._threads = ThreadPoolExecutor(_THREADS, "wasm")
        self._request = message(REQUEST)
        self._complaints = Complaints()

    def methods(self) -> "Mapping[str, grpc.RpcMethodHandler]":
        """Return the one method."""
        import grpc

        return {"Process": grpc.stream_stream_rpc_method_handler(self._process)}

    async def open(self) -> None:
        """Nothing: modules are compiled when they are called for the first time."""

    async def close(self) -> None:
        """Let the calls that are under way end, which they do soon."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _process(self, parts: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        import grpc

        try:
            exchange = Exchange(self._plugins, read_order(find_order(context, ORDER_KEY)), self._tell)
        except msgspec.DecodeError:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "there is no order")
            return
        loop = asyncio.get_running_loop()
        async for raw in parts:
            part = self._request.FromString(raw)
            yield await loop.run_in_executor(self._threads, exchange.take, part)

    def _tell(self, plugin: str, reason: str) -> None:
        self._complaints.tell(f"plugin {plugin} failed in {reason}")
