"""Where requests are counted: what counters do, wherever they are."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from anygate.services.ratelimit.ask import Ask, Limit, Mode, Window
from anygate.services.ratelimit.windows import size_of


class CountersAway(Exception):  # noqa: N818 - they may come back
    """The counters cannot be had now, so nobody knows what is left."""


class Taken(NamedTuple):
    """What became of one `Ask`: whether it was over the limit, what is used now, and seconds until the limit is reset.

    Of a leaky window parts of a hit may be used. A sliding window that is over is reset when there is room again.
    """

    over: bool
    used: float
    reset: float


class Counters(Protocol):
    """Counters, each with the window that its limit names.

    All asks of one call are one step that no other call comes between. An ask for nothing is over when nothing is
    left; another one when less is left than it wants. When one that is to be refused is over, nothing is taken for any,
    and when a quota is, nothing is taken for it: it is another backend that will answer.
    What is to be charged is always taken, and what is given back when a request ends, refused or not.
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


def is_over(limit: Limit, used: int, hits: int) -> bool:
    """Tell whether `hits` are too many where `used` parts are gone; none are too many when none are left."""
    return used + max(hits, 1) * size_of(limit) > limit.requests * size_of(limit) if hits >= 0 else False


def excess_of(ask: Ask, used: int) -> int:
    """Return how many of the used parts have to be forgotten before there is room."""
    return used + max(ask.hits, 1) - ask.limit.requests


def is_always_taken(ask: Ask) -> bool:
    """Tell whether an ask is taken even if the request is refused."""
    return ask.mode is Mode.CHARGE or ask.limit.window is Window.CONCURRENT


def make_taken(ask: Ask, used: int, reset: float, *, over: bool) -> Taken:
    """Say what became of an ask by which `used` parts are gone."""
    shown = used / size_of(ask.limit) if ask.limit.window is Window.LEAKY else used
    return Taken(over and ask.mode is not Mode.CHARGE, shown, reset)
