"""Token counts worked out from sizes, for answers whose usage nobody reported.

That is so when a client hangs up or a provider breaks off in the middle of an answer, when a stream of chat chunks
was not asked to end with its usage, and when an answer was compressed. The sizes are those that answers of the
vendors have: a chunk of a chat stream carries one token in some 220 bytes, an event of an Anthropic stream three or
four tokens in some 140. Such counts are always labelled, and never replace what a provider said.
"""

from collections.abc import Mapping
from typing import NamedTuple

_TEXT = 4
"""Bytes of English text, or of the JSON around it, that make a token."""


class _StreamShape(NamedTuple):
    """Bytes of a stream that carry one token, and bytes that come before the first."""

    token: int
    head: int


_STREAMS: Mapping[str, _StreamShape] = {
    "chat": _StreamShape(220, 220),
    "completions": _StreamShape(160, 0),
    "responses": _StreamShape(250, 2500),
    "messages": _StreamShape(40, 450),
}
_COUNTED = frozenset((*_STREAMS, "embeddings"))
_WITHOUT_OUTPUT = frozenset(("embeddings",))


def is_counted(endpoint: str) -> bool:
    """Whether requests of an endpoint are paid by text tokens, so that sizes say something about them."""
    return endpoint in _COUNTED


def estimate_input(request_bytes: int) -> int:
    """The tokens of a request's body."""
    return -(-request_bytes // _TEXT)


def estimate_output(endpoint: str, response_bytes: int, *, stream: bool) -> int:
    """The tokens of an answer, or of as much of it as came."""
    if endpoint in _WITHOUT_OUTPUT:
        return 0
    if not stream:
        return -(-response_bytes // _TEXT)
    shape = _STREAMS.get(endpoint, _StreamShape(_TEXT, 0))
    return -(-max(0, response_bytes - shape.head) // shape.token)
