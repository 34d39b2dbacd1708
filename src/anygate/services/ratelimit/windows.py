"""How counters forget: what each kind of window remembers, and what is used of it at a time.

Each kind is the state of one counter. `read` tells what is used, `add` takes (or gives back) and tells what is used
then, `mark` is what `reset_of` needs to know, and `ends` says from when on nothing is lost by forgetting it. Time is in
microseconds since 1970 and use in parts of which a hit has `size_of`, so that all numbers are whole. The script of the
counters in Redis has the same steps; a test runs both side by side.
"""

from collections import deque
from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from anygate.services.ratelimit.ask import Limit, Window

SLOTS = 1000
"""A sliding window is exact to this part of it: what is taken within one slot is forgotten together."""
SECOND = 1_000_000


class State(Protocol):
    """One counter."""

    @property
    def mark(self) -> int:
        """What `reset_of` has to know."""
        ...

    def read(self, limit: Limit, now: int) -> int:
        """Return what is used at `now`."""
        ...

    def add(self, limit: Limit, hits: int, now: int) -> int:
        """Take hits, or give them back where negative, and return what is used then."""
        ...

    def ends(self, limit: Limit) -> int:
        """Return from when on the counter is as good as a new one."""
        ...


class _Fixed:
    """From one multiple of the period to the next; `mark` is the number of the window."""

    __slots__ = ("_used", "mark")

    def __init__(self) -> None:
        self.mark, self._used = 0, 0

    def read(self, limit: Limit, now: int) -> int:
        return self._used if self.mark == window_of(limit, now) else 0

    def add(self, limit: Limit, hits: int, now: int) -> int:
        self._used = max(0, self.read(limit, now) + hits)
        self.mark = window_of(limit, now)
        return self._used

    def ends(self, limit: Limit) -> int:
        return (self.mark + 1) * period_of(limit)


class _Started:
    """A period that begins with the first hit, and after it with the first one that comes then: that is the `mark`."""

    __slots__ = ("_used", "mark")

    def __init__(self) -> None:
        self.mark, self._used = 0, 0

    def read(self, limit: Limit, now: int) -> int:
        return self._used if now < self.ends(limit) else 0

    def add(self, limit: Limit, hits: int, now: int) -> int:
        used = self.read(limit, now)
        if now >= self.ends(limit):
            self.mark = now
        self._used = max(0, used + hits)
        return self._used

    def ends(self, limit: Limit) -> int:
        return self.mark + period_of(limit)


class _Sliding:
    """The period before now: what is taken is forgotten one period later. What is given back is what came last.

    The `mark` is the oldest slot that anything is remembered of.
    """

    __slots__ = ("_log", "_total")

    def __init__(self) -> None:
        self._log: deque[tuple[int, int]] = deque()
        self._total = 0

    @property
    def mark(self) -> int:
        return self._log[0][0] if self._log else 0

    def mark_of(self, excess: int) -> int:
        """Return the slot with which so much will be forgotten, or the last one there is."""
        for slot, taken in self._log:
            excess -= taken
            if excess <= 0:
                return slot
        return self._log[-1][0] if self._log else 0

    def read(self, limit: Limit, now: int) -> int:
        gone = slot_of(limit, now) - SLOTS
        while self._log and self._log[0][0] <= gone:
            self._total -= self._log.popleft()[1]
        return self._total

    def add(self, limit: Limit, hits: int, now: int) -> int:
        self.read(limit, now)
        slot = slot_of(limit, now)
        while self._log and (hits < 0 or self._log[-1][0] == slot):
            at, taken = self._log.pop()
            self._total -= taken
            hits, slot = taken + hits, at
        if hits > 0:
            self._log.append((slot, hits))
            self._total += hits
        return self._total

    def ends(self, limit: Limit) -> int:
        return (self._log[-1][0] + SLOTS) * period_of(limit) // SLOTS if self._log else 0


class _Leaky:
    """One hit leaks out in each period; `mark` is when all will have. What is used is the time until then."""

    __slots__ = ("mark",)

    def __init__(self) -> None:
        self.mark = 0

    def read(self, limit: Limit, now: int) -> int:
        del limit
        return max(0, self.mark - now)

    def add(self, limit: Limit, hits: int, now: int) -> int:
        self.mark = max(now, max(now, self.mark) + hits * period_of(limit))
        return self.mark - now

    def ends(self, limit: Limit) -> int:
        del limit
        return self.mark


class _Concurrent:
    """What was taken and not given back. It is forgotten when nothing changed for a whole period, in case that what
    ends was never told. The `mark` is when it changed."""

    __slots__ = ("_used", "mark")

    def __init__(self) -> None:
        self.mark, self._used = 0, 0

    def read(self, limit: Limit, now: int) -> int:
        return self._used if now < self.ends(limit) else 0

    def add(self, limit: Limit, hits: int, now: int) -> int:
        self._used = max(0, self.read(limit, now) + hits)
        self.mark = now
        return self._used

    def ends(self, limit: Limit) -> int:
        return self.mark + period_of(limit)


STATES: Mapping[Window, type[State]] = MappingProxyType(
    {
        Window.FIXED: _Fixed,
        Window.STARTED: _Started,
        Window.SLIDING: _Sliding,
        Window.LEAKY: _Leaky,
        Window.CONCURRENT: _Concurrent,
    }
)
"""What a counter of each kind of window remembers."""


def find_mark(state: State, excess: int) -> int:
    """Return the mark of a counter that is over its limit by so much: where a window slides, when it no longer is."""
    return state.mark_of(excess) if isinstance(state, _Sliding) else state.mark


def period_of(limit: Limit) -> int:
    """Return the period in microseconds."""
    return max(1, round(limit.seconds * SECOND))


def size_of(limit: Limit) -> int:
    """Return in how many parts one hit is counted."""
    return period_of(limit) if limit.window is Window.LEAKY else 1


def window_of(limit: Limit, now: int) -> int:
    """Return the number of the fixed window that `now` is in."""
    return now // period_of(limit)


def slot_of(limit: Limit, now: int) -> int:
    """Return the number of the slot of a sliding window that `now` is in."""
    return now * SLOTS // period_of(limit)


def reset_of(limit: Limit, mark: int, used: int, now: int) -> float:
    """Return in how many seconds all that is used is free again, or the part of the mark where the window slides."""
    period = period_of(limit)
    if limit.window is Window.FIXED:
        left = period - now % period
    elif limit.window is Window.STARTED:
        left = mark + period - now if now < mark + period else period
    elif limit.window is Window.SLIDING:
        left = (mark + SLOTS) * period // SLOTS - now if used else period
    else:
        left = used if limit.window is Window.LEAKY else 0
    return max(0, left) / SECOND
