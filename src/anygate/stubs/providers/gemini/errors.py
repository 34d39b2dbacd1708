"""Google's errors: https://ai.google.dev/gemini-api/docs/troubleshooting and https://cloud.google.com/apis/design/errors."""

from typing import Any

from anygate.stubs.providers.call import Call
from anygate.stubs.providers.fields import FieldFault
from anygate.stubs.providers.outcome import encode
from anygate.stubs.providers.rejection import Rejection

_STATUSES = {
    400: ("INVALID_ARGUMENT", "Request contains an invalid argument."),
    401: ("UNAUTHENTICATED", "Request had invalid authentication credentials."),
    403: ("PERMISSION_DENIED", "The caller does not have permission"),
    404: ("NOT_FOUND", "Requested entity was not found."),
    413: ("INVALID_ARGUMENT", "Request payload size exceeds the limit."),
    429: ("RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."),
    499: ("CANCELLED", "The operation was cancelled."),
    500: ("INTERNAL", "An internal error has occurred. Please retry."),
    503: ("UNAVAILABLE", "The model is overloaded. Please try again later."),
    504: ("DEADLINE_EXCEEDED", "The request timed out. Please try again."),
}
_TYPES = {
    "str": "TYPE_STRING",
    "int": "TYPE_INT32",
    "float": "TYPE_FLOAT",
    "bool": "TYPE_BOOL",
    "array": "TYPE_MESSAGE",
    "object": "TYPE_MESSAGE",
}
INVALID_KEY_REASON = "API_KEY_INVALID"


def reject(message: str, status: int = 400, reason: str | None = None) -> Rejection:
    """Return an error with the canonical code that goes with `status`."""
    return Rejection(status, reject_status(status).kind, message, None, reason)


def reject_status(status: int) -> Rejection:
    """Return the error that goes with `status`."""
    kind, message = _STATUSES.get(status, _STATUSES[500] if status >= 500 else _STATUSES[400])
    return Rejection(status, kind, message)


def reject_field(fault: FieldFault, call: Call) -> Rejection:
    """Return the error of a field."""
    place = _snake(fault.path)
    match fault.kind:
        case "malformed":
            return reject(f"Invalid JSON payload received. {fault.got}")
        case "unknown":
            where = f" at '{_snake(fault.parent)}'" if fault.parent else ""
            return reject(f'Invalid JSON payload received. Unknown name "{fault.field}"{where}: Cannot find field.')
        case "missing":
            return reject(f"* {place}: {fault.field} is required and must be specified")
        case "value":
            return reject(f"Invalid value at '{place}' (TYPE_ENUM), \"{fault.got}\"")
        case "low" | "high" | "short" | "long":
            bound = "at least" if fault.kind in ("low", "short") else "at most"
            return reject(
                f"* GenerateContentRequest.{place}: {place} must be {bound} {fault.expected}, got {fault.got}"
            )
        case _ if not fault.got:
            return reject(f"Invalid value at '{place}': the value does not match the expected format.")
        case _:
            kind = next((each for each in fault.expected.split(" | ") if each != "null"), "")
            return reject(f"Invalid value at '{place}' ({_TYPES.get(kind, 'TYPE_MESSAGE')}), a {fault.got} value")


def build_error(rejection: Rejection) -> dict[str, Any]:
    """Return the document of an error."""
    error: dict[str, Any] = {"code": rejection.status, "message": rejection.message, "status": rejection.kind}
    if rejection.code is not None:
        error["details"] = [
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": rejection.code,
                "domain": "googleapis.com",
            }
        ]
    return {"error": error}


def render_error(rejection: Rejection, call: Call | None) -> bytes:
    """Return the body of an error; where an array of answers was asked for, it is in an array."""
    document = build_error(rejection)
    is_array = call is not None and call.path.endswith(":streamGenerateContent") and call.query.get("alt") != "sse"
    return encode([document] if is_array else document)


def _snake(path: str) -> str:
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in path)
