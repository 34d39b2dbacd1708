"""Counters in memory and in Redis: the same questions get the same answers."""

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anygate.errors import UsageError
from anygate.services.ratelimit import Counters, CountersAway, open_counters
from anygate.services.ratelimit.ask import Ask, Limit, Mode, Window
from anygate.services.ratelimit.memory import MemoryCounters
from anygate.services.ratelimit.redis import RedisCounters

NOW = 1_000_000.0
HOUR = Limit(10, 3600)


def ask(key: str, hits: int = 1, limit: Limit = HOUR, mode: Mode = Mode.LIMIT) -> Ask:
    return Ask("rule", key.encode(), limit, hits, mode)


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    server = shutil.which("redis-server")
    assert server, "these tests need redis-server (apt-get install redis-server)"
    with TemporaryDirectory() as folder:
        socket = Path(folder, "redis.sock")
        command = [server, "--port", "0", "--unixsocket", socket, "--save", "", "--dir", folder]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        try:
            assert any("eady to accept connections" in line for line in process.stdout)
            yield f"unix://{socket}"
        finally:
            process.kill()
            process.communicate()


Step = tuple[list[Ask], float]


def run(counters: Counters, *steps: Step) -> list[list[tuple[bool, int, float]]]:
    async def go() -> list[list[tuple[bool, int, float]]]:
        await counters.open()
        try:
            return [[tuple(one) for one in await counters.take(asks, now)] for asks, now in steps]
        finally:
            await counters.close()

    return asyncio.run(go())


@pytest.fixture(params=["memory", "redis"])
def counters(request: pytest.FixtureRequest) -> Counters:
    if request.param == "memory":
        return MemoryCounters()
    url = request.getfixturevalue("redis_url")
    flush(url)
    return RedisCounters(url)


def flush(url: str) -> None:
    from redis import Redis

    with Redis.from_url(url) as client:
        client.flushall()


def test_a_window_begins_with_every_multiple_of_its_period(counters: Counters) -> None:
    limit = Limit(2, 90)
    start = 90.0 * 1000
    found = run(counters, *(([ask("a", limit=limit)], start + at) for at in (0, 1, 89, 90, 100)))
    assert [one.pop()[:2] for one in found] == [(False, 1), (False, 2), (True, 2), (False, 1), (False, 2)]


def test_what_is_left_of_the_window_is_told(counters: Counters) -> None:
    ((_, _, reset),) = run(counters, ([ask("a", limit=Limit(2, 90))], 90.0 * 1000 + 30))[0]
    assert reset == 60


def test_a_started_window_begins_with_its_first_hit(counters: Counters) -> None:
    limit = Limit(2, 60, Window.STARTED)
    one = [ask("a", limit=limit)]
    found = run(counters, (one, NOW + 59), (one, NOW + 61), (one, NOW + 118), (one, NOW + 119))
    assert [each[0] for each in found] == [(False, 1, 60), (False, 2, 58), (True, 2, 1), (False, 1, 60)]


def test_a_sliding_window_forgets_hit_by_hit(counters: Counters) -> None:
    limit = Limit(2, 60, Window.SLIDING)
    one = [ask("a", limit=limit)]
    found = run(counters, (one, NOW), (one, NOW + 30), (one, NOW + 59), (one, NOW + 61), (one, NOW + 62))
    assert [each[0][:2] for each in found] == [(False, 1), (False, 2), (True, 2), (False, 2), (True, 2)]
    assert 27 < found[4][0][2] <= 28.1


def test_a_sliding_window_counts_what_is_charged(counters: Counters) -> None:
    limit = Limit(100, 3600, Window.SLIDING)
    spent, look = ask("a", 250, limit, Mode.CHARGE), ask("a", 0, limit)
    found = run(counters, ([spent], NOW), ([look], NOW + 3590), ([look], NOW + 3604))
    assert [each[0][:2] for each in found] == [(False, 250), (True, 250), (False, 0)]


def test_a_leaky_window_has_room_again_as_time_goes_by(counters: Counters) -> None:
    limit = Limit(2, 0.5, Window.LEAKY)
    one = [ask("a", limit=limit)]
    found = run(counters, (one, NOW), (one, NOW), (one, NOW + 0.25), (one, NOW + 0.5))
    assert [each[0][:2] for each in found] == [(False, 1), (False, 2), (True, 1.5), (False, 2)]


def test_what_runs_at_a_time_is_taken_even_if_it_is_refused_and_given_back_at_its_end(counters: Counters) -> None:
    limit = Limit(1, 3600, Window.CONCURRENT)
    begin, end = [ask("a", limit=limit)], [ask("a", -1, limit, Mode.CHARGE)]
    full = [ask("b", 10), *begin]
    steps = [(begin, NOW), (begin, NOW + 1), (end, NOW + 1), (end, NOW + 2), (full, NOW + 3), (full, NOW + 4)]
    found = run(counters, *steps, (end, NOW + 5), (end, NOW + 5), (begin, NOW + 6))
    used = [each[-1][:2] for each in found]
    assert used[:6] == [(False, 1), (True, 2), (False, 1), (False, 0), (False, 1), (True, 2)]
    assert used[6:] == [(False, 1), (False, 0), (False, 1)]


def test_an_ask_for_nothing_is_over_when_nothing_is_left(counters: Counters) -> None:
    peek, charge = [ask("a", 0)], [ask("a", 25, mode=Mode.CHARGE)]
    found = run(counters, (peek, NOW), (charge, NOW), (peek, NOW), (charge, NOW))
    assert [one[0][:2] for one in found] == [(False, 0), (False, 25), (True, 25), (False, 50)]


def test_an_exactly_empty_budget_is_over(counters: Counters) -> None:
    found = run(counters, ([ask("a", 10)], NOW), ([ask("a", 0)], NOW))
    assert [one[0][0] for one in found] == [False, True]


def test_what_is_refused_takes_nothing_anywhere(counters: Counters) -> None:
    both = [ask("a", 1), ask("b", 6)]
    found = run(counters, (both, NOW), (both, NOW), ([ask("a", 9)], NOW), ([ask("c", 1), ask("a", 1)], NOW))
    assert [[one[:2] for one in step] for step in found] == [
        [(False, 1), (False, 6)],
        [(False, 1), (True, 6)],
        [(False, 10)],
        [(False, 0), (True, 10)],
    ]


def test_shadows_and_quotas_refuse_nothing(counters: Counters) -> None:
    asks = [ask("s", 20, mode=Mode.SHADOW), ask("q", 20, mode=Mode.QUOTA), ask("a", 1)]
    assert [one[:2] for one in run(counters, (asks, NOW))[0]] == [(True, 20), (True, 0), (False, 1)]


def test_one_counter_twice_in_one_call(counters: Counters) -> None:
    twice = [ask("a", 6), ask("a", 6)]
    assert [one[1] for one in run(counters, (twice, NOW))[0]] == [6, 12]


def test_hits_are_given_back_down_to_zero(counters: Counters) -> None:
    found = run(counters, ([ask("a", 10)], NOW), ([ask("a", -4)], NOW), ([ask("a", -9)], NOW), ([ask("a", 10)], NOW))
    assert [one[0][:2] for one in found] == [(False, 10), (False, 6), (False, 0), (False, 10)]


ASKS = st.builds(
    ask,
    st.sampled_from("abc"),
    st.integers(-3, 12),
    st.sampled_from([Limit(0, 60), Limit(10, 60), Limit(5, 7), *(Limit(6, 7, window) for window in Window)]),
    st.sampled_from(Mode),
)
STEPS = st.lists(
    st.tuples(st.lists(ASKS, min_size=1, max_size=4), st.integers(0, 70).map(lambda at: NOW + at)), max_size=12
)


def _shown(limit: Limit) -> bytes:
    return f"{limit.seconds}{limit.window.value}".encode()


@given(STEPS)
@settings(max_examples=60, deadline=None)
def test_memory_and_redis_agree(redis_url: str, steps: list[Step]) -> None:
    # Keys of different periods and windows are different counters: the digest has both in it.
    steps = [([one._replace(key=one.key + _shown(one.limit)) for one in asks], now) for asks, now in steps]
    steps.sort(key=lambda step: step[1])
    flush(redis_url)
    assert run(RedisCounters(redis_url), *steps) == run(MemoryCounters(), *steps)


def test_memory_is_bounded_and_forgets_the_dead_first() -> None:
    async def go() -> None:
        counters = MemoryCounters(most=100)
        for number in range(1000):
            await counters.take([ask(str(number))], NOW)
        assert len(counters) == 100
        assert counters.forgotten == 900
        for number in range(60):
            await counters.take([ask(f"later{number}")], NOW + 7200)
        assert len(counters) == 60
        assert counters.forgotten == 900

    asyncio.run(go())


def test_who_keeps_asking_is_not_forgotten() -> None:
    async def go() -> None:
        counters = MemoryCounters(most=50)
        await counters.take([ask("busy", 10)], NOW)
        for number in range(500):
            await counters.take([ask(str(number))], NOW)
            ((over, _, _),) = await counters.take([ask("busy")], NOW)
            assert over

    asyncio.run(go())


def test_a_redis_that_is_away_is_said_to_be() -> None:
    with pytest.raises(CountersAway) as away:
        run(RedisCounters("unix://user:secret@/nowhere/redis.sock"), ([ask("a")], NOW))
    assert "secret" not in str(away.value)


def test_where_limits_are_counted() -> None:
    assert isinstance(open_counters("memory"), MemoryCounters)
    assert isinstance(open_counters("rediss://:secret@cache.example:6379/1"), RedisCounters)
    with pytest.raises(UsageError) as refused:
        open_counters("http://:secret@cache.example")
    assert "secret" not in str(refused.value)
