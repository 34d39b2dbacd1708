"""A gRPC call, without I/O: every message of the request is sent back as a message of the response."""

from collections import deque

from anygate.stubs.echo import Backend, EchoRequest

OK = 0
INVALID_ARGUMENT = 3
INTERNAL = 13

_PREFIX = 5


def is_grpc(content_type: str | None) -> bool:
    """Whether a request of this content type is a gRPC call (gRPC-Web is not)."""
    kind = (content_type or "").split(";")[0].strip().lower()
    return kind == "application/grpc" or kind.startswith("application/grpc+")


class MessageFraming:
    """Follows length-prefixed messages as their bytes stream by, whatever the cuts."""

    __slots__ = ("_left", "_prefix", "messages")

    def __init__(self) -> None:
        self.messages = 0
        self._prefix = b""
        self._left = 0

    @property
    def is_whole(self) -> bool:
        """Whether the bytes so far end with a whole message."""
        return not self._prefix and not self._left

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        start = 0
        while start < len(chunk):
            if self._left:
                step = min(self._left, len(chunk) - start)
                self._left -= step
                start += step
                continue
            taken = chunk[start : start + _PREFIX - len(self._prefix)]
            self._prefix += taken
            start += len(taken)
            if len(self._prefix) == _PREFIX:
                self._left = int.from_bytes(self._prefix[1:], "big")
                self._prefix = b""
                self.messages += 1


class GrpcEcho:
    """Holds the bytes between their arrival and their return, never more than the stream's window."""

    __slots__ = ("_ended", "_framing", "_status", "_waiting")

    def __init__(self, status: int = OK) -> None:
        self._status = status
        self._framing = MessageFraming()
        self._waiting: deque[bytes] = deque()
        self._ended = False

    def feed(self, chunk: bytes) -> None:
        """Take request bytes."""
        self._framing.feed(chunk)
        self._waiting.append(chunk)

    def end(self) -> None:
        """Learn that the request is complete."""
        self._ended = True

    def take(self, room: int) -> bytes:
        """Return up to `room` bytes to send now; empty when there are none yet."""
        if not self._waiting or room <= 0:
            return b""
        chunk = self._waiting.popleft()
        if len(chunk) > room:
            self._waiting.appendleft(chunk[room:])
            return chunk[:room]
        return chunk

    @property
    def is_complete(self) -> bool:
        """Whether nothing but the trailers is left to send."""
        return self._ended and not self._waiting

    def build_trailers(self) -> list[tuple[str, str]]:
        """Return the trailers that end the call."""
        if self._status == OK and not self._framing.is_whole:
            return build_status(INTERNAL, "request ended inside a message")
        return build_status(self._status)


def build_status(status: int, message: str = "") -> list[tuple[str, str]]:
    """Return the headers that carry a gRPC status."""
    headers = [("grpc-status", str(status))]
    if message:
        headers.append(("grpc-message", _escape(message)))
    return headers


def build_metadata(backend: Backend, request: EchoRequest) -> list[tuple[str, str]]:
    """Return the response's initial metadata: which backend answered and what reached it."""
    headers = [
        ("content-type", request.first("content-type") or "application/grpc"),
        ("x-stub-backend", backend.name),
        ("x-stub-path", request.target),
        ("x-stub-authority", request.host),
    ]
    encoding = request.first("grpc-encoding")
    if encoding is not None:
        # Messages go back as they came, so they are still compressed the way the client said.
        headers.append(("grpc-encoding", encoding))
    headers += [(f"x-stub-header-{name}", value) for name, value in request.headers]
    return headers


def _escape(message: str) -> str:
    return "".join(
        char if " " <= char <= "~" and char != "%" else "".join(f"%{byte:02X}" for byte in char.encode())
        for char in message
    )
