"""OpenAI's errors: https://platform.openai.com/docs/guides/error-codes."""

from anygate.stubs.providers.call import Call
from anygate.stubs.providers.fields import FieldFault
from anygate.stubs.providers.outcome import encode
from anygate.stubs.providers.rejection import Rejection

_NAMES = {
    "str": "a string",
    "int": "an integer",
    "float": "a decimal",
    "bool": "a boolean",
    "array": "an array",
    "object": "an object",
    "null": "null",
}
_ROLES = ("system", "assistant", "user", "function", "tool", "developer")
_PARSE = (
    "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP "
    "library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON. If you have "
    "trouble figuring out how to fix this, please contact us through our help center at help.openai.com.)"
)
_STATUSES = {
    400: ("invalid_request_error", None, "The request was invalid."),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    403: ("invalid_request_error", "permission_denied", "You are not allowed to use this resource."),
    404: ("invalid_request_error", "model_not_found", "The model does not exist or you do not have access to it."),
    413: ("invalid_request_error", None, "Request body is too large."),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached for requests. Please try again in 1s."),
    500: ("server_error", None, "The server had an error while processing your request. Sorry about that!"),
    503: ("server_error", "server_overloaded", "The engine is currently overloaded, please try again later."),
}


def reject(message: str, param: str | None = None, code: str | None = None, status: int = 400) -> Rejection:
    """Return an `invalid_request_error`."""
    return Rejection(status, "invalid_request_error", message, param, code)


def reject_missing(path: str) -> Rejection:
    """Return the error of a field that is missing."""
    return reject(f"Missing required parameter: '{path}'.", path, "missing_required_parameter")


def reject_empty(path: str, least: str = "1") -> Rejection:
    """Return the error of a list without members."""
    message = (
        f"Invalid '{path}': empty array. Expected an array with minimum length {least}, but got an empty array instead."
    )
    return reject(message, path, "empty_array")


def reject_status(status: int) -> Rejection:
    """Return the error that goes with `status`."""
    fallback = _STATUSES[500] if status >= 500 else _STATUSES[400]
    kind, code, message = _STATUSES.get(status, fallback)
    return Rejection(status, kind, message, None, code)


def reject_model(model: str) -> Rejection:
    """Return the error of a model that does not exist."""
    message = f"The model `{model}` does not exist or you do not have access to it."
    return reject(message, None, "model_not_found", 404)


def reject_field(fault: FieldFault, call: Call) -> Rejection:
    """Return the error of a field in OpenAI's words."""
    path = fault.path
    match fault.kind:
        case "malformed":
            return reject(_PARSE)
        case "missing" if path == "model":
            return reject("you must provide a model parameter")
        case "missing":
            return reject_missing(path)
        case "unknown" if "." not in path and call.path.endswith("completions"):
            return reject(f"Unrecognized request argument supplied: {path}")
        case "unknown":
            return reject(f"Unknown parameter: '{path}'.", path, "unknown_parameter")
        case "value":
            listed = _ROLES if fault.field == "role" else ()
            known = ", ".join(f"'{role}'" for role in listed[:-1])
            hint = f" Supported values are: {known}, and '{listed[-1]}'." if listed else ""
            return reject(f"Invalid value: '{fault.got}'.{hint}", path, "invalid_value")
        case "low" | "high":
            return _reject_bound(fault)
        case "short" | "long":
            return _reject_length(fault)
        case _:
            return _reject_type(fault)


def render_error(rejection: Rejection, call: Call | None) -> bytes:
    """Return the body of an error."""
    error = {
        "message": rejection.message,
        "type": rejection.kind,
        "param": rejection.param,
        "code": rejection.code,
    }
    return encode({"error": error})


def _reject_bound(fault: FieldFault) -> Rejection:
    number = "decimal" if "." in fault.expected or "." in fault.got else "integer"
    limit = fault.expected.removesuffix(".0")
    side, sign = ("below_min", ">=") if fault.kind == "low" else ("above_max", "<=")
    side_words = "below minimum" if fault.kind == "low" else "above maximum"
    return reject(
        f"Invalid '{fault.path}': {number} {side_words} value. Expected a value {sign} {limit}, "
        f"but got {fault.got or 'another'} instead.",
        fault.path,
        f"{number}_{side}_value",
    )


def _reject_length(fault: FieldFault) -> Rejection:
    thing = "array" if fault.got.startswith("[") else "string"
    size, side, least = ("short", "below_min", "minimum") if fault.kind == "short" else ("long", "above_max", "maximum")
    if fault.got == "[]":
        return reject_empty(fault.path, fault.expected)
    return reject(
        f"Invalid '{fault.path}': {thing} too {size}. Expected an {thing} with {least} length {fault.expected}.",
        fault.path,
        f"{thing}_{side}_length",
    )


def _reject_type(fault: FieldFault) -> Rejection:
    if not fault.got:
        message = f"Invalid '{fault.path}': value does not match the expected pattern."
        return reject(message, fault.path, "invalid_value")
    kinds = [kind for kind in fault.expected.split(" | ") if kind != "null"]
    expected = _NAMES.get(kinds[0], kinds[0])
    if len(kinds) > 1:
        expected = "one of " + " or ".join(_NAMES.get(kind, kind).removeprefix("an ") for kind in kinds)
    got = _NAMES.get(fault.got, fault.got)
    place = f"'{fault.path}'" if fault.path else "request body"
    message = f"Invalid type for {place}: expected {expected}, but got {got} instead."
    return reject(message, fault.path or None, "invalid_type")
