"""How vendors frame a stream: server-sent events, newline-delimited JSON, AWS event-stream messages."""

import struct
import zlib

from anygate.stubs.providers.outcome import encode

SSE = "text/event-stream; charset=utf-8"
EVENT_STREAM = "application/vnd.amazon.eventstream"
NDJSON = "application/x-ndjson"

SSE_GARBAGE = b'data: {"choices":[{"delta":{"content":\n\n'
NDJSON_GARBAGE = b'{"model":\n'
DONE = b"data: [DONE]\n\n"

_STRING = 7
_PRELUDE = 12
_CHECKSUM = 4


def frame_event(document: object, event: str | None = None) -> bytes:
    """Return one server-sent event, named where the vendor names its events."""
    named = f"event: {event}\n".encode() if event else b""
    return named + b"data: " + encode(document) + b"\n\n"


def frame_line(document: object) -> bytes:
    """Return one line of newline-delimited JSON."""
    return encode(document) + b"\n"


def frame_message(headers: list[tuple[str, str]], payload: bytes) -> bytes:
    """Return one AWS event-stream message: prelude, headers, payload, both checksums.

    https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html gives the layout.
    """
    encoded = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", _STRING, len(value)) + value.encode()
        for name, value in headers
    )
    total = _PRELUDE + len(encoded) + len(payload) + _CHECKSUM
    prelude = struct.pack("!II", total, len(encoded))
    message = prelude + struct.pack("!I", zlib.crc32(prelude)) + encoded + payload
    return message + struct.pack("!I", zlib.crc32(message))


def frame_aws_event(kind: str, document: object) -> bytes:
    """Return an event of an AWS stream."""
    headers = [(":event-type", kind), (":content-type", "application/json"), (":message-type", "event")]
    return frame_message(headers, encode(document))


def frame_aws_exception(kind: str, message: str) -> bytes:
    """Return the event by which an AWS stream reports an error midway."""
    headers = [(":exception-type", kind), (":content-type", "application/json"), (":message-type", "exception")]
    return frame_message(headers, encode({"message": message}))


def spoil_message() -> bytes:
    """Return a message whose checksum is wrong."""
    whole = frame_aws_event("contentBlockDelta", {"delta": {"text": "?"}, "contentBlockIndex": 0})
    return whole[:-4] + bytes(byte ^ 0xFF for byte in whole[-4:])
