"""Keeps every credential fresh: fetched at the start, renewed before its end, tried again after a failure."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from anygate.credentials.delivery import Delivery
from anygate.credentials.problem import FetchProblem
from anygate.credentials.schedule import renew_after, retry_after
from anygate.credentials.token import Credential
from anygate.credentials.wanted import Wanted

_SLICE = 60.0


class Clock(Protocol):
    """The time of day in seconds, and waiting for one."""

    def now(self) -> float:
        """The time of day."""
        ...

    async def wait_until(self, when: float) -> None:
        """Return at that time."""
        ...


class WallClock:
    """The machine's clock."""

    def now(self) -> float:
        """The time of day."""
        return time.time()

    async def wait_until(self, when: float) -> None:
        """Return at that time, soon after it if the machine was asleep."""
        while (left := when - self.now()) > 0:  # noqa: ASYNC110 - nobody announces the time
            # The loop's own clock stands still while a laptop sleeps; tokens go on getting older.
            await asyncio.sleep(min(left, _SLICE))


@dataclass(frozen=True)
class Fetched:
    """A credential is there again after a failure, or for the first time."""

    wanted: Wanted


@dataclass(frozen=True)
class Failed:
    """A credential could not be fetched; the one that is held is good for `left` seconds more."""

    wanted: Wanted
    text: str
    left: float = 0.0


Event = Fetched | Failed


@dataclass(eq=False)
class _Course:
    """The course of one credential: who it is for, until when it is good, and what was last said of it."""

    wanted: Wanted
    good_until: float = 0.0
    told: tuple[str, bool] | None = None
    attempted: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Rotation:
    """One task for each credential. `on_event` hears of failures and of their end, and must not block."""

    def __init__(
        self,
        fetch: Callable[[Wanted], Awaitable[Credential]],
        delivery: Delivery,
        on_event: Callable[[Event], None] = lambda _: None,
        *,
        clock: Clock | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._fetch = fetch
        self._delivery = delivery
        self._on_event = on_event
        self._clock = clock or WallClock()
        self._chance = chance
        self._courses: dict[str, _Course] = {}

    def update(self, wanted: Iterable[Wanted]) -> None:
        """Fetch and renew exactly these from now on; call it in the event loop.

        What did not change keeps its credential. One whose secrets changed keeps it until the new one is there; one
        of another identity loses it at once, since it may be for somebody else.
        """
        new = {one.name: one for one in wanted}
        for name in self._courses.keys() - new.keys():
            course = self._courses.pop(name)
            self._cancel(course)
            self._delivery.drop(course.wanted)
        for name, one in new.items():
            held = self._courses.get(name)
            if held is not None and held.wanted.key == one.key:
                held.wanted = one
                continue
            course = _Course(one)
            if held is not None:
                self._cancel(held)
                if held.wanted.identity == one.identity:
                    course.good_until = held.good_until
                elif type(held.wanted.source) is not type(one.source):
                    self._delivery.drop(held.wanted)
            self._courses[name] = course
            course.task = asyncio.create_task(self._keep(course))
            if not course.good_until:
                self._take_back(course)

    async def attempted(self, patience: float) -> bool:
        """Wait until each credential was tried once, for `patience` seconds at most; tells whether all were."""
        waiting = [asyncio.ensure_future(one.attempted.wait()) for one in self._courses.values()]
        if not waiting:
            return True
        _, late = await asyncio.wait(waiting, timeout=patience)
        for one in late:
            one.cancel()
        return not late

    async def stop(self) -> None:
        """End all tasks."""
        tasks = [course.task for course in self._courses.values() if course.task is not None]
        for course in self._courses.values():
            self._cancel(course)
        self._courses.clear()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _cancel(self, course: _Course) -> None:
        course.attempted.set()
        if course.task is not None:
            course.task.cancel()

    def _take_back(self, course: _Course) -> None:
        try:
            self._delivery.put(course.wanted, None)
        except FetchProblem as problem:
            self._tell(course, str(problem), 0.0)

    async def _keep(self, course: _Course) -> None:
        while True:
            started = self._clock.now()
            text = await self._attempt(course, started)
            course.attempted.set()
            now = self._clock.now()
            left = course.good_until - now
            if text:
                self._tell(course, text, left)
                await self._clock.wait_until(now + retry_after(left, self._chance()))
            else:
                await self._clock.wait_until(started + renew_after(course.good_until - started, self._chance()))

    async def _attempt(self, course: _Course, started: float) -> str:
        """Fetch and deliver; returns what went wrong."""
        try:
            credential = await self._fetch(course.wanted)
            self._delivery.put(course.wanted, credential)
        except FetchProblem as problem:
            return str(problem)
        except Exception as problem:
            # A mistake of ours must not end the course, and its text may quote anything.
            return f"unexpected {type(problem).__name__}"
        course.good_until = started + credential.life
        if course.told is not None:
            course.told = None
            self._on_event(Fetched(course.wanted))
        return ""

    def _tell(self, course: _Course, text: str, left: float) -> None:
        """Tell of a failure, but not again every minute of the same one."""
        state = text, left > 0
        if course.told != state:
            course.told = state
            self._on_event(Failed(course.wanted, text, max(left, 0.0)))
