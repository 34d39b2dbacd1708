"""Starting child processes again."""

import asyncio

import pytest

from anygate.processes import Backoff, describe_exit, wait_unless


def test_waits_double_up_to_a_limit() -> None:
    backoff = Backoff()
    assert [backoff.after(1.0) for _ in range(9)] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]


def test_a_long_run_begins_again() -> None:
    backoff = Backoff()
    assert [backoff.after(ran) for ran in (1.0, 1.0, 31.0, 1.0)] == [0.1, 0.2, 0.1, 0.2]


@pytest.mark.parametrize(("status", "text"), [(3, "ended with status 3"), (-9, "was ended by SIGKILL")])
def test_an_end_has_words(status: int, text: str) -> None:
    assert describe_exit(status) == text


def test_a_wait_ends_with_the_event() -> None:
    async def wait() -> None:
        stopping = asyncio.Event()
        stopping.set()
        await wait_unless(stopping, 60.0)

    asyncio.run(asyncio.wait_for(wait(), 5))
