"""The other end of a canonical stream: what turns a backend's events into calls of a StreamWriter."""

from abc import ABC, abstractmethod

from anygate.providers.chat.stream import StreamWriter
from anygate.providers.refusal import ErrorReply


class StreamReader(ABC):
    """One backend's stream. Raises Refused on an event it cannot read; the Exchange ends the client's stream then."""

    def __init__(self, writer: StreamWriter) -> None:
        self.writer = writer
        self.model = ""

    @abstractmethod
    def feed(self, name: str, payload: bytes) -> None:
        """One event with its name, empty where the framing has none."""

    @abstractmethod
    def finish(self) -> None:
        """The upstream closed the connection."""


def truncated() -> ErrorReply:
    """The error for a stream that stops before its own end."""
    return ErrorReply(502, "the provider closed the stream before its end", kind="api_error")
