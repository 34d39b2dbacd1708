"""A Python process of ours beside Envoy: started, watched, started again after a crash, ended on stop."""

import asyncio
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from anygate.errors import EnvironmentProblem
from anygate.processes import Backoff, describe_exit, wait_unless
from anygate.proxy import launch

_WORDS = ("warning: ", "note: ")
_READY = b"ready\n"
_START_SECONDS = 30.0
_TAIL = 20


class Worker:
    """Runs `python -m MODULE ARGUMENTS`, which says `ready` on its output once it can be used.

    `name` is what people are told about it. It dies with us, whatever happens to us.
    """

    def __init__(
        self,
        name: str,
        module: str,
        arguments: Sequence[str],
        *,
        environment: dict[str, str] | None = None,
        on_word: Callable[[str], None] | None = None,
    ) -> None:
        self._name = name
        self._command = [sys.executable, "-m", module, *arguments]
        self._environment = environment or {}
        self._on_word = on_word
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
        """Start it and wait until it is ready. Raises EnvironmentProblem if it ends before."""
        self._supervision = asyncio.create_task(self._supervise(), name=self._name)
        waiting = asyncio.create_task(self._ready.wait())
        try:
            async with asyncio.timeout(_START_SECONDS):
                await asyncio.wait((waiting, self._supervision), return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            raise EnvironmentProblem(f"{self._name} does not start: nothing within {_START_SECONDS:g} s") from None
        finally:
            waiting.cancel()
        if self._supervision.done():
            await self._supervision

    def tell(self) -> None:
        """Have it look again at what it reads, by SIGHUP. One that is being started looks anyway."""
        if self._process is not None and self._ready.is_set():
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGHUP)

    async def ready(self) -> None:
        """Wait until it can be used, again after it had to be started again."""
        await self._ready.wait()

    async def stop(self, deadline: float = 5.0) -> None:
        """Let it finish what it does within `deadline` seconds, then end it. Safe to call more than once."""
        self._stopping.set()
        process = self._process
        if process is not None:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(deadline):
                    await process.wait()
            except TimeoutError:
                with suppress(ProcessLookupError):
                    process.kill()
        if self._supervision is not None:
            # What went wrong before was the business of `start`; here it is only over.
            with suppress(EnvironmentProblem):
                await self._supervision

    async def _supervise(self) -> None:
        loop = asyncio.get_running_loop()
        backoff = Backoff()
        was_ready = False
        while not self._stopping.is_set():
            started = loop.time()
            status = await self._run()
            was_ready = was_ready or self._ready.is_set()
            self._ready.clear()
            if self._stopping.is_set():
                return
            reason = ": ".join([f"it {describe_exit(status)}", *list(self._tail)[-1:]])
            if not was_ready:
                raise EnvironmentProblem(f"{self._name} does not start: {reason}")
            if self._on_word is not None:
                self._on_word(f"warning: {self._name}: {reason}; starting it again")
            await wait_unless(self._stopping, backoff.after(loop.time() - started))

    async def _run(self) -> int:
        """Run one process until it ends and return its exit status."""
        self._tail.clear()
        # -I and -S: the launcher needs nothing but the interpreter, and becomes the command at once.
        launcher = [sys.executable, "-I", "-S", str(Path(launch.__file__)), str(os.getpid())]
        process = await asyncio.create_subprocess_exec(
            *launcher,
            *self._command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            # Ctrl-C in a terminal goes to the whole group; requests in flight outlive it.
            process_group=0,
            env={**os.environ, **self._environment},
        )
        self._process = process
        if self._stopping.is_set():  # `stop` came before there was anything to stop
            process.kill()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read_output(process))
                tasks.create_task(self._read_errors(process))
                status = await process.wait()
        finally:
            self._process = None
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        return status

    async def _read_output(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            if line == _READY:
                self._ready.set()

    async def _read_errors(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        async for line in process.stderr:
            text = line.decode(errors="replace").rstrip()
            self._tail.append(text)
            # What goes wrong without ending the process, such as a Redis that is away.
            if text.startswith(_WORDS) and self._on_word is not None:
                self._on_word(text)
