"""`envoy.service.ratelimit.v3.RateLimitService`: says whether a request is within its limits, and counts."""

import asyncio
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from anygate.envoy.api import message
from anygate.envoy.names import EXHAUSTED
from anygate.services.ratelimit.ask import Ask, Limit, Mode, NotAsked, Window, read_ask
from anygate.services.ratelimit.counters import Counters, CountersAway, Taken
from anygate.services.ratelimit.hits import LimitHits
from anygate.services.ratelimit.queues import Queues
from anygate.services.ratelimit.telling import is_refused, tell, wait_of

if TYPE_CHECKING:
    import grpc

NAME = "envoy.service.ratelimit.v3.RateLimitService"
_REQUEST = "envoy.service.ratelimit.v3.RateLimitRequest"
_RESPONSE = "envoy.service.ratelimit.v3.RateLimitResponse"
_OK, _OVER = 1, 2
_LARGEST = 2**32 - 1
_SAYING = 60.0
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
        self.hits = LimitHits()
        self._queues = Queues()
        self._warned: dict[str, float] = {}
        self._unanswered = 0
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
            taken = await self._queues.take(asks, lambda: self._counters.take(asks, self._clock()))
        except NotAsked as problem:
            return await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(problem))  # type: ignore[no-any-return]
        except CountersAway as problem:
            self._note_away(problem)
            return await context.abort(grpc.StatusCode.UNAVAILABLE, "the counters are away")  # type: ignore[no-any-return]
        self._note_back()
        response = self._respond(asks, taken)
        if response.overall_code == _OK:
            await self._wait(asks, taken)
        return bytes(response.SerializeToString())

    async def _wait(self, asks: list[Ask], taken: list[Taken]) -> None:
        """Let a request wait for its turn.

        Tried on Envoy 1.40: a client that leaves meanwhile cancels the call, and what is to be done when its request
        ends is not done, so that it is done here.
        """
        seconds = max((wait_of(ask, found) for ask, found in zip(asks, taken, strict=True)), default=0.0)
        if seconds <= 0:
            return
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            held = [one for one in asks if one.limit.window is Window.CONCURRENT and one.hits > 0]
            await self._counters.take([one._replace(hits=-one.hits, mode=Mode.CHARGE) for one in held], self._clock())
            raise

    def _respond(self, asks: list[Ask], taken: list[Taken]) -> Any:
        response = self._response(overall_code=_OK)
        for ask, found in zip(asks, taken, strict=True):
            refused = is_refused(ask, found)
            if found.over:
                self.hits.add(ask)
            if refused:
                response.overall_code = _OVER
            elif found.over and ask.mode is Mode.QUOTA:  # Envoy then chooses another backend
                response.dynamic_metadata[ask.rule] = EXHAUSTED
            elif found.over:  # in shadow mode, which the access log can show
                response.dynamic_metadata.get_or_create_list(Mode.SHADOW.value).append(ask.rule)
                self._note_passed(ask)
            status = response.statuses.add(
                code=_OVER if refused else _OK,
                limit_remaining=min(_LARGEST, max(0, int(ask.limit.requests - found.used))),
            )
            if ask.limit.seconds >= 1:
                _write_limit(status.current_limit, ask.limit)
            status.duration_until_reset.FromMilliseconds(max(1, round(found.reset * 1000)))
        tell(response, asks, taken)
        return response

    def _note_passed(self, ask: Ask) -> None:
        """Say that requests pass which are over a limit that only warns; once a minute, as there may be many."""
        now = self._clock()
        if ask.telling.warning and now - self._warned.get(ask.rule, 0.0) >= _SAYING:
            self._warned[ask.rule] = now
            text = f"warning: rate limits: {ask.rule} is reached; it lets requests pass, with a warning"
            print(text, file=sys.stderr, flush=True)

    def _note_away(self, problem: CountersAway) -> None:
        self._unanswered += 1
        self.hits.unanswered += 1
        if not self._is_away:
            self._say_away(problem)

    def _say_away(self, problem: CountersAway) -> None:
        self._is_away = True
        text = f"warning: rate limits: the counters are away ({problem}); only failClosed refuses"
        print(text, file=sys.stderr, flush=True)

    def _note_back(self) -> None:
        if self._is_away:
            self._is_away = False
            text = f"note: rate limits: the counters are back; {self._unanswered} requests were not counted"
            print(text, file=sys.stderr, flush=True)
            self._unanswered = 0


def _write_limit(current: Any, limit: Limit) -> None:
    """Write the limit in the largest unit that its period is a multiple of."""
    period = int(limit.seconds)
    seconds, unit = next((size, number) for size, number in _UNITS if period % size == 0)
    current.requests_per_unit = min(_LARGEST, limit.requests)
    current.unit = unit
    if period != seconds:
        current.unit_multiplier.value = period // seconds
