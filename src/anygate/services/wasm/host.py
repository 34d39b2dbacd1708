"""What a plugin can ask of its host, by Nantian's rules: a log line, headers, the body.

A text is given as its place in the plugin's memory and its length. What is returned from `get_header` has the place in
its upper half and the length in the lower one, 0 for a header that is not there; the place is one that the plugin's own
`alloc` gave. `get_body` and `get_all_headers` fill what fits into a buffer and return how much there is.
"""

import base64
import json
import sys
import threading
from collections.abc import Iterator
from typing import Any

from wasmtime import Caller, Func, FuncType, Linker, Memory, ValType

from anygate.wasm.inspection import HOST_MODULES

_MOST_LOGGED = 1000
_LEVELS = ("trace", "debug", "info", "warn", "error")


class Headers:
    """Headers in their order, and what plugins have set of them."""

    def __init__(self, pairs: list[tuple[str, bytes]]) -> None:
        self._pairs = pairs
        self.changed: dict[str, bytes] = {}

    def get(self, name: str) -> bytes | None:
        """All values of a header, joined by commas."""
        if name in self.changed:
            return self.changed[name]
        found = [value for key, value in self._pairs if key == name]
        return b", ".join(found) if found else None

    def set(self, name: str, value: bytes) -> None:
        """Let a header have one value."""
        self.changed[name] = value

    def items(self) -> Iterator[tuple[str, str]]:
        """Names and values."""
        names = dict.fromkeys([*(key for key, _ in self._pairs), *self.changed])
        for name in names:
            yield name, (self.get(name) or b"").decode("utf-8", "replace")


class Visit:
    """One call of a plugin: what it may look at, and what of it the plugin is in.

    `reads` are the headers it gets to see, `writes` those that it sets.
    """

    def __init__(self, plugin: str, route: str, config: str, reads: Headers, writes: Headers, body: bytes) -> None:
        self.plugin = plugin
        self.route = route
        self.config = config
        self.reads = reads
        self.writes = writes
        self.body = body
        self.alloc: Func
        self.memory: Memory

    def describe(self) -> bytes:
        """Everything as JSON; a body that is not text stands in base64."""
        headers = dict(self.reads.items())
        try:
            body = self.body.decode()
        except UnicodeDecodeError:
            body = base64.b64encode(self.body).decode()
        found = {
            "method": headers.get(":method", ""),
            "path": headers.get(":path", ""),
            "headers": {name: value for name, value in headers.items() if not name.startswith(":")},
            "body": body,
            "route": self.route,
            "config": self.config,
        }
        return json.dumps(found, separators=(",", ":")).encode()

    def put(self, store: Any, text: bytes) -> int:
        """Put a text into the plugin's memory and return its place."""
        place = int(self.alloc(store, len(text))) & 0xFFFFFFFF
        self.memory.write(store, text, place)
        return place

    def take(self, store: Any, place: int, length: int) -> bytes:
        """A text from the plugin's memory; an IndexError, which ends the plugin, if it has no such memory."""
        start, end = place & 0xFFFFFFFF, (place & 0xFFFFFFFF) + (length & 0xFFFFFFFF)
        if end > self.memory.data_len(store):
            raise IndexError("out of its memory")
        return bytes(self.memory.read(store, start, end))


class _Now(threading.local):
    """The call that this thread is in; wasmtime's callers do not say."""

    visit: Visit


_now = _Now()


def begin(visit: Visit) -> None:
    """Let what a plugin asks for in this thread be about a call."""
    _now.visit = visit


def define_host(linker: Linker) -> None:
    """Define what modules may import, under both names that the host goes by."""
    number, wide = ValType.i32(), ValType.i64()
    functions: dict[str, tuple[list[ValType], list[ValType], Any]] = {
        "log": ([number] * 3, [], _log),
        "get_header": ([number] * 2, [wide], _get_header),
        "set_header": ([number] * 4, [], _set_header),
        "get_body": ([number] * 2, [number], _get_body),
        "get_all_headers": ([number] * 2, [number], _get_all_headers),
    }
    for module in HOST_MODULES:
        for name, (taken, given, function) in functions.items():
            linker.define_func(module, name, FuncType(taken, given), function, access_caller=True)


def _log(caller: Caller, level: int, place: int, length: int) -> None:
    visit = _now.visit
    text = visit.take(caller, place, min(length & 0xFFFFFFFF, _MOST_LOGGED)).decode("utf-8", "replace")
    word = _LEVELS[level] if 0 <= level < len(_LEVELS) else str(level)
    print(f"note: plugin {visit.plugin}: {word}: {text!r}", file=sys.stderr, flush=True)


def _get_header(caller: Caller, place: int, length: int) -> int:
    visit = _now.visit
    value = visit.reads.get(visit.take(caller, place, length).decode("utf-8", "replace").lower())
    if value is None:
        return 0
    found = (visit.put(caller, value) << 32) | len(value)
    return found - (1 << 64) if found >> 63 else found


def _set_header(caller: Caller, name: int, name_length: int, value: int, value_length: int) -> None:
    visit = _now.visit
    key = visit.take(caller, name, name_length).decode("utf-8", "replace").lower()
    visit.writes.set(key, visit.take(caller, value, value_length))


def _get_body(caller: Caller, place: int, length: int) -> int:
    return _fill(caller, _now.visit.body, place, length)


def _get_all_headers(caller: Caller, place: int, length: int) -> int:
    headers = dict(_now.visit.reads.items())
    return _fill(caller, json.dumps(headers, separators=(",", ":")).encode(), place, length)


def _fill(caller: Caller, text: bytes, place: int, length: int) -> int:
    visit = _now.visit
    start, part = place & 0xFFFFFFFF, text[: length & 0xFFFFFFFF]
    if start + len(part) > visit.memory.data_len(caller):
        raise IndexError("out of its memory")
    visit.memory.write(caller, part, start)
    return len(text)
