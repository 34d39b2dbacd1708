"""Server-sent events (WHATWG HTML, 9.2 "Server-sent events"), incremental and linear in the bytes fed."""

from anygate.providers.framing.fault import FramingFault

EVENT_LIMIT = 32 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"


class SseDecoder:
    """Bytes in any split to `(event name, data)` pairs.

    Lines end in LF, CR or CRLF; `data:` with or without the space; several data lines join with LF; comments, `id`,
    `retry` and unknown fields are skipped; an event without data is not an event. Multi-byte characters may be split
    anywhere, because nothing is decoded here.
    """

    __slots__ = ("_after_cr", "_buffer", "_scanned", "_started")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._scanned = 0
        self._after_cr = False
        self._started = False

    @property
    def is_idle(self) -> bool:
        """Whether the stream has begun and no part of a block is waiting."""
        return self._started and not self._buffer and not self._after_cr

    def feed(self, chunk: bytes) -> list[tuple[str, bytes]]:
        """The events that `chunk` completes."""
        return _read_blocks(self.cut(chunk))

    def cut(self, chunk: bytes) -> bytes:
        """The blocks that `chunk` completes, with LF for every line end and an empty line between them."""
        if not chunk:
            return b""
        if self._after_cr or b"\r" in chunk:
            chunk = self._normalise(chunk)
        if not self._started:
            if not self._skip_mark(chunk):
                return b""
            chunk, self._started = b"", True
        if not self._buffer and chunk[-2:] == b"\n\n":
            return chunk
        return self._cut_buffered(chunk)

    def finish(self) -> list[tuple[str, bytes]]:
        """The event that stands unterminated at the end: vendors close right after `[DONE]` without a blank line."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        self._scanned = 0
        return _read_blocks(rest.removeprefix(_BOM) if not self._started else rest)

    def _normalise(self, chunk: bytes) -> bytes:
        if self._after_cr and chunk[:1] == b"\n":
            chunk = chunk[1:]
            self._after_cr = False
        if chunk:
            self._after_cr = chunk[-1:] == b"\r"
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _skip_mark(self, chunk: bytes) -> bool:
        """A byte-order mark may open the stream, itself split over chunks."""
        self._buffer += chunk
        if len(self._buffer) < len(_BOM) and _BOM.startswith(self._buffer):
            return False
        if self._buffer.startswith(_BOM):
            del self._buffer[: len(_BOM)]
        return True

    def _cut_buffered(self, chunk: bytes) -> bytes:
        buffer = self._buffer
        buffer += chunk
        end = buffer.rfind(b"\n\n", max(0, self._scanned - 1))
        if end < 0:
            if len(buffer) > EVENT_LIMIT:
                raise FramingFault(f"an event is larger than {EVENT_LIMIT} bytes")
            self._scanned = len(buffer)
            return b""
        blocks = bytes(buffer[: end + 2])
        del buffer[: end + 2]
        self._scanned = len(buffer)
        return blocks


def _read_blocks(text: bytes) -> list[tuple[str, bytes]]:
    return [event for block in text.split(b"\n\n") if block and (event := read_block(block)) is not None]


def read_block(block: bytes) -> tuple[str, bytes] | None:
    """The event of one block, which holds no empty line; a block without data is no event."""
    if block[:6] == b"data: " and b"\n" not in block:
        return "", block[6:]
    # The shape that nearly every named event has; the long way is half the time of a stream's conversion.
    name, middle, payload = block.partition(b"\ndata: ")
    if middle and name[:7] == b"event: " and b"\n" not in name and b"\n" not in payload:
        return str(name[7:], "utf-8", "replace"), payload
    return _read_lines(block)


def _read_lines(block: bytes) -> tuple[str, bytes] | None:
    name = ""
    lines: list[bytes] = []
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        if value[:1] == b" ":
            value = value[1:]
        if field == b"data":
            lines.append(value)
        elif field == b"event":
            name = value.decode("utf-8", "replace")
    if not lines:
        return None
    return name, lines[0] if len(lines) == 1 else b"\n".join(lines)


def encode_event(payload: bytes, name: str = "") -> bytes:
    """One event; `payload` is JSON, which holds no line break outside its escapes."""
    if name:
        return b"event: %s\ndata: %s\n\n" % (name.encode(), payload)
    return b"data: %s\n\n" % payload
