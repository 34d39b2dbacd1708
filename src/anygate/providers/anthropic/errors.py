"""Anthropic's error object, read and written ("Errors")."""

from anygate.providers.json_text import parse_value, render
from anygate.providers.refusal import ErrorReply, shorten

KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    422: "invalid_request_error",
    429: "rate_limit_error",
    500: "api_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
# Here the status says more than another vendor's word: OpenAI calls a wrong key an invalid request.
_BY_STATUS = (401, 403, 404, 413, 429)
STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}


def read_error(status: int, body: bytes) -> ErrorReply | None:
    """`{type: error, error: {type, message}}`, or None when the body is something else."""
    try:
        value = parse_value(body)
    except ValueError:
        return None
    if type(value) is not dict:
        return None
    error = value.get("error")
    if type(error) is not dict:
        return _read_aws(status, value)
    kind, message, request_id = error.get("type"), error.get("message"), value.get("request_id")
    return ErrorReply(
        status,
        shorten(message) if type(message) is str else "the provider reported an error",
        kind=kind[:200] if type(kind) is str else "",
        request_id=request_id[:200] if type(request_id) is str else "",
    )


def _read_aws(status: int, value: dict[str, object]) -> ErrorReply | None:
    message = value.get("message", value.get("Message"))
    return ErrorReply(status, shorten(message)) if type(message) is str else None


def kind_for(error: ErrorReply) -> str:
    """The error type an Anthropic client knows."""
    if error.kind in STATUSES and error.status not in _BY_STATUS:
        return error.kind
    return KINDS.get(error.status, "invalid_request_error" if 400 <= error.status < 500 else "api_error")


def write_error(error: ErrorReply) -> bytes:
    """The error body for an Anthropic client."""
    inner = {"type": kind_for(error), "message": error.message}
    return render({"type": "error", "error": inner, "request_id": error.request_id or None})


def write_error_event(error: ErrorReply) -> bytes:
    """The payload of an `error` stream event."""
    return render({"type": "error", "error": {"type": kind_for(error), "message": error.message}})
