"""Server-sent events with their ids, which clients give back to go on where a stream broke off."""

from typing import NamedTuple

_LIMIT = 8 * 1024 * 1024


class Event(NamedTuple):
    """One event. `id` and `retry` are None where the server sent none."""

    data: bytes
    name: str = ""
    id: str | None = None
    retry: str | None = None

    def encode(self) -> bytes:
        """The event as it is sent."""
        lines = []
        if self.name:
            lines.append(b"event: " + self.name.encode())
        if self.id is not None:
            lines.append(b"id: " + self.id.encode())
        if self.retry is not None:
            lines.append(b"retry: " + self.retry.encode())
        lines.extend(b"data: " + line for line in self.data.split(b"\n"))
        return b"\n".join(lines) + b"\n\n"


class EventDecoder:
    """Bytes in any split to events; lines end in LF, CR or CRLF, and comments are skipped."""

    def __init__(self) -> None:
        self._rest = b""
        self._lines: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that `chunk` completes; raises ValueError for one that is too large."""
        text = self._rest + chunk
        held = b"\r" if text.endswith(b"\r") else b""  # the LF of a CRLF may be on its way
        lines = text[: len(text) - len(held)].replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._rest = lines.pop() + held
        events: list[Event] = []
        for line in lines:
            if line:
                self._lines.append(line)
                self._size += len(line)
            elif self._lines:
                event = _read_event(self._lines)
                if event is not None:
                    events.append(event)
                self._lines, self._size = [], 0
        if self._size + len(self._rest) > _LIMIT:
            raise ValueError(f"an event is larger than {_LIMIT} bytes")
        return events


def _read_event(lines: list[bytes]) -> Event | None:
    data: list[bytes] = []
    found: dict[str, str] = {}
    for line in lines:
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field in (b"event", b"id", b"retry"):
            found[field.decode()] = value.decode("utf-8", "replace")
    if not data and not found:
        return None
    return Event(b"\n".join(data), found.get("event", ""), found.get("id"), found.get("retry"))
