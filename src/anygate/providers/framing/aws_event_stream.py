"""The AWS event-stream framing (`application/vnd.amazon.eventstream`, Smithy "Amazon Event Stream" specification).

A frame is a 12-byte prelude (total length, headers length, CRC of both), typed headers, a payload and a CRC of all
before.
"""

import struct
from zlib import crc32

import msgspec

from anygate.providers.framing.fault import FramingFault

FRAME_LIMIT = 32 * 1024 * 1024
HEADERS_LIMIT = 128 * 1024
KNOWN_LIMIT = 16
_PRELUDE = struct.Struct("!III")
_OVERHEAD = 16
_FIXED = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
_BYTES, _STRING = 6, 7


class Frame(msgspec.Struct, frozen=True):
    """One frame; only string headers are kept, no provider puts meaning into others."""

    headers: dict[str, str]
    payload: bytes


class FrameDecoder:
    """Bytes in any split to frames; a wrong checksum or length is a FramingFault."""

    __slots__ = ("_buffer", "_known")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._known: dict[bytes, dict[str, str]] = {}

    @property
    def pending(self) -> bool:
        """Whether a frame has begun that has not ended."""
        return bool(self._buffer)

    def feed(self, chunk: bytes) -> list[Frame]:
        """The frames that `chunk` completes."""
        buffer = self._buffer
        buffer += chunk
        frames = []
        start = 0
        while len(buffer) - start >= _PRELUDE.size:
            total, headers_length, expected = _PRELUDE.unpack_from(buffer, start)
            if crc32(buffer[start : start + 8]) != expected:
                raise FramingFault("an event-stream frame has a wrong prelude checksum")
            if total > FRAME_LIMIT or headers_length > HEADERS_LIMIT or total < headers_length + _OVERHEAD:
                raise FramingFault("an event-stream frame has an impossible length")
            if len(buffer) - start < total:
                break
            frames.append(self._read_frame(bytes(buffer[start : start + total]), headers_length))
            start += total
        if start:
            del buffer[:start]
        return frames

    def _read_frame(self, frame: bytes, headers_length: int) -> Frame:
        if crc32(memoryview(frame)[:-4]) != int.from_bytes(frame[-4:], "big"):
            raise FramingFault("an event-stream frame has a wrong message checksum")
        end = _PRELUDE.size + headers_length
        block = frame[_PRELUDE.size : end]
        headers = self._known.get(block)
        if headers is None:
            headers = _read_headers(block)
            if len(self._known) < KNOWN_LIMIT:  # a stream repeats a handful of header blocks
                self._known[block] = headers
        return Frame(headers, frame[end:-4])


def _read_headers(block: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    at = 0
    try:
        while at < len(block):
            name_end = at + 1 + block[at]
            name = block[at + 1 : name_end].decode()
            kind = block[name_end]
            at = name_end + 1
            if kind in _FIXED:
                at += _FIXED[kind]
            elif kind in (_BYTES, _STRING):
                length = int.from_bytes(block[at : at + 2], "big")
                at += 2 + length
                if kind == _STRING:
                    headers[name] = block[at - length : at].decode()
            else:
                raise FramingFault(f"an event-stream header has the unknown type {kind}")
    except (IndexError, UnicodeDecodeError):
        raise FramingFault("the headers of an event-stream frame are broken") from None
    if at != len(block):
        raise FramingFault("the headers of an event-stream frame are broken")
    return headers


def encode_frame(headers: dict[str, str], payload: bytes) -> bytes:
    """One frame with string headers."""
    block = b"".join(_encode_header(name, value) for name, value in headers.items())
    prelude = struct.pack("!II", len(block) + len(payload) + _OVERHEAD, len(block))
    frame = prelude + struct.pack("!I", crc32(prelude)) + block + payload
    return frame + struct.pack("!I", crc32(frame))


def _encode_header(name: str, value: str) -> bytes:
    key, text = name.encode(), value.encode()
    return struct.pack("!B", len(key)) + key + struct.pack("!BH", _STRING, len(text)) + text
