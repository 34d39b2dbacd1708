"""Token counts worked out from sizes, for answers whose usage nobody reported.

That is so when a client hangs up or a provider breaks off in the middle of an answer, when a stream of chat chunks
was not asked to end with its usage, and when an answer was compressed. The sizes are those that answers of the
vendors have: a chunk of a chat stream carries one token in some 220 bytes, an event of an Anthropic stream three or
four tokens in some 140. The access log estimates by the same numbers (`services/access_log/estimate.py`).

Tried on Envoy 1.40: what is charged when a stream is done may depend on its sizes and on the number of tries, also when
the client has hung up, before its answer began or amid it; `has` is for a `response.code` that there is not yet.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from anygate.model.inference import ModelEndpoint

TEXT = 4
"""Bytes of English text, or of the JSON around it, that make a token."""


class StreamShape(NamedTuple):
    """Bytes of a stream that carry one token, and bytes that come before the first."""

    token: int
    head: int


STREAMS: Mapping[str, StreamShape] = MappingProxyType(
    {
        "chat": StreamShape(220, 220),
        "completions": StreamShape(160, 0),
        "responses": StreamShape(250, 2500),
        "messages": StreamShape(40, 450),
    }
)
"""How streams look, by their endpoints."""

COUNTED: frozenset[str] = frozenset((*STREAMS, "embeddings"))
"""The endpoints whose requests are paid by text tokens, so that sizes say something about them."""

WITHOUT_OUTPUT: frozenset[str] = frozenset({"embeddings"})
"""Those of them that are answered without text."""

INPUT = f"(double(request.size) / {TEXT}.0)"
"""The expression for the tokens of a request's body."""

_TYPE = "response.headers['content-type']"
_IS_STREAM = f"('content-type' in response.headers && {_TYPE}.startsWith('text/event-stream'))"
_IS_JSON = f"('content-type' in response.headers && {_TYPE}.startsWith('application/json'))"
_WAS_GIVEN = "upstream.request_attempt_count > 0 && (has(response.code) ? response.code < 400 : true)"


def was_given(endpoint: ModelEndpoint | None) -> str:
    """The expression for whether there is an answer, or a part of it, or one that a provider is at, to be estimated.

    Without an endpoint it may be any request; only posts that are answered with JSON or events look like a model's.
    """
    if endpoint is None:
        return f"({_WAS_GIVEN} && request.method == 'POST' && ({_IS_STREAM} || {_IS_JSON}))"
    return f"({_WAS_GIVEN})" if endpoint in COUNTED else "false"


def estimated_output(endpoint: ModelEndpoint | None) -> str:
    """The expression for the tokens of an answer, or of as much of it as came."""
    if endpoint in WITHOUT_OUTPUT:
        return "0.0"
    shape = STREAMS.get(endpoint or "chat", StreamShape(TEXT, 0))
    size = "double(response.size)"
    streamed = f"({size} > {shape.head}.0 ? ({size} - {shape.head}.0) / {shape.token}.0 : 0.0)"
    return f"({_IS_STREAM} ? {streamed} : {size} / {TEXT}.0)"
