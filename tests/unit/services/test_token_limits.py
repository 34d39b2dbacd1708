"""Who calls, what clients are told of several limits, and how requests wait for room."""

import asyncio
from base64 import b64encode

import msgspec
import pytest

from anygate.envoy.api import message
from anygate.services.ratelimit import RateLimitService
from anygate.services.ratelimit.ask import (
    AUTHORIZATION,
    CALLER,
    Ask,
    Limit,
    Mode,
    Telling,
    Window,
    read_ask,
    read_credential,
)
from anygate.services.ratelimit.counters import Taken
from anygate.services.ratelimit.memory import MemoryCounters
from anygate.services.ratelimit.queues import Queues

pytestmark = pytest.mark.anyio
NOW = 1_000_000.0
HEADERS = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")
RETRY = ("retry-after", "x-again")
MINUTE = Limit(2, 60, Window.SLIDING)
DEADLINE = 10


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def read(*entries: tuple[str, str], hits: int = 1) -> Ask:
    descriptor = message("envoy.extensions.common.ratelimit.v3.RateLimitDescriptor")()
    for key, value in (("limit", "rule"), ("per", "2/60/sliding"), *entries):
        descriptor.entries.add(key=key, value=value)
    return read_ask(descriptor, hits)


def basic(text: str) -> str:
    return f"Basic {b64encode(text.encode()).decode()}"


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("Bearer sk-1", "sk-1"),
        ("bearer   sk-1 ", "sk-1"),
        (basic("ann:secret"), "ann"),
        (basic("ann"), "ann"),
        ("Basic ?", "?"),
        ("sk-1", "sk-1"),
        ("Digest username=ann", "Digest username=ann"),
        ("Bearer", ""),
        ("", ""),
    ],
)
def test_a_credential_is_what_comes_after_the_scheme(header: str, wanted: str) -> None:
    assert read_credential(header) == wanted


def test_the_first_that_tells_who_calls_counts() -> None:
    bearer = read((AUTHORIZATION, "Bearer k"), (CALLER, "other")).key
    assert read((CALLER, "k")).key == bearer
    assert read((AUTHORIZATION, "Bearer "), (CALLER, "k")).key == bearer
    assert read((AUTHORIZATION, basic("ann:new"))).key == read((AUTHORIZATION, basic("ann:old"))).key
    assert read((CALLER, "other")).key != bearer
    nobody = {read().key, read((CALLER, "")).key}
    assert len(nobody) == 1
    assert bearer not in nobody


def answer(asks: list[Ask], taken: list[Taken]) -> dict[str, str]:
    response = RateLimitService(MemoryCounters(), lambda: NOW)._respond(asks, taken)
    return {one.key: one.value for one in response.response_headers_to_add}


def limited(name: str, most: int, mode: Mode = Mode.LIMIT, **fields: object) -> Ask:
    limit = Limit(most, 60, Window.SLIDING)
    telling = Telling(headers=HEADERS, retry=RETRY, **fields)  # type: ignore[arg-type]
    return Ask(name, name.encode(), limit, 1, mode, telling)


def test_the_limit_with_the_least_left_is_told() -> None:
    asks = [limited("wide", 100), limited("tight", 10), limited("empty", 1000)]
    found = answer(asks, [Taken(False, 50, 7), Taken(False, 8, 9), Taken(False, 0, 60)])
    assert found == dict(zip(HEADERS, ("10", "2", "9"), strict=True))


def test_the_limit_that_refuses_for_longest_is_told() -> None:
    asks = [limited("soon", 100), limited("late", 10), limited("fine", 10)]
    found = answer(asks, [Taken(True, 100, 7.2), Taken(True, 10, 30.5), Taken(False, 9, 59)])
    assert found == {**dict(zip(HEADERS, ("10", "0", "31"), strict=True)), "retry-after": "31", "x-again": "31"}


def test_a_warning_is_told_of_what_is_over_and_passes() -> None:
    asks = [limited("warns", 1, Mode.SHADOW, warning=("x-warning", "it")), limited("fine", 10)]
    assert answer(asks, [Taken(False, 1, 9), Taken(False, 1, 9)]).get("x-warning") is None
    found = answer(asks, [Taken(True, 2, 9), Taken(False, 1, 9)])
    assert found["x-warning"] == "it"
    assert "retry-after" not in found


def test_what_is_told_survives_its_way_through_envoy() -> None:
    telling = Telling(headers=HEADERS, body="no", retry=RETRY, warning=("a", "b"), queued=True)
    assert msgspec.convert(msgspec.json.decode(msgspec.json.encode(telling)), Telling) == telling


class Line:
    """Counters under a clock of the test's, and requests that wait for room in them."""

    def __init__(self, patience: float = 5.0, most: int = 100) -> None:
        self.now = NOW
        self.counters = MemoryCounters()
        self.queues = Queues(patience, most)
        self.passed: list[str] = []

    async def ask(self, name: str, key: str = "k", *, queued: bool = True, limit: Limit = MINUTE) -> bool:
        ask = Ask("rule", key.encode(), limit, 1, Mode.LIMIT, Telling(queued=queued))
        [found] = await self.queues.take([ask], lambda: self.counters.take([ask], self.now))
        if not found.over:
            self.passed.append(name)
        return not found.over


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_requests_wait_in_the_order_in_which_they_came() -> None:
    # A window that has room again at once when the clock is set on: what waits looks again after 20 ms.
    line, limit = Line(), Limit(1, 0.02, Window.SLIDING)
    assert await line.ask("first", limit=limit)
    waiting = [asyncio.create_task(line.ask(f"waits {number}", limit=limit)) for number in range(5)]
    await settle()
    assert (len(line.queues), line.passed) == (5, ["first"])
    async with asyncio.timeout(DEADLINE):
        while len(line.passed) < 6:
            line.now += 0.001
            await asyncio.sleep(0)
    assert line.passed == ["first", *(f"waits {number}" for number in range(5))]
    assert await asyncio.gather(*waiting) == [True] * 5
    assert len(line.queues) == 0


async def test_patience_ends_and_another_key_does_not_wait() -> None:
    line = Line(patience=0.05)
    assert [await line.ask("a"), await line.ask("b")] == [True, True]
    refused = [asyncio.create_task(line.ask(f"late {number}")) for number in range(3)]
    await settle()
    assert await line.ask("other", "other")
    async with asyncio.timeout(DEADLINE):
        assert await asyncio.gather(*refused) == [False] * 3
    assert len(line.queues) == 0


async def test_beyond_the_longest_line_requests_are_refused_at_once() -> None:
    line = Line(most=2)
    assert [await line.ask("a"), await line.ask("b")] == [True, True]
    waiting = [asyncio.create_task(line.ask(f"waits {number}")) for number in range(2)]
    await settle()
    assert not await line.ask("too many")
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert len(line.queues) == 0


async def test_a_client_that_leaves_makes_way() -> None:
    line, limit = Line(), Limit(1, 0.02, Window.SLIDING)
    assert await line.ask("first", limit=limit)
    leaving = asyncio.create_task(line.ask("leaves", limit=limit))
    staying = asyncio.create_task(line.ask("stays", limit=limit))
    await settle()
    leaving.cancel()
    line.now += 1
    async with asyncio.timeout(DEADLINE):
        assert await staying
    assert line.passed == ["first", "stays"]


async def test_what_another_limit_refuses_does_not_wait() -> None:
    line = Line()
    asks = [
        Ask("rule", b"full", Limit(0, 60, Window.SLIDING), 1, Mode.LIMIT, Telling(queued=True)),
        Ask("rule", b"hard", Limit(0, 60, Window.SLIDING), 1, Mode.LIMIT, Telling()),
    ]
    found = await line.queues.take(asks, lambda: line.counters.take(asks, NOW))
    assert [one.over for one in found] == [True, True]
