"""Anthropic's errors: https://docs.claude.com/en/api/errors."""

from anygate.stubs.providers.call import Call
from anygate.stubs.providers.fields import FieldFault
from anygate.stubs.providers.outcome import encode
from anygate.stubs.providers.rejection import Rejection

_STATUSES = {
    400: ("invalid_request_error", "The request was invalid"),
    401: ("authentication_error", "invalid x-api-key"),
    402: ("billing_error", "There is an issue with your billing or payment information"),
    403: ("permission_error", "Your API key does not have permission to use the specified resource"),
    404: ("not_found_error", "Not found"),
    413: ("request_too_large", "Request exceeds the maximum size"),
    429: ("rate_limit_error", "This request would exceed your organization's rate limit"),
    500: ("api_error", "Internal server error"),
    504: ("timeout_error", "Request timed out"),
    529: ("overloaded_error", "Overloaded"),
}
_TYPES = {
    "str": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "array": "list",
    "object": "dictionary",
}


def reject(message: str, status: int = 400) -> Rejection:
    """Return an error with the type that goes with `status`."""
    return Rejection(status, reject_status(status).kind, message)


def reject_status(status: int) -> Rejection:
    """Return the error that goes with `status`."""
    kind, message = _STATUSES.get(status, _STATUSES[500] if status >= 500 else _STATUSES[400])
    return Rejection(status, kind, message)


def describe_fault(fault: FieldFault) -> str:
    """Return what is wrong with a field, in Anthropic's words."""
    place = ".".join(fault.steps)
    match fault.kind:
        case "malformed":
            return f"The request body is not valid JSON: {fault.got}"
        case "missing":
            return f"{place}: Field required"
        case "unknown":
            return f"{place}: Extra inputs are not permitted"
        case "low" if fault.field in ("temperature", "top_p"):
            return f"{place}: range: 0..1"
        case "high":
            return f"{place}: range: 0..1"
        case "low":
            return f"{place}: Input should be greater than or equal to {fault.expected}"
        case "value" if fault.field == "role":
            return (
                f'messages: Unexpected role "{fault.got}". Allowed roles are "user" or "assistant". For system '
                "instructions, use the top-level `system` parameter."
            )
        case "value" if fault.field != "type":
            return f"{place}: Input should be one of the values that the API documents, got '{fault.got}'"
        case "value":
            return f"{place}: Input tag or value '{fault.got}' found using 'type' does not match any of the expected"
        case _ if not fault.got:
            return f"{place}: String should match the expected pattern"
        case _:
            kind = next(each for each in fault.expected.split(" | ") if each != "null" or fault.expected == "null")
            return f"{place}: Input should be a valid {_TYPES.get(kind, kind)}".removeprefix(": ")


def reject_field(fault: FieldFault, call: Call) -> Rejection:
    """Return the error of a field."""
    return reject(describe_fault(fault))


def render_error(rejection: Rejection, call: Call | None) -> bytes:
    """Return the body of an error."""
    request_id = call.name("req_") if call is not None else None
    error = {"type": rejection.kind, "message": rejection.message}
    return encode({"type": "error", "error": error, "request_id": request_id})
