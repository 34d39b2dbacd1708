"""`envoy.service.ratelimit.v3.RateLimitService`: says whether a request is within its limits, and counts."""

import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from anygate.envoy.api import message
from anygate.envoy.names import EXHAUSTED
from anygate.services.ratelimit.ask import Ask, Limit, Mode, NotAsked, read_ask
from anygate.services.ratelimit.counters import Counters, CountersAway, Taken

if TYPE_CHECKING:
    import grpc

NAME = "envoy.service.ratelimit.v3.RateLimitService"
_REQUEST = "envoy.service.ratelimit.v3.RateLimitRequest"
_RESPONSE = "envoy.service.ratelimit.v3.RateLimitResponse"
_OK, _OVER = 1, 2
_LARGEST = 2**32 - 1
_UNITS = ((86_400, 4), (3600, 3), (60, 2), (1, 1))
"""Seconds of the units that responses have, and their numbers."""


class RateLimitService:
    """Answers from `counters`. `clock` gives seconds since 1970.

    When the counters are away it fails the call: Envoy's own filter then lets the request through or refuses it, as
    it is told to, and counts that (`ratelimit.error`, `ratelimit.failure_mode_allowed` of the cluster behind).
    """

    name = NAME

    def __init__(self, counters: Counters, clock: Callable[[], float] = time.time) -> None:
        self._counters = counters
        self._clock = clock
        self._request = message(_REQUEST)
        self._response = message(_RESPONSE)
        self.unanswered = 0
        self._is_away = False

    def methods(self) -> "Mapping[str, grpc.RpcMethodHandler]":
        """Return the one method."""
        import grpc

        return {"ShouldRateLimit": grpc.unary_unary_rpc_method_handler(self._answer)}

    async def open(self) -> None:
        """Open the counters. That they are away is said at once, not only when they are missed."""
        await self._counters.open()
        try:
            await self._counters.take([], self._clock())
        except CountersAway as problem:
            self._say_away(problem)

    async def close(self) -> None:
        """Close the counters."""
        await self._counters.close()

    async def _answer(self, raw: bytes, context: Any) -> bytes:
        import grpc

        request = self._request.FromString(raw)
        try:
            asks = [read_ask(one, request.hits_addend or 1) for one in request.descriptors]
            taken = await self._counters.take(asks, self._clock())
        except NotAsked as problem:
            return await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(problem))  # type: ignore[no-any-return]
        except CountersAway as problem:
            self._note_away(problem)
            return await context.abort(grpc.StatusCode.UNAVAILABLE, "the counters are away")  # type: ignore[no-any-return]
        self._note_back()
        return bytes(self._respond(asks, taken).SerializeToString())

    def _respond(self, asks: list[Ask], taken: list[Taken]) -> Any:
        response = self._response(overall_code=_OK)
        for ask, found in zip(asks, taken, strict=True):
            refused = found.over and ask.mode is Mode.LIMIT
            if refused:
                response.overall_code = _OVER
            elif found.over and ask.mode is Mode.QUOTA:  # Envoy then chooses another backend
                response.dynamic_metadata[ask.rule] = EXHAUSTED
            elif found.over:  # in shadow mode, which the access log can show
                response.dynamic_metadata.get_or_create_list(Mode.SHADOW.value).append(ask.rule)
            status = response.statuses.add(
                code=_OVER if refused else _OK,
                limit_remaining=min(_LARGEST, max(0, ask.limit.requests - found.used)),
            )
            _write_limit(status.current_limit, ask.limit)
            status.duration_until_reset.FromMilliseconds(max(1, round(found.reset * 1000)))
        return response

    def _note_away(self, problem: CountersAway) -> None:
        self.unanswered += 1
        if not self._is_away:
            self._say_away(problem)

    def _say_away(self, problem: CountersAway) -> None:
        self._is_away = True
        text = f"warning: rate limits: the counters are away ({problem}); only failClosed refuses"
        print(text, file=sys.stderr, flush=True)

    def _note_back(self) -> None:
        if self._is_away:
            self._is_away = False
            text = f"note: rate limits: the counters are back; {self.unanswered} requests were not counted"
            print(text, file=sys.stderr, flush=True)
            self.unanswered = 0


def _write_limit(current: Any, limit: Limit) -> None:
    """Write the limit in the largest unit that its period is a multiple of."""
    seconds, unit = next((size, number) for size, number in _UNITS if limit.seconds % size == 0)
    current.requests_per_unit = min(_LARGEST, limit.requests)
    current.unit = unit
    if limit.seconds != seconds:
        current.unit_multiplier.value = limit.seconds // seconds
