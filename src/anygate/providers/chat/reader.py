"""The other end of a canonical stream: what turns a backend's events into calls of a StreamWriter."""

from abc import ABC, abstractmethod
from collections.abc import Callable

from anygate.providers.chat.stream import StreamWriter
from anygate.providers.losses import Losses
from anygate.providers.refusal import ErrorReply


class StreamReader(ABC):
    """One backend's stream. Raises Refused on an event it cannot read; the Exchange ends the client's stream then.

    While `holds_text` is true text may have to wait, so every event has to be fed. `padding` takes off a block what a
    provider adds to hide the length of its tokens; `plain_mark` stands in every event that is nothing but text.
    """

    padding: Callable[[bytes], bytes] | None = None
    plain_mark: bytes | None = None

    def __init__(self, writer: StreamWriter, losses: Losses) -> None:
        self.writer = writer
        self.losses = losses
        self.model = ""
        self.holds_text = False

    @abstractmethod
    def feed(self, name: str, payload: bytes) -> None:
        """One event with its name, empty where the framing has none."""

    def read_plain(self, payload: bytes) -> str | None:
        """The text of an event for which `feed` does nothing but hand it to the writer's first choice, else None.

        It looks at nothing but the payload and changes nothing.
        """
        return None

    @abstractmethod
    def finish(self) -> None:
        """The upstream closed the connection."""


CITATIONS = "the client's format cannot point at the documents of another vendor"
HOSTED_TOOL = "a tool that ran at the provider has no place in the client's format"


def truncated() -> ErrorReply:
    """The error for a stream that stops before its own end."""
    return ErrorReply(502, "the provider closed the stream before its end", kind="api_error")
