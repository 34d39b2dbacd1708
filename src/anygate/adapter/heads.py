"""Heads of HTTP/1.1 messages."""

from http import HTTPStatus

from anygate.providers.setting import Headers

_STATUS_LINES = {int(status): f"HTTP/1.1 {int(status)} {status.phrase}\r\n" for status in HTTPStatus}
END_OF_CHUNKS = b"0\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def render_answer(status: int, headers: Headers, framing: str) -> bytes:
    """The head of an answer; `framing` is its own last lines, each with its line end."""
    line = _STATUS_LINES.get(status) or f"HTTP/1.1 {status} Unknown\r\n"
    fields = "".join([f"{name}: {value}\r\n" for name, value in headers])
    return f"{line}{fields}{framing}\r\n".encode("latin-1", "replace")


def render_request(method: str, path: str, head: str, headers: Headers, length: int) -> bytes:
    """The head of a request; `head` is the rest of the first line and what all requests of its kind have."""
    fields = "".join([f"{name}: {value}\r\n" for name, value in headers])
    return f"{method} {path}{head}{fields}content-length: {length}\r\n\r\n".encode("latin-1", "replace")


def frame_chunk(payload: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(payload), payload)
