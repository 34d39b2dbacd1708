"""Bedrock's errors: https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html."""

from anygate.stubs.providers.call import Call
from anygate.stubs.providers.fields import FieldFault
from anygate.stubs.providers.outcome import encode
from anygate.stubs.providers.rejection import Rejection

_STATUSES = {
    400: ("ValidationException", "The request is not valid."),
    401: ("UnrecognizedClientException", "The security token included in the request is invalid."),
    403: ("AccessDeniedException", "You don't have access to the model with the specified model ID."),
    404: ("ResourceNotFoundException", "Could not resolve the foundation model from the model identifier."),
    408: ("ModelTimeoutException", "Model has timed out in processing the request. Try your request again."),
    413: ("ValidationException", "Input is too long for requested model."),
    424: ("ModelErrorException", "The model returned an error."),
    429: ("ThrottlingException", "Too many requests, please wait before trying again."),
    500: ("InternalServerException", "The system encountered an unexpected error during processing. Try again."),
    503: ("ServiceUnavailableException", "Bedrock is unable to process your request."),
}
_ENUMS = {
    "role": "[user, assistant]",
    "format": "[png, jpeg, gif, webp]",
    "type": "[default]",
    "status": "[success, error]",
}
_UNKNOWN_OPERATION = "UnknownOperationException"


def reject(message: str) -> Rejection:
    """Return a ValidationException."""
    return Rejection(400, "ValidationException", message)


def reject_model_error(message: str) -> Rejection:
    """Return what the model itself refused."""
    return reject(f"The model returned the following errors: {message}")


def reject_status(status: int) -> Rejection:
    """Return the error that goes with `status`."""
    kind, message = _STATUSES.get(status, _STATUSES[500] if status >= 500 else _STATUSES[400])
    return Rejection(status, kind, message)


def reject_route() -> Rejection:
    """Return the error of an operation that does not exist."""
    return Rejection(404, _UNKNOWN_OPERATION, "")


def reject_field(fault: FieldFault, call: Call) -> Rejection:
    """Return the error of a field."""
    place = _write_path(fault)
    match fault.kind:
        case "malformed":
            return Rejection(400, "SerializationException", "Unexpected token in the request body")
        case "unknown":
            parent = "/".join(fault.steps[:-1])
            where = f"#/{parent}" if parent else "#"
            return reject(
                f"Malformed input request: {where}: extraneous key [{fault.field}] is not permitted, please reformat "
                "your input and try again."
            )
        case "missing":
            rule = f"Value null at '{place}' failed to satisfy constraint: Member must not be null"
        case "value":
            known = _ENUMS.get(fault.field, "")
            rule = (
                f"Value '{fault.got}' at '{place}' failed to satisfy constraint: Member must satisfy enum value set: "
                f"{known}"
            )
        case "low" | "high":
            side = "greater" if fault.kind == "low" else "less"
            rule = (
                f"Value '{fault.got}' at '{place}' failed to satisfy constraint: Member must have value {side} than or "
                f"equal to {fault.expected.removesuffix('.0')}"
            )
        case "short" | "long":
            side = "greater" if fault.kind == "short" else "less"
            rule = (
                f"Value '{fault.got}' at '{place}' failed to satisfy constraint: Member must have length {side} than "
                f"or equal to {fault.expected}"
            )
        case _ if fault.got:
            message = f"{fault.got.upper()}_VALUE cannot be converted to {fault.expected}"
            return Rejection(400, "SerializationException", message)
        case _:
            rule = f"Value at '{place}' failed to satisfy constraint: Member must satisfy regular expression pattern"
    return reject(f"1 validation error detected: {rule}")


def render_error(rejection: Rejection, call: Call | None) -> bytes:
    """Return the body of an error; its type is in a header."""
    if rejection.kind == _UNKNOWN_OPERATION:
        kind = f"com.amazon.coral.service#{_UNKNOWN_OPERATION}"
        return encode({"Output": {"__type": kind}, "Version": "1.0"})
    return encode({"message": rejection.message})


def _write_path(fault: FieldFault) -> str:
    # The service counts list members from one and calls each `member`.
    return ".".join(f"{int(step) + 1}.member" if step.isdecimal() else step for step in fault.steps)
