"""What a stub remembers of the traffic it received."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from anygate.stubs.echo import NO_BODY, Backend, EchoRequest, ReceivedBody

_KEPT = 100
_LONGEST_BODY = 262_144


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One received HTTP request, gRPC call or WebSocket handshake."""

    method: str
    path: str
    host: str
    headers: tuple[tuple[str, str], ...]
    backend: str
    proto: str
    body_bytes: int = 0
    body_sha256: str = NO_BODY.sha256
    body: bytes = b""


class RequestLog:
    """Counts what arrives and keeps the last 100 requests."""

    def __init__(self, backend: Backend, on_request: Callable[[RequestRecord], None] | None = None) -> None:
        self.backend = backend
        self.count = 0
        self.records: deque[RequestRecord] = deque(maxlen=_KEPT)
        self._on_request = on_request

    def add(self, request: EchoRequest, body: ReceivedBody = NO_BODY) -> None:
        """Count and keep one request, with at most 256 KiB of its body, and tell whoever asked to be told."""
        self.count += 1
        record = RequestRecord(
            request.method,
            request.target,
            request.host,
            request.headers,
            self.backend.name,
            request.proto,
            body.size,
            body.sha256,
            body.content[:_LONGEST_BODY],
        )
        self.records.append(record)
        if self._on_request is not None:
            self._on_request(record)
