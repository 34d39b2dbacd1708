"""Requests that are over a limit and wait for room, those that came first before the others."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from anygate.services.ratelimit.ask import Ask
from anygate.services.ratelimit.counters import Taken
from anygate.services.ratelimit.telling import is_refused

PATIENCE = 5.0
"""Seconds that a request waits. Envoy waits a little longer for us (`envoy/filters/global_rate_limit.py`)."""
MOST = 100
"""How many requests wait for one counter; those that come then are refused at once."""

_SHORTEST = 0.002

Take = Callable[[], Awaitable[list[Taken]]]


class Queues:
    """A queue for each counter that requests wait for; the first in it asks again when there may be room."""

    def __init__(self, patience: float = PATIENCE, most: int = MOST) -> None:
        self._patience, self._most = patience, most
        self._lines: dict[bytes, deque[asyncio.Event]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._lines.values()))

    async def take(self, asks: Sequence[Ask], take: Take) -> list[Taken]:
        """Take what is asked for with `take`, after waiting if need be; its last answer stands."""
        key = next((ask.key for ask in asks if ask.telling.queued and self._has_room_behind(ask.key)), None)
        if key is None:
            found = await take()
            key = _find_full(asks, found)
            if key is None or len(self._lines.get(key, ())) >= self._most:
                return found
        return await self._wait(key, asks, take)

    def _has_room_behind(self, key: bytes) -> bool:
        return 0 < len(self._lines.get(key, ())) < self._most

    async def _wait(self, key: bytes, asks: Sequence[Ask], take: Take) -> list[Taken]:
        """Stand in line until it is our turn and there is room, or patience ends, or the client leaves."""
        deadline = asyncio.get_running_loop().time() + self._patience
        line, turn = self._lines.setdefault(key, deque()), asyncio.Event()
        line.append(turn)
        line[0].set()
        try:
            await _wait_until(turn, deadline)
            while True:
                found = await take()
                left = deadline - asyncio.get_running_loop().time()
                if _find_full(asks, found) is None or left <= 0:
                    return found
                await asyncio.sleep(min(left, _time_to_room(asks, found)))
        finally:
            line.remove(turn)
            if line:
                line[0].set()
            else:
                del self._lines[key]


async def _wait_until(turn: asyncio.Event, deadline: float) -> None:
    try:
        async with asyncio.timeout_at(deadline):
            await turn.wait()
    except TimeoutError:
        return


def _find_full(asks: Sequence[Ask], found: Sequence[Taken]) -> bytes | None:
    """The counter to wait for: where a request is refused, and only by limits that it may wait for."""
    full = [ask for ask, one in zip(asks, found, strict=True) if is_refused(ask, one)]
    return full[0].key if full and all(ask.telling.queued for ask in full) else None


def _time_to_room(asks: Sequence[Ask], found: Sequence[Taken]) -> float:
    return max(_SHORTEST, *(one.reset for ask, one in zip(asks, found, strict=True) if is_refused(ask, one)))
