"""OpenAI's error object, read and written (platform.openai.com/docs/guides/error-codes)."""

from typing import Any

from anygate.providers.json_text import parse_value, render
from anygate.providers.refusal import ErrorReply, shorten

_KINDS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "PermissionDenied",
    404: "NotFound",
    413: "RequestTooLarge",
    422: "UnprocessableEntity",
    429: "RateLimitExceeded",
    499: "ClientClosed",
}


def read_error(status: int, body: bytes) -> ErrorReply | None:
    """An OpenAI-shaped JSON error, or None when the body is none."""
    try:
        value = parse_value(body)
    except ValueError:
        return None
    if type(value) is list and value:
        value = value[0]
    if type(value) is not dict:
        return None
    if value.get("error") is not None:
        return read_error_object(status, value["error"])
    if type(value.get("message")) is str or type(value.get("detail")) is str:
        return read_error_object(status, value)
    return None


def read_error_object(status: int, error: object) -> ErrorReply:
    """The inner object, as compatible servers vary it: a string, a numeric code, `detail` for `message`."""
    if type(error) is not dict:
        return ErrorReply(status, shorten(error) if type(error) is str else "the provider reported an error")
    message = error.get("message") or error.get("detail")
    code = error.get("code")
    if type(code) is int and 400 <= code <= 599 and status == 500:
        status = code
    return ErrorReply(
        status,
        shorten(message) if type(message) is str else "the provider reported an error",
        kind=_text(error.get("type")),
        code=None if code is None else str(code)[:200],
        param=_text(error.get("param")) or None,
    )


def _text(value: object) -> str:
    return value[:200] if type(value) is str else ""


def write_error(error: ErrorReply) -> bytes:
    """The error body for an OpenAI client; `type` is the origin's word, the code falls back on the status (spec C5)."""
    return render(write_error_object(error))


def write_error_object(error: ErrorReply) -> dict[str, Any]:
    """The same as a value, for streams."""
    return {
        "type": "error",
        "error": {
            "type": error.kind or _KINDS.get(error.status, "InternalError"),
            "message": error.message,
            "param": error.param,
            "code": error.code or str(error.status),
        },
    }
