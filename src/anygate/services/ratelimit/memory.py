"""Counters of one process: fast, and forgotten when it ends."""

from collections import OrderedDict
from collections.abc import Sequence

from anygate.services.ratelimit.ask import Ask, Mode
from anygate.services.ratelimit.counters import Taken, is_over, seconds_left, window_of

MOST = 200_000
"""How many counters are kept, about 70 MB. Beyond it the one that was asked for longest ago is forgotten."""


class MemoryCounters:
    """At most `most` counters; those whose window is over go first."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._used: OrderedDict[bytes, tuple[int, int, float]] = OrderedDict()
        self.forgotten = 0

    def __len__(self) -> int:
        return len(self._used)

    async def open(self) -> None:
        """Nothing has to be opened."""

    async def close(self) -> None:
        """Forget everything."""
        self._used.clear()

    async def take(self, asks: Sequence[Ask], now: float) -> list[Taken]:
        """Take what is asked for. There is no await in here, so nothing comes between."""
        # One counter may be asked for twice, so what is gone is read for all of them before anything is taken.
        gone = [self._read(ask, now) for ask in asks]
        over = [
            ask.mode is not Mode.CHARGE and is_over(ask.limit, used, ask.hits)
            for ask, used in zip(asks, gone, strict=True)
        ]
        refused = any(one and ask.mode is Mode.LIMIT for ask, one in zip(asks, over, strict=True))
        return [
            Taken(
                one,
                used if refused and ask.mode is not Mode.CHARGE else self._add(ask, now),
                seconds_left(ask.limit, now),
            )
            for ask, used, one in zip(asks, gone, over, strict=True)
        ]

    def _read(self, ask: Ask, now: float) -> int:
        found = self._used.get(ask.key)
        if found is None:
            return 0
        self._used.move_to_end(ask.key)
        window, used, _ = found
        return used if window == window_of(ask.limit, now) else 0

    def _add(self, ask: Ask, now: float) -> int:
        used = max(0, self._read(ask, now) + ask.hits)
        if used == 0 and ask.key not in self._used:
            return 0
        window = window_of(ask.limit, now)
        self._used[ask.key] = (window, used, (window + 1) * ask.limit.seconds)
        self._used.move_to_end(ask.key)
        self._forget(now)
        return used

    def _forget(self, now: float) -> None:
        """Drop the oldest two if their windows are over, so that dead counters go faster than new ones come."""
        for _ in range(2):
            oldest = next(iter(self._used))
            if self._used[oldest][2] > now:
                break
            del self._used[oldest]
        while len(self._used) > self._most:
            self._used.popitem(last=False)
            self.forgotten += 1
