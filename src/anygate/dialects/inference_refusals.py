"""Answers that the gateway gives by itself, each in the format of the client who asked."""

from functools import lru_cache

from anygate.model.edit import Respond
from anygate.model.inference import ModelEndpoint
from anygate.model.origin import Origin
from anygate.providers.conversion import write_error
from anygate.providers.formats import ClientFormat
from anygate.providers.paths import CLIENT_FORMATS
from anygate.providers.refusal import ErrorReply

UNPROCESSABLE = 422
UNAVAILABLE = 503


def refuse(endpoint: ModelEndpoint, status: int, message: str, origin: Origin, reason: str = "") -> Respond:
    """An error for the clients of an endpoint; `reason` is for people, when it stands for a mistake in a manifest."""
    return Respond(
        origin=origin,
        status=status,
        body=_render(endpoint, status, message),
        content_type="application/json",
        reason=reason,
    )


@lru_cache(maxsize=256)
def _render(endpoint: ModelEndpoint, status: int, message: str) -> str:
    client = CLIENT_FORMATS.get(endpoint, ClientFormat.CHAT)
    return write_error(client, ErrorReply(status, message)).decode()
