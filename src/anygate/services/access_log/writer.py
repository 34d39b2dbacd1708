"""The one thread that turns messages into rows and writes them in batches."""

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta

from anygate.errors import EnvironmentProblem
from anygate.services.access_log.entry import Logged, read_message
from anygate.store.row import UsageRow
from anygate.store.usage import UsageStore

_MOST_BYTES = 64 << 20
_MOST_ROWS = 100_000
_BATCH = 1000
_PATIENCE = 0.1
_RETRY = 1.0
_PRUNING = 3600.0
_END = 5.0


class UsageWriter:
    """Takes messages without ever waiting, and writes their rows; what does not fit is dropped and counted.

    `on_entry` hears of each entry, in the writer's thread. Rows older than `retention` are deleted.
    """

    def __init__(
        self,
        store: UsageStore | None,
        *,
        on_entry: Callable[[Logged], None] | None = None,
        retention: timedelta | None = None,
        most_bytes: int = _MOST_BYTES,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self.written = 0
        self.dropped_messages = 0
        self.dropped_rows = 0
        self._store = store
        self._on_entry = on_entry
        self._retention = retention
        self._most_bytes = most_bytes
        self._say = say or _say
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._rows: list[UsageRow] = []
        self._pruned = 0.0
        self._is_failing = False
        self._wanted = threading.Condition()
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="usage", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, raw: bytes) -> None:
        """Take a message of the access-log stream; returns at once."""
        with self._wanted:
            if self._bytes + len(raw) <= self._most_bytes:
                self._bytes += len(raw)
                self._waiting.append(raw)
                self._wanted.notify()
                return
        self.dropped_messages += 1
        if self.dropped_messages & (self.dropped_messages - 1) == 0:  # 1, 2, 4, 8 ...
            self._say(f"usage: the writer is behind; {self.dropped_messages} messages of the access log are lost")

    def stop(self) -> None:
        """Write what has come, and end the thread."""
        with self._wanted:
            self._ending = True
            self._wanted.notify()
        self._thread.join(_END)
        if self._thread.is_alive() or self._rows:
            self._say(f"usage: {len(self._rows)} rows could not be written")

    def _run(self) -> None:
        while True:
            with self._wanted:
                while not (self._waiting or self._ending or self._rows):
                    self._wanted.wait()
                taken = list(self._waiting)
                self._waiting.clear()
                self._bytes = 0
                ending = self._ending
            for raw in taken:
                self._read(raw)
            is_written = self._write()
            if ending and not self._waiting:
                return
            # A pause makes batches: a row is worth little before somebody looks at it.
            with self._wanted:
                if not self._ending:
                    self._wanted.wait_for(lambda: self._ending, _PATIENCE if is_written else _RETRY)

    def _read(self, raw: bytes) -> None:
        try:
            entries = list(read_message(raw))
            if self._on_entry is not None:
                for entry in entries:
                    self._on_entry(entry)
            rows = [entry.row for entry in entries if entry.row is not None]
        except Exception as problem:  # whatever is wrong with one message, the next ones have to be accounted for
            self.dropped_messages += 1
            self._say(f"usage: a message of the access log cannot be read: {type(problem).__name__}: {problem}")
            return
        if self._store is None:
            self.written += len(rows)
            return
        room = max(0, _MOST_ROWS - len(self._rows))
        self._rows += rows[:room]
        if len(rows) > room:
            self.dropped_rows += len(rows) - room
            self._say(f"usage: the store does not take rows; {self.dropped_rows} are lost")

    def _write(self) -> bool:
        """Write the rows that wait. They stay, to be tried again, when the store cannot take them."""
        if self._store is None:
            return True
        try:
            while self._rows:
                batch: Sequence[UsageRow] = self._rows[:_BATCH]
                self._store.add(batch)
                del self._rows[: len(batch)]
                self.written += len(batch)
            self._prune(self._store)
        except EnvironmentProblem as problem:
            if not self._is_failing:
                self._say(f"usage: {problem}; trying again")
            self._is_failing = True
            return False
        self._is_failing = False
        return True

    def _prune(self, store: UsageStore) -> None:
        if self._retention is None or (time.monotonic() - self._pruned < _PRUNING and self._pruned):
            return
        self._pruned = time.monotonic()
        store.prune(int((time.time() - self._retention.total_seconds()) * 1000))


def _say(text: str) -> None:
    with suppress(OSError, ValueError):
        print(f"warning: {text}", file=sys.stderr, flush=True)
