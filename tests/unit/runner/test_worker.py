"""Processes of ours beside Envoy."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from anygate.errors import EnvironmentProblem
from anygate.runner.worker import Worker

DEADLINE = 30.0


def test_a_worker_that_is_killed_is_started_again(tmp_path: Path) -> None:
    async def run() -> None:
        words: asyncio.Queue[str] = asyncio.Queue()
        worker = Worker(
            "the services process", "anygate.services", ("--socket", str(tmp_path / "s.sock")), on_word=words.put_nowait
        )
        async with asyncio.timeout(DEADLINE):
            await worker.start()
            first = worker.pid
            assert first is not None
            os.kill(first, signal.SIGKILL)
            word = await words.get()
            assert word.startswith("warning: the services process: it was ended by SIGKILL")
            await worker.ready()
            assert worker.pid not in (None, first)
            await worker.stop()
        assert worker.pid is None
        assert words.empty()

    asyncio.run(run())


def test_a_worker_that_cannot_start_says_why(tmp_path: Path) -> None:
    async def run() -> None:
        worker = Worker(
            "the services process", "anygate.services", ("--socket", str(tmp_path / "no" / "such" / "folder"))
        )
        with pytest.raises(
            EnvironmentProblem, match="the services process does not start: it ended with status 3: cannot serve"
        ):
            await worker.start()
        await worker.stop()

    asyncio.run(asyncio.wait_for(run(), DEADLINE))
