"""Counters of one process: fast, and forgotten when it ends."""

from collections import OrderedDict
from collections.abc import Sequence

from anygate.services.ratelimit.ask import Ask, Mode
from anygate.services.ratelimit.counters import Taken, excess_of, is_always_taken, is_over, make_taken
from anygate.services.ratelimit.windows import SECOND, STATES, State, find_mark, reset_of

MOST = 200_000
"""How many counters are kept, about 70 MB. Beyond it the one that was asked for longest ago is forgotten."""


class MemoryCounters:
    """At most `most` counters; those whose window is over go first."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._states: OrderedDict[bytes, tuple[State, int]] = OrderedDict()
        self.forgotten = 0

    def __len__(self) -> int:
        return len(self._states)

    async def open(self) -> None:
        """Nothing has to be opened."""

    async def close(self) -> None:
        """Forget everything."""
        self._states.clear()

    async def take(self, asks: Sequence[Ask], now: float) -> list[Taken]:
        """Take what is asked for. There is no await in here, so nothing comes between."""
        at = round(now * SECOND)
        # One counter may be asked for twice, so what is gone is read for all of them before anything is taken.
        gone = [self._read(ask, at) for ask in asks]
        over = [
            ask.mode is not Mode.CHARGE and is_over(ask.limit, used, ask.hits)
            for ask, used in zip(asks, gone, strict=True)
        ]
        refused = any(one and ask.mode is Mode.LIMIT for ask, one in zip(asks, over, strict=True))
        taken = []
        for ask, used, one in zip(asks, gone, over, strict=True):
            counted = is_always_taken(ask) or not (refused or (one and ask.mode is Mode.QUOTA))
            left = self._add(ask, at) if counted else used
            reset = reset_of(ask.limit, self._mark(ask, used, over=one), left, at)
            taken.append(make_taken(ask, left, reset, over=one))
        return taken

    def _read(self, ask: Ask, now: int) -> int:
        found = self._states.get(ask.key)
        if found is None:
            return 0
        self._states.move_to_end(ask.key)
        return found[0].read(ask.limit, now)

    def _mark(self, ask: Ask, used: int, *, over: bool) -> int:
        known = self._states.get(ask.key)
        if known is None:
            return 0
        return find_mark(known[0], excess_of(ask, used)) if over else known[0].mark

    def _add(self, ask: Ask, now: int) -> int:
        known = self._states.get(ask.key)
        if known is None and ask.hits <= 0:
            return 0
        state = known[0] if known else STATES[ask.limit.window]()
        used = state.add(ask.limit, ask.hits, now) if ask.hits else state.read(ask.limit, now)
        self._states[ask.key] = (state, state.ends(ask.limit))
        self._states.move_to_end(ask.key)
        self._forget(now)
        return used

    def _forget(self, now: int) -> None:
        """Drop the oldest two if their windows are over, so that dead counters go faster than new ones come."""
        for _ in range(2):
            oldest = next(iter(self._states), None)
            if oldest is None or self._states[oldest][1] > now:
                break
            del self._states[oldest]
        while len(self._states) > self._most:
            self._states.popitem(last=False)
            self.forgotten += 1
