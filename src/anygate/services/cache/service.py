"""`envoy.service.ext_proc.v3.ExternalProcessor`: gives kept answers, and keeps those of backends."""

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from anygate.envoy.api import message
from anygate.envoy.cache_order import ORDER_KEY, read_order
from anygate.services.cache.exchange import Exchange
from anygate.services.cache.zone import Zones
from anygate.services.ext_proc import NAME, REQUEST, find_order

if TYPE_CHECKING:
    import grpc


class CacheService:
    """Keeps answers in memory, in zones. `clock` gives seconds since 1970."""

    name = NAME

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._zones = Zones()
        self._clock = clock
        self._request = message(REQUEST)

    def methods(self) -> "Mapping[str, grpc.RpcMethodHandler]":
        """Return the one method."""
        import grpc

        return {"Process": grpc.stream_stream_rpc_method_handler(self._process)}

    async def open(self) -> None:
        """Nothing: zones begin empty."""

    async def close(self) -> None:
        """Nothing: what is kept ends with the process."""

    async def _process(self, _parts: Any, context: Any) -> None:
        """Follow one request. Once there is nothing more to see the call ends, and Envoy goes on by itself."""
        import grpc

        try:
            order = read_order(find_order(context, ORDER_KEY))
        except msgspec.DecodeError:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "there is no order")
            return
        zone = self._zones.get(order.cache.zone, order.cache.capacity)
        exchange = Exchange(order, zone, self._clock)
        try:
            while not exchange.is_over and (raw := await context.read()) is not grpc.aio.EOF:
                for answer in exchange.take(self._request.FromString(raw)):
                    await context.write(answer)
        except (grpc.aio.UsageError, grpc.RpcError):  # the client went away in the middle
            return
        finally:
            # Room for what was still to come is given back at once, however the call ends.
            exchange.close()
