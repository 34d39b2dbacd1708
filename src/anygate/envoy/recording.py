"""What is recorded of AI requests beside their usage, and where their spans go."""

from typing import NamedTuple


class Recording(NamedTuple):
    """Which headers tell who called: those that may hold a key, the one that names its holder, those of a session."""

    key_headers: tuple[str, ...] = ("authorization", "x-api-key", "api-key")
    label_header: str = ""
    session_headers: tuple[str, ...] = ("agent-session-id",)


AS_USUAL = Recording()
"""The headers that the vendors' own clients send."""


class Tracing(NamedTuple):
    """Spans of all requests to servers with AI rules, under the name of a service; `session_header` groups them."""

    service: str = "anygate"
    session_header: str = "agent-session-id"
