"""Rows on their way to one destination: in batches, by a thread of its own, so that a slow one holds up no other."""

import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from anygate.store.row import UsageRow

MOST_WAITING = 1000
_BATCH = 100
_TRIES = 3
_PAUSE = 0.5
_END = 5.0


class NotSent(Exception):  # noqa: N818 - whoever should be told cannot be reached
    """Why a batch was not taken. A `lasting` reason is none to try again."""

    def __init__(self, reason: str, *, lasting: bool = False) -> None:
        super().__init__(reason)
        self.lasting = lasting


class Delivery:
    """Sends rows to one destination. Of more than `MOST_WAITING` the oldest are dropped; no request waits for any."""

    def __init__(self, name: str, send: Callable[[Sequence[UsageRow]], None]) -> None:
        self.sent = 0
        self.dropped = 0
        self._name = name
        self._send = send
        self._waiting: deque[UsageRow] = deque()
        self._wanted = threading.Condition()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"export to {name}", daemon=True)
        self._thread.start()

    def put(self, row: UsageRow) -> None:
        """Take a row; returns at once."""
        with self._wanted:
            is_full = len(self._waiting) >= MOST_WAITING
            if is_full:
                self._waiting.popleft()
            self._waiting.append(row)
            self._wanted.notify()
        if is_full:
            self._drop(1, "it does not keep up")

    def stop(self) -> None:
        """Send what has come, for as long as that takes no more than a moment."""
        with self._wanted:
            self._ending.set()
            self._wanted.notify()
        self._thread.join(_END)

    def _run(self) -> None:
        while True:
            with self._wanted:
                self._wanted.wait_for(lambda: self._waiting or self._ending.is_set())
                if not self._waiting:
                    return
                batch = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
            self._deliver(batch)

    def _deliver(self, batch: Sequence[UsageRow]) -> None:
        reason = ""
        for attempt in range(_TRIES):
            if attempt and self._ending.wait(_PAUSE * 2**attempt):
                break
            try:
                self._send(batch)
            except NotSent as problem:
                reason = str(problem)
                if problem.lasting:
                    break
                continue
            self.sent += len(batch)
            return
        self._drop(len(batch), reason)

    def _drop(self, count: int, reason: str) -> None:
        before, self.dropped = self.dropped, self.dropped + count
        if before.bit_length() != self.dropped.bit_length():  # 1, 2, 4, 8 ...
            with suppress(OSError, ValueError):
                text = f"warning: export to {self._name}: {reason}; {self.dropped} requests are not told"
                print(text, file=sys.stderr, flush=True)
