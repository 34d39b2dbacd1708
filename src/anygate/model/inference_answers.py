"""What a gateway answers by itself to AI requests, in the words and the format of each API.

https://platform.openai.com/docs/guides/error-codes and https://docs.claude.com/en/api/errors
"""

from typing import Any, Literal

from anygate.model.inference import ModelEndpoint

ErrorFormat = Literal["openai", "anthropic", "cohere"]
"""Whose errors a client understands."""

ERROR_FORMATS: tuple[ErrorFormat, ...] = ("openai", "anthropic", "cohere")

_FORMATS: dict[ModelEndpoint, ErrorFormat] = {
    "messages": "anthropic",
    "count_tokens": "anthropic",
    "rerank": "cohere",
}
_OPENAI_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
}
KNOWN_STATUSES = tuple(sorted({*_OPENAI_TYPES, *_ANTHROPIC_TYPES}))
"""The statuses that have an error type of their own in some format."""


def error_format(endpoint: ModelEndpoint) -> ErrorFormat:
    """Whose errors the clients of an endpoint understand."""
    return _FORMATS.get(endpoint, "openai")


def error_type(wanted: ErrorFormat, status: int) -> str:
    """The word that a format has for a status."""
    if wanted == "anthropic":
        return _ANTHROPIC_TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
    return _OPENAI_TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")


def error_body(wanted: ErrorFormat, status: int, message: str, param: str | None, code: str | None) -> dict[str, Any]:
    """An error as a JSON object. OpenAI's has `param` and `code` even where they say nothing."""
    if wanted == "anthropic":
        return {"type": "error", "error": {"type": error_type(wanted, status), "message": message}}
    if wanted == "cohere":
        return {"message": message}
    said = {"message": message, "type": error_type(wanted, status), "param": param, "code": code}
    return {"error": said}


Refused = Literal["malformed", "encoded", "nameless", "unknown", "method", "unsupported"]
"""Why no rule gets a request: its body is no JSON, is compressed in a way that cannot be read, names no model or one
that no rule takes, its method is not the one of the endpoint, or nothing is served at its path."""

STATUSES: dict[Refused, int] = {
    "malformed": 400,
    "encoded": 415,
    "nameless": 400,
    "unknown": 404,
    "method": 405,
    "unsupported": 404,
}
CODES: dict[Refused, str] = {"unknown": "model_not_found"}
PARAMS: dict[Refused, str] = {"unknown": "model", "nameless": "model"}


def refusal_text(refused: Refused, model: str, path: str) -> str:
    """What the client is told; `model` and `path` are the request's, or what stands for them."""
    return {
        "malformed": "The body of the request is not valid JSON, or not the form that this path takes.",
        "encoded": "The body is compressed in a way that is not understood; gzip, br and zstd are.",
        "nameless": "You must provide a model parameter.",
        "unknown": f"The model `{model}` does not exist or you do not have access to it.",
        "method": f"{path} takes only POST requests.",
        "unsupported": f"unsupported path: {path}",
    }[refused]
