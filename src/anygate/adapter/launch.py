"""The adapter's workers as child processes: started, watched, started again when one dies.

The parent opens the sockets and keeps them, so that while a worker is being replaced connections wait in the socket's
queue instead of being refused.
"""

import asyncio
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from anygate.adapter.worker import BODY_LIMIT, bind, unbind
from anygate.processes import Backoff, describe_exit, wait_unless
from anygate.scraping import add_up, read_page

_FIRST_DELAY = 0.05
_TAIL = 20
ADAPTER_SOCKETS = "adapter-*.sock"
"""The sockets of workers in their folder, which also answer `GET /metrics`."""
# A worker needs nothing that the user exported, least of all the keys of providers.
_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "TZ")


@dataclass(frozen=True, slots=True)
class WorkerEnded:
    """A worker ended although nobody asked it to; it is started again after `delay` seconds."""

    pid: int
    reason: str
    tail: tuple[str, ...]
    delay: float


class AdapterPool:
    """Some workers, each with a socket of its own. The callback is called in the event loop and must not block."""

    def __init__(self, *, limit: int = BODY_LIMIT, on_end: Callable[[WorkerEnded], None] | None = None) -> None:
        self._limit = limit
        self._on_end = on_end
        self._workers: list[_Supervised] = []

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes that run now."""
        return tuple(worker.pid for worker in self._workers if worker.pid is not None)

    @property
    def sockets(self) -> tuple[str, ...]:
        """Where the workers listen."""
        return tuple(worker.path for worker in self._workers)

    async def start(self, count: int, egress: Path | str, folder: Path | str) -> tuple[str, ...]:
        """Start workers that listen in `folder`; connections are taken as soon as this returns."""
        if self._workers:
            raise RuntimeError("the workers are started already")
        for number in range(count):
            path = str(Path(folder) / ADAPTER_SOCKETS.replace("*", str(number)))
            self._workers.append(_Supervised(path, str(egress), self._limit, self._on_end))
        await asyncio.gather(*(worker.start() for worker in self._workers))
        return self.sockets

    async def stop(self, deadline: float = 10.0) -> None:
        """End the workers, each after what it has in flight, but not later than `deadline` seconds from now."""
        workers, self._workers = self._workers, []
        await asyncio.gather(*(worker.stop(deadline) for worker in workers))

    async def read_metrics(self) -> str:
        """The counts of all workers together, as Prometheus text; one that does not answer is left out."""
        found = await asyncio.gather(*(read_page(path) for path in self.sockets))
        return add_up([text for text in found if text])


class _Supervised:
    """One worker and its socket."""

    def __init__(self, path: str, egress: str, limit: int, on_end: Callable[[WorkerEnded], None] | None) -> None:
        self.path = path
        self._egress = egress
        self._limit = limit
        self._on_end = on_end
        self._process: asyncio.subprocess.Process | None = None
        self._supervision: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._tail: deque[str] = deque(maxlen=_TAIL)
        self._listening: socket.socket | None = None
        self._inode = 0

    @property
    def pid(self) -> int | None:
        """The process that runs now."""
        return self._process.pid if self._process is not None else None

    async def start(self) -> None:
        """Open the socket and start the first process."""
        self._listening, self._inode = bind(self.path)
        self._process = await self._spawn(self._listening)
        self._supervision = asyncio.create_task(self._supervise(self._process), name=f"adapter {self.path}")

    async def stop(self, deadline: float) -> None:
        """Let the process finish; kill it when it takes too long or when this is cancelled."""
        self._stopping.set()
        unbind(self.path, self._inode)
        if self._listening is not None:
            self._listening.close()
        if self._supervision is None:
            return
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(deadline):
                await asyncio.shield(self._supervision)
        except (TimeoutError, asyncio.CancelledError) as early:
            self._signal(signal.SIGKILL)
            if isinstance(early, asyncio.CancelledError):
                raise
            await self._supervision

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def _supervise(self, process: asyncio.subprocess.Process) -> None:
        loop = asyncio.get_running_loop()
        backoff = Backoff(_FIRST_DELAY)
        while True:
            started = loop.time()
            status = await self._watch(process)
            if self._stopping.is_set():
                return
            delay = backoff.after(loop.time() - started)
            if self._on_end is not None:
                self._on_end(WorkerEnded(process.pid, describe_exit(status), tuple(self._tail), delay))
            await wait_unless(self._stopping, delay)
            if self._stopping.is_set():
                return
            assert self._listening is not None
            process = self._process = await self._spawn(self._listening)
            if self._stopping.is_set():  # `stop` came while there was nothing to stop
                self._signal(signal.SIGTERM)

    async def _watch(self, process: asyncio.subprocess.Process) -> int:
        """Keep the last lines that a process prints, until it ends."""
        self._tail.clear()
        assert process.stderr is not None
        try:
            while line := await process.stderr.readline():
                self._tail.append(line.decode(errors="replace").rstrip())
        except ValueError:  # a line beyond all bounds
            await process.stderr.read()
        status = await process.wait()
        self._process = None
        return status

    async def _spawn(self, listening: socket.socket) -> asyncio.subprocess.Process:
        descriptor = listening.fileno()
        # -P: a folder called `anygate` in the working directory is not ours.
        command = [sys.executable, "-P", "-m", "anygate.adapter", "--listen-fd", str(descriptor)]
        options = ["--egress", self._egress, "--limit", str(self._limit), "--parent", str(os.getpid())]
        kept = {name: value for name, value in os.environ.items() if name in _ENVIRONMENT or name.startswith("PYTHON")}
        return await asyncio.create_subprocess_exec(
            *command,
            *options,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            pass_fds=(descriptor,),
            env=kept,
            # Ctrl-C in a terminal goes to the whole group; the workers must outlive it to drain.
            process_group=0,
        )
