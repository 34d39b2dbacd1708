"""Cohere's errors: https://docs.cohere.com/reference/errors."""

from anygate.stubs.providers.call import Call
from anygate.stubs.providers.fields import FieldFault
from anygate.stubs.providers.outcome import encode
from anygate.stubs.providers.rejection import Rejection

_STATUSES = {
    400: "invalid request",
    401: "invalid api token",
    402: "please add or update your payment method to continue",
    403: "your API key does not have access to this resource",
    404: "resource not found",
    413: "request body too large",
    429: "You are using a Trial key, which is limited. Please wait and try again later",
    499: "request cancelled by user",
    500: "internal server error, this has been reported to our developers.",
    503: "service unavailable",
    504: "gateway timeout",
}
_TYPES = {"str": "string", "int": "int", "float": "float", "bool": "bool", "array": "list", "object": "object"}


def reject(message: str, status: int = 400) -> Rejection:
    """Return an error; it has nothing but a message."""
    return Rejection(status, "", message)


def reject_status(status: int) -> Rejection:
    """Return the error that goes with `status`."""
    return reject(_STATUSES.get(status, _STATUSES[500] if status >= 500 else _STATUSES[400]), status)


def refuse_unknown_model(model: str) -> None:
    """Raise the vendor's 404 for a model whose name begins with `no-such-`."""
    if model.startswith("no-such-") or not model:
        raise reject(
            f"model '{model}' not found, make sure the correct model ID was used and that you have access to the "
            "model.",
            404,
        )


def reject_field(fault: FieldFault, call: Call) -> Rejection:
    """Return the error of a field."""
    match fault.kind:
        case "malformed":
            return reject(f"failed to parse JSON body: {fault.got}")
        case "unknown":
            return reject(f"unknown field: parameter '{fault.path}' is not a valid field", 422)
        case "missing":
            return reject(f"invalid request: {fault.path} is required")
        case "value":
            return reject(f"invalid type: parameter '{fault.path}' has the invalid value '{fault.got}'")
        case "low" | "high":
            side = "least" if fault.kind == "low" else "most"
            return reject(f"invalid request: {fault.path} must be at {side} {fault.expected}")
        case "short" | "long":
            side = "least" if fault.kind == "short" else "most"
            return reject(f"invalid request: {fault.path} must have at {side} {fault.expected} members")
        case _:
            kind = next((each for each in fault.expected.split(" | ") if each != "null"), "")
            return reject(
                f"invalid type: parameter '{fault.path}' is of type {_TYPES.get(fault.got, fault.got)} but should be "
                f"of type {_TYPES.get(kind, kind)}."
            )


def render_error(rejection: Rejection, call: Call | None) -> bytes:
    """Return the body of an error."""
    document = {"message": rejection.message}
    return encode({"id": call.name("", 32), **document} if call is not None else document)
