"""How a stream ends badly in each client format."""

from anygate.providers.anthropic import errors as anthropic_errors
from anygate.providers.formats import ClientFormat
from anygate.providers.framing import encode_event
from anygate.providers.json_text import render
from anygate.providers.openai_chat import errors as openai_errors
from anygate.providers.refusal import ErrorReply


def end_stream(client: ClientFormat, error: ErrorReply, events: int) -> bytes:
    """The last bytes of a stream that passed through; `events` is how many were sent before."""
    if client.is_anthropic:
        return encode_event(anthropic_errors.write_error_event(error), "error")
    if client is ClientFormat.RESPONSES:
        event = {
            "type": "error",
            "code": error.code or "server_error",
            "message": error.message,
            "param": error.param,
            "sequence_number": events,
        }
        return encode_event(render(event), "error")
    return encode_event(openai_errors.write_error(error)) + b"data: [DONE]\n\n"
