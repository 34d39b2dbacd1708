"""What the gateway is asked and what it answers, whatever carries it."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field

JSON = "application/json"
EVENT_STREAM = "text/event-stream"


@dataclass(frozen=True)
class Request:
    """A request with its whole body; header names are in lower case, `headers` has the first value of each."""

    method: str
    path: str
    headers: dict[str, str]
    headers_all: dict[str, list[str]]
    body: bytes = b""


@dataclass(frozen=True)
class Reply:
    """An answer: a body, or parts of one as they come. `close` is called when it is sent or nobody waits for it."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    parts: AsyncGenerator[bytes, None] | None = None
    close: Callable[[], None] | None = None


def reply_json(status: int, body: bytes, **headers: str) -> Reply:
    """An answer of JSON; in the names of `headers` an underscore stands for a hyphen."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, body, {"content-type": JSON, **named})
