"""The local Envoy: a child process, watched, started again after a crash, drained on stop."""

import asyncio
import os
import signal
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anygate.envoy.binary import executable
from anygate.errors import EnvironmentProblem
from anygate.processes import Backoff, describe_exit, wait_unless
from anygate.proxy import launch
from anygate.proxy.admin import Admin
from anygate.proxy.bootstrap import render_bootstrap
from anygate.proxy.drain import drain
from anygate.proxy.log import FORMAT, LogLine, is_noise, parse_line
from anygate.proxy.run_folder import RunFolder

_POLL = 0.01
_TERMINATION = 5.0
_LINE_LIMIT = 4 * 1024 * 1024
_TAIL = 50


@dataclass(frozen=True, slots=True)
class Started:
    """A process runs; it is not ready yet."""

    pid: int


@dataclass(frozen=True, slots=True)
class Ready:
    """Envoy has its first configuration and accepts connections."""

    pid: int


@dataclass(frozen=True, slots=True)
class Crashed:
    """The process ended although nobody asked it to. It is started again after `delay` seconds."""

    reason: str
    tail: tuple[str, ...]
    delay: float


Change = Started | Ready | Crashed


@dataclass(frozen=True, slots=True)
class Options:
    """How to run Envoy. `drain` is how many seconds requests in flight get to finish on stop.

    `listener_drain` is how long connections of a listener that was replaced or removed live on.
    """

    concurrency: int = 2
    drain: float = 10.0
    listener_drain: int = 30
    log_level: str = "warning"


class LocalEnvoy:
    """One supervised Envoy. Both callbacks are called in the event loop and must not block."""

    def __init__(
        self,
        folder: RunFolder,
        bootstrap: Any,
        *,
        options: Options | None = None,
        on_change: Callable[[Change], None] | None = None,
        on_log: Callable[[LogLine], None] | None = None,
    ) -> None:
        self.admin = Admin(folder.admin_socket)
        self._folder = folder
        self._bootstrap = bootstrap
        self._options = options or Options()
        self._on_change = on_change
        self._on_log = on_log
        self._process: asyncio.subprocess.Process | None = None
        self._supervision: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._stopping = asyncio.Event()
        self._tail: deque[str] = deque(maxlen=_TAIL)

    @property
    def pid(self) -> int | None:
        """The id of the running process."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Start Envoy and watch over it. It becomes ready once the ADS server gave it a configuration."""
        self._folder.bootstrap.write_text(render_bootstrap(self._bootstrap))
        executable()  # a missing Envoy is reported here and now
        self._supervision = asyncio.create_task(self._supervise(), name="envoy")

    async def ready(self) -> None:
        """Wait until Envoy accepts connections. Raises EnvironmentProblem if it ended before it ever did."""
        if self._supervision is None:
            raise RuntimeError("start comes first")
        waiting = asyncio.create_task(self._ready.wait())
        try:
            await asyncio.wait((waiting, self._supervision), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if self._supervision.done() and not self._ready.is_set():
            await self._supervision
            raise EnvironmentProblem("Envoy was stopped before it was ready")

    async def stop(self, settle: float = 0.0) -> None:
        """Drain and end Envoy. Safe to call at any time and more than once; cancelled, it kills.

        `settle` is how many seconds it stays after the last request, to send the log entries that wait.
        """
        if self._supervision is None:
            return
        if not self._stopping.is_set():
            self._stopping.set()
            try:
                if self._process is not None and self._ready.is_set():
                    await self._drain(self._process, settle)
                await self._terminate()
            except asyncio.CancelledError:
                self._kill()
                raise
        # What went wrong before is the business of `ready`; here it is only over.
        with suppress(EnvironmentProblem):
            await asyncio.shield(self._supervision)

    async def _drain(self, process: asyncio.subprocess.Process, settle: float) -> None:
        draining = asyncio.create_task(drain(self.admin, self._options.drain))
        exiting = asyncio.create_task(process.wait())
        try:
            await asyncio.wait((draining, exiting), return_when=asyncio.FIRST_COMPLETED)
            if settle:
                await asyncio.wait((exiting,), timeout=settle)
        finally:
            draining.cancel()
            exiting.cancel()

    async def _terminate(self) -> None:
        process = self._process
        if process is None:
            return
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(_TERMINATION):
                await process.wait()
        except TimeoutError:
            self._kill()

    def _kill(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()

    async def _supervise(self) -> None:
        loop = asyncio.get_running_loop()
        was_ready = False
        backoff = Backoff()
        while not self._stopping.is_set():
            started = loop.time()
            status = await self._run()
            was_ready = was_ready or self._ready.is_set()
            self._ready.clear()
            if self._stopping.is_set():
                return
            reason = describe_exit(status)
            if not was_ready:
                raise EnvironmentProblem("\n".join([f"Envoy does not start: it {reason}", *self._tail]))
            delay = backoff.after(loop.time() - started)
            self._report(Crashed(reason, tuple(self._tail), delay))
            await wait_unless(self._stopping, delay)

    async def _run(self) -> int:
        """Run one process until it ends and return its exit status."""
        self._tail.clear()
        process = await asyncio.create_subprocess_exec(
            *self._command(),
            stdin=asyncio.subprocess.DEVNULL,
            # On our standard output: Envoy itself writes nothing there, only access logs that go to /dev/stdout.
            stdout=None,
            stderr=asyncio.subprocess.PIPE,
            limit=_LINE_LIMIT,
            # Ctrl-C in a terminal goes to the whole group; Envoy must outlive it to drain.
            process_group=0,
        )
        self._process = process
        if self._stopping.is_set():  # `stop` came before there was anything to stop
            process.kill()
        try:
            self._report(Started(process.pid))
            async with asyncio.TaskGroup() as tasks:
                watching = tasks.create_task(self._await_ready(process.pid))
                tasks.create_task(self._read_log(process))
                status = await process.wait()
                watching.cancel()
        finally:
            self._process = None
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        return status

    async def _await_ready(self, pid: int) -> None:
        while not await self.admin.is_ready():  # noqa: ASYNC110 - Envoy does not call us
            await asyncio.sleep(_POLL)
        self._ready.set()
        self._report(Ready(pid))

    async def _read_log(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        while True:
            try:
                raw = await process.stderr.readline()
            except ValueError:  # a line beyond the limit; the reader has dropped it
                continue
            if not raw:
                return
            line = parse_line(raw.decode(errors="replace").rstrip("\n"))
            self._tail.append(line.message)
            if self._on_log is not None and not is_noise(line):
                self._on_log(line)

    def _command(self) -> list[str]:
        options = self._options
        arguments = {
            "--config-path": str(self._folder.bootstrap),
            "--concurrency": str(options.concurrency),
            "--drain-time-s": str(options.listener_drain),
            "--drain-strategy": "immediate",
            "--log-level": options.log_level,
            "--log-format": FORMAT,
        }
        flags = ["--disable-hot-restart", "--reject-unknown-dynamic-fields"]
        launcher = [sys.executable, "-I", "-S", str(Path(launch.__file__)), str(os.getpid())]
        pairs = [word for pair in arguments.items() for word in pair]
        return [*launcher, str(executable()), *pairs, *flags]

    def _report(self, change: Change) -> None:
        if self._on_change is not None:
            self._on_change(change)
