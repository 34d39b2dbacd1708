"""Tool calls one after the other.

OpenAI-compatible servers may interleave the deltas of parallel calls, while the blocks of Anthropic and the items of
Responses end before the next begins.
"""

import re
from collections.abc import Callable
from functools import partial

from anygate.providers.chat.stream import StreamWriter
from anygate.providers.losses import Losses

_MARK = re.compile(r'["\\{}\[\]]')
_CONTENT = -1


class JsonEnd:
    """Finds where a JSON object or array ends, over any split of its text, in time linear in it."""

    __slots__ = ("_depth", "_escaped", "_in_string", "is_whole")

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = False
        self._escaped = -1
        self.is_whole = False

    def feed(self, text: str) -> None:
        """More of the text."""
        if not text:
            return
        # Where the character after a backslash stands; -1 is none, 0 may be the first of this piece.
        escaped = 0 if self._escaped == 0 else -1
        for match in _MARK.finditer(text):
            at, mark = match.start(), match[0]
            if at == escaped:
                continue
            if mark == "\\":
                escaped = at + 1
            elif mark == '"':
                self._in_string = not self._in_string
            elif not self._in_string:
                self._depth += 1 if mark in "{[" else -1
                if self._depth == 0:
                    self.is_whole = True
        self._escaped = 0 if escaped == len(text) else -1


class CallOrder:
    """The calls of one choice. The first call that is not whole passes on at once; whatever comes meanwhile for later
    ones, or after it, waits until it is, or until the choice ends.
    """

    __slots__ = ("_choice", "_end", "_losses", "_open", "_waiting", "_writer")

    def __init__(self, writer: StreamWriter, choice: int, losses: Losses) -> None:
        self._writer = writer
        self._choice = choice
        self._losses = losses
        self._open = _CONTENT
        self._end = JsonEnd()
        self._waiting: dict[int, list[Callable[[], None]]] = {}

    @property
    def is_busy(self) -> bool:
        """Whether a call has begun and is not known to be whole, so that nothing else may begin."""
        return self._open != _CONTENT and not self._end.is_whole

    def start(self, slot: int, call_id: str, name: str) -> None:
        """A call begins."""
        if self.is_busy:
            self._waiting[slot] = [partial(self._start_now, slot, call_id, name)]
        else:
            self._start_now(slot, call_id, name)

    def add(self, slot: int, fragment: str) -> None:
        """More of a call's arguments."""
        if slot == self._open:
            self._add_now(fragment)
            if self._waiting and self._end.is_whole:
                self._go_on()
        elif slot in self._waiting:
            self._waiting[slot].append(partial(self._add_now, fragment))
        elif fragment.strip():
            self._losses.add("answer.message.tool_calls", "arguments came after the call was whole")

    def hold(self, event: Callable[[], None]) -> None:
        """Content that came while a call is not whole."""
        self._waiting.setdefault(_CONTENT, []).append(event)

    def flush(self) -> None:
        """The choice ends: everything that waits, call by call."""
        waiting, self._waiting = self._waiting, {}
        for events in waiting.values():
            for event in events:
                event()

    def _start_now(self, slot: int, call_id: str, name: str) -> None:
        self._open = slot
        self._end = JsonEnd()
        self._writer.tool_start(self._choice, slot, call_id, name)

    def _add_now(self, fragment: str) -> None:
        self._end.feed(fragment)
        self._writer.tool_arguments(self._choice, self._open, fragment)

    def _go_on(self) -> None:
        while self._waiting and not self.is_busy:
            for event in self._waiting.pop(next(iter(self._waiting))):
                event()
