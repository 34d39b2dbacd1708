"""Sliding windows against a list of everything that ever happened: on random sequences both say the same.

A window is kept in slots. Of events at the slots' edges nothing is lost by that; of others what is forgotten is at
most one slot too early, and never too late.
"""

import asyncio
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anygate.services.ratelimit import Counters
from anygate.services.ratelimit.ask import Ask, Limit, Mode, Window
from anygate.services.ratelimit.counters import Taken
from anygate.services.ratelimit.memory import MemoryCounters
from anygate.services.ratelimit.redis import RedisCounters
from anygate.services.ratelimit.windows import SECOND, SLOTS

START = 472_222 * 3600 * SECOND
KEYS = "ab"
LIMITS = {"requests": (7, 60), "minute": (50, 60), "hour": (90, 3600)}


class Event(NamedTuple):
    """A request of a client, or what the answer to one has cost; `after` is the time since the last event."""

    after: int
    key: str
    tokens: int | None


class Reference:
    """Everything that was taken, with its time in microseconds."""

    def __init__(self) -> None:
        self._taken: list[tuple[str, int, int]] = []

    def take(self, asks: Sequence[Ask], now: int) -> list[tuple[bool, int]]:
        used = [self.used(ask, now) for ask in asks]
        charged = asks[0].mode is Mode.CHARGE
        over = [
            not charged and one + max(ask.hits, 1) > ask.limit.requests for ask, one in zip(asks, used, strict=True)
        ]
        if not any(over):
            self._taken += [(ask.rule + ask.key.decode(), now, ask.hits) for ask in asks]
        return [(one, self.used(ask, now)) for ask, one in zip(asks, over, strict=True)]

    def used(self, ask: Ask, now: int, *, less: int = 0) -> int:
        """What is used in the period before `now`, or in a little less than that."""
        period = round(ask.limit.seconds * SECOND) - less
        name = ask.rule + ask.key.decode()
        return sum(hits for owner, at, hits in self._taken if owner == name and now - period < at)


def asks_of(event: Event) -> list[Ask]:
    """A request is asked of all three limits at once; tokens are charged to two of them."""
    made = []
    for name, (most, seconds) in LIMITS.items():
        limit = Limit(most, seconds, Window.SLIDING)
        is_tokens = name != "requests"
        if event.tokens is None:
            made.append(Ask(name, (name + event.key).encode(), limit, 0 if is_tokens else 1, Mode.LIMIT))
        elif is_tokens:
            made.append(Ask(name, (name + event.key).encode(), limit, event.tokens, Mode.CHARGE))
    return made


def events(step: int) -> st.SearchStrategy[list[Event]]:
    """Events whose times are multiples of a step, in microseconds."""
    after = st.one_of(st.integers(0, 5 * SECOND // step), st.integers(0, 1000 * SECOND // step))
    tokens = st.one_of(st.none(), st.integers(0, 40))
    one = st.builds(Event, after.map(lambda many: many * step), st.sampled_from(KEYS), tokens)
    return st.lists(one, min_size=1, max_size=40)


def replay(counters: Counters, found: Sequence[Event]) -> list[tuple[int, list[Ask], list[Taken]]]:
    """What the counters say, event by event."""

    async def go() -> list[tuple[int, list[Ask], list[Taken]]]:
        await counters.open()
        now, said = START, []
        try:
            for event in found:
                now += event.after
                asks = asks_of(event)
                said.append((now, asks, await counters.take(asks, now / SECOND)))
        finally:
            await counters.close()
        return said

    return asyncio.run(go())


GRID = 3600 * SECOND // SLOTS
"""The hour's slots are multiples of the minute's."""


def check_exact(counters: Counters, found: Sequence[Event]) -> None:
    reference = Reference()
    for now, asks, taken in replay(counters, found):
        assert [(one.over, one.used) for one in taken] == reference.take(asks, now)
        for ask, one in zip(asks, taken, strict=True):
            if one.over:
                again = now + round(one.reset * SECOND)
                slot = round(ask.limit.seconds * SECOND) // SLOTS
                room = ask.limit.requests - max(ask.hits, 1)
                assert reference.used(ask, again) <= room < reference.used(ask, again - slot)


@given(events(GRID))
@settings(max_examples=300, deadline=None)
def test_memory_is_exact_at_the_edges_of_slots(found: list[Event]) -> None:
    check_exact(MemoryCounters(), found)


@given(events(1))
@settings(max_examples=300, deadline=None)
def test_memory_forgets_one_slot_too_early_at_most(found: list[Event]) -> None:
    reference = Reference()
    for now, asks, taken in replay(MemoryCounters(), found):
        before = [(reference.used(ask, now), ask) for ask in asks]
        charged = asks[0].mode is Mode.CHARGE
        if charged or not any(one.over for one in taken):
            # Both have taken the same so far, so that what is left differs by what is forgotten alone.
            reference._taken += [(ask.rule + ask.key.decode(), now, ask.hits) for ask in asks]
        for (exact, ask), one in zip(before, taken, strict=True):
            slot = round(ask.limit.seconds * SECOND) // SLOTS
            assert reference.used(ask, now, less=slot) <= one.used <= reference.used(ask, now)
            if one.over:
                assert exact + max(ask.hits, 1) > ask.limit.requests


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    server = shutil.which("redis-server")
    assert server, "these tests need redis-server (apt-get install redis-server)"
    with TemporaryDirectory() as folder:
        place = Path(folder, "redis.sock")
        command = [server, "--port", "0", "--unixsocket", place, "--save", "", "--dir", folder]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        try:
            assert any("eady to accept connections" in line for line in process.stdout)
            yield f"unix://{place}"
        finally:
            process.kill()
            process.communicate()


@given(events(GRID))
@settings(max_examples=60, deadline=None)
def test_redis_is_exact_at_the_edges_of_slots(redis_url: str, found: list[Event]) -> None:
    from redis import Redis

    with Redis.from_url(redis_url) as client:
        client.flushall()
    check_exact(RedisCounters(redis_url), found)
