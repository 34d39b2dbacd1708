"""Where requests are counted: what counters do, wherever they are."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from anygate.services.ratelimit.ask import Ask, Limit


class CountersAway(Exception):  # noqa: N818 - they may come back
    """The counters cannot be had now, so nobody knows what is left."""


class Taken(NamedTuple):
    """What became of one `Ask`: whether it was over the limit, what is used now, and seconds until that is zero."""

    over: bool
    used: int
    reset: float


class Counters(Protocol):
    """Fixed windows: a counter begins at zero with every multiple of its period.

    All asks of one call are one step that no other call comes between. An ask for nothing is over when nothing is
    left; another one when less is left than it wants. When one that is to be refused is over, nothing is taken for any;
    what is to be charged is always taken.
    """

    async def open(self) -> None:
        """Get ready."""
        ...

    async def take(self, asks: Sequence[Ask], now: float) -> list[Taken]:
        """Take what is asked for at `now`, in seconds since 1970. Raises CountersAway."""
        ...

    async def close(self) -> None:
        """Let go of everything."""
        ...


def window_of(limit: Limit, now: float) -> int:
    """Return the number of the window that `now` is in."""
    return int(now // limit.seconds)


def seconds_left(limit: Limit, now: float) -> float:
    """Return how long the window goes on."""
    return limit.seconds - now % limit.seconds


def is_over(limit: Limit, used: int, hits: int) -> bool:
    """Tell whether `hits` are too many where `used` are gone; none are too many when none are left."""
    return used + max(hits, 1) > limit.requests if hits >= 0 else False
