"""The `anygate` program as users start it: a process with streams, signals and an exit code."""

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, Queue

DEADLINE = 20.0


def run_anygate(*words: str | Path, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "anygate", *map(str, words)],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        env={**os.environ, **env},
        check=False,
    )


class Program:
    """A running `anygate run`. `out` and `err` get its lines as they come."""

    def __init__(self, *words: str | Path, stdin: str = "", **env: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "anygate", *map(str, words)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **env},
        )
        assert self.process.stdin is not None
        with self.process.stdin as stream:
            stream.write(stdin)
        self.out = _Lines(self.process.stdout)
        self.err = _Lines(self.process.stderr)

    @property
    def children(self) -> list[int]:
        """The ids of the processes that it started."""
        pid = self.process.pid
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(one) for one in listed]

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def await_exit(self) -> int:
        return self.process.wait(DEADLINE)

    def close(self) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait(DEADLINE)
        self.out.close()
        self.err.close()


class _Lines:
    """The lines of a stream, read by a thread so that nobody ever waits for a full pipe."""

    def __init__(self, stream: object) -> None:
        self._stream = stream
        self._lines: Queue[str | None] = Queue()
        self.seen: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def await_line(self, text: str) -> str:
        """The next line that contains `text`."""
        while True:
            try:
                line = self._lines.get(timeout=DEADLINE)
            except Empty:
                line = None
            if line is None:
                raise AssertionError(f"no line with {text!r} in:\n" + "".join(self.seen))
            self.seen.append(line)
            if text in line:
                return line

    def close(self) -> None:
        self._reader.join(DEADLINE)
        self._stream.close()  # type: ignore[attr-defined]

    def rest(self) -> str:
        """Everything until the stream's end."""
        while (line := self._lines.get(timeout=DEADLINE)) is not None:
            self.seen.append(line)
        return "".join(self.seen)

    def _read(self) -> None:
        for line in self._stream:  # type: ignore[attr-defined]
            self._lines.put(line)
        self._lines.put(None)


@contextmanager
def program(*words: str | Path, stdin: str = "", **env: str) -> Iterator[Program]:
    """Start the program and end it with the block, whatever happens in it."""
    started = Program(*words, stdin=stdin, **env)
    try:
        yield started
    finally:
        started.close()


def await_end(pid: int) -> None:
    """Wait until a process that is not our child has ended."""
    try:
        opened = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        ready, _, _ = select.select([opened], [], [], DEADLINE)
        assert ready, f"process {pid} still runs"
    finally:
        os.close(opened)
