"""`anygate run` as a process of its own, measured from outside."""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

COMMAND = (sys.executable, "-m", "anygate")
_COMPILED = tempfile.TemporaryDirectory()


def environment() -> dict[str, str]:
    """The environment of a warm start: compiled modules are kept, whatever this shell says about that."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": _COMPILED.name}


class Gateway:
    """One running `anygate run`. Its words are kept, each with the time at which it was said."""

    def __init__(self, *arguments: str | Path) -> None:
        self.started = time.perf_counter()
        self.words: list[tuple[float, str]] = []
        self._heard = threading.Condition()
        self.process = subprocess.Popen(
            [*COMMAND, "run", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment(),
        )
        self._listening = threading.Thread(target=self._listen, daemon=True)
        self._listening.start()

    def wait_for(self, word: str, *, times: int = 1, seconds: float = 120.0) -> float:
        """The moment at which a line was said so many times."""
        with self._heard:
            if not self._heard.wait_for(lambda: len(self._moments(word)) >= times or self.is_over, seconds):
                raise SystemExit(f"no {word!r} within {seconds:g} s:\n{self.said}")
            if len(self._moments(word)) < times:
                raise SystemExit(f"anygate run ended:\n{self.said}")
            return self._moments(word)[times - 1]

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self._listening.join(5)

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._heard:
                self.words.append((time.perf_counter(), line.rstrip()))
                self._heard.notify_all()
        with self._heard:
            self._heard.notify_all()

    def _moments(self, word: str) -> list[float]:
        return [moment for moment, line in self.words if line == word]

    @property
    def is_over(self) -> bool:
        """Whether the program has ended."""
        return not self._listening.is_alive() or self.process.poll() is not None

    @property
    def said(self) -> str:
        """Its last words."""
        return "\n".join(line for _, line in self.words[-20:])


@contextmanager
def running(*arguments: str | Path) -> Iterator[Gateway]:
    """An `anygate run` that is ready, ended with the block."""
    gateway = Gateway(*arguments)
    try:
        gateway.wait_for("ready")
        yield gateway
    finally:
        gateway.stop()
