"""Workers as processes: started, replaced when they die, ended after what they have in flight."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from fake_egress import BLOCK, CHAT, END, START, STREAM, FakeEgress, delta, head, message, render

from anygate.adapter.launch import AdapterPool

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def egress(tmp_path):
    fake = FakeEgress(str(tmp_path / "egress.sock"))
    fake.script = lambda asked: asked.answer(message())
    yield fake
    fake.close()


async def ask(path: str, body=CHAT) -> bytes:
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(render(json.dumps(body).encode(), {**head(), "connection": "close"}))
        seen = await reader.read()
        writer.close()
        return seen


def mode(path: str) -> int:
    """A file's mode, 0 if there is none."""
    return Path(path).stat().st_mode & 0o777 if Path(path).exists() else 0


def environment(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


def run(program: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE)


async def test_workers_answer_and_count_together(tmp_path, egress):
    pool = AdapterPool()
    paths = await pool.start(2, egress.path, tmp_path)
    assert paths == pool.sockets
    assert [mode(path) for path in paths] == [0o600, 0o600]
    for path in (*paths, *paths):
        assert (await ask(path)).startswith(b"HTTP/1.1 200 OK\r\n")
    text = await pool.read_metrics()
    assert 'outcome="answered"} 4\n' in text
    assert text.count("# TYPE anygate_adapter_requests_total counter") == 1
    await pool.stop()
    assert [mode(path) for path in paths] == [0, 0]
    assert pool.pids == ()


async def test_a_killed_worker_is_replaced_and_nobody_is_refused(tmp_path, egress):
    ended = asyncio.Queue()
    pool = AdapterPool(on_end=ended.put_nowait)
    (path,) = await pool.start(1, egress.path, tmp_path)
    assert b"200 OK" in await ask(path)
    for _ in range(2):
        (pid,) = pool.pids
        os.kill(pid, signal.SIGKILL)
        assert b"200 OK" in await ask(path)  # while there is no worker the connection waits in the socket's queue
        event = await asyncio.wait_for(ended.get(), 10)
        assert (event.pid, event.reason) == (pid, "was ended by SIGKILL")
        assert pool.pids != (pid,)
    await pool.stop()


async def test_stop_lets_a_stream_end(tmp_path, egress):
    go_on = asyncio.Event()
    loop = asyncio.get_running_loop()

    def script(asked):
        asked.stream(START + BLOCK, end=False)
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(10)
        rest = delta("late") + END
        asked.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(rest), rest))

    egress.script = script
    pool = AdapterPool()
    (path,) = await pool.start(1, egress.path, tmp_path)
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(render(json.dumps(STREAM).encode(), head()))
    first = await reader.readuntil(b"\r\n\r\n")
    stopping = asyncio.create_task(pool.stop())
    await asyncio.sleep(0)
    go_on.set()
    rest = await asyncio.wait_for(reader.read(), 10)
    assert b"late" in rest
    assert rest.endswith(b"0\r\n\r\n"), first
    writer.close()
    await asyncio.wait_for(stopping, 10)


async def test_stop_does_not_wait_forever(tmp_path, egress):
    egress.script = lambda asked: asked.stream(START, end=False)
    pool = AdapterPool()
    (path,) = await pool.start(1, egress.path, tmp_path)
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(render(json.dumps(STREAM).encode(), head()))
    await reader.readuntil(b"\r\n\r\n")
    await asyncio.wait_for(pool.stop(deadline=0.1), 5)
    writer.close()


async def test_workers_see_no_keys_of_the_user(tmp_path, egress, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    pool = AdapterPool()
    (path,) = await pool.start(1, egress.path, tmp_path)
    assert b"200 OK" in await ask(path)
    (pid,) = pool.pids
    assert b"sk-secret" not in environment(pid)
    await pool.stop()


async def test_workers_die_with_their_parent(tmp_path, egress):
    program = f"""
        import asyncio
        from anygate.adapter.launch import AdapterPool

        async def main():
            pool = AdapterPool()
            await pool.start(1, {egress.path!r}, {str(tmp_path)!r})
            print(pool.pids[0], flush=True)
            await asyncio.sleep(60)

        asyncio.run(main())
    """
    parent = run(program)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert b"200 OK" in await ask(str(tmp_path / "adapter-0.sock"))  # so it has asked to die with its parent
    watched = os.pidfd_open(pid)
    parent.kill()
    parent.communicate()
    done = asyncio.Event()
    asyncio.get_running_loop().add_reader(watched, done.set)
    await asyncio.wait_for(done.wait(), 10)
    asyncio.get_running_loop().remove_reader(watched)
    os.close(watched)
