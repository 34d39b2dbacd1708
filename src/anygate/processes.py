"""What everybody shares who keeps a child process running."""

import asyncio
import signal
from contextlib import suppress

_LONGEST = 10.0
_STABLE = 30.0


class Backoff:
    """How long to wait before a process that ended is started again.

    Twice as long each time, up to 10 s, and from the beginning after a run of more than 30 s.
    """

    def __init__(self, first: float = 0.1) -> None:
        self._first = first
        self._next = first

    def after(self, seconds: float) -> float:
        """The wait after a run of so many seconds."""
        delay = self._first if seconds > _STABLE else self._next
        self._next = min(2 * delay, _LONGEST)
        return delay


async def wait_unless(stopping: asyncio.Event, seconds: float) -> None:
    """Wait, but no longer than until `stopping` is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stopping.wait()


def describe_exit(status: int) -> str:
    """How a process ended, in words."""
    if status >= 0:
        return f"ended with status {status}"
    return f"was ended by {signal.Signals(-status).name}"
