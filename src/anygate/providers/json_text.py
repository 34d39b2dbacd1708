"""JSON in and out: every decode of foreign bytes goes through here, so that nothing but Refused can come out."""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from anygate.providers.refusal import Refused, bad_answer

DEPTH_LIMIT = 200
T = TypeVar("T")

_decode = msgspec.json.Decoder().decode
_encoder = msgspec.json.Encoder()


def parse_request(body: bytes) -> dict[str, Any]:
    """The client's body as an object, or a 400 that says what is wrong with it."""
    if not body.strip():
        raise Refused(400, "malformed request: the body is empty")
    try:
        value = _decode(body)
    except RecursionError:
        raise _too_deep() from None
    except (msgspec.DecodeError, UnicodeError) as problem:
        raise Refused(400, f"malformed request: failed to parse JSON: {problem}") from None
    if type(value) is not dict:
        raise Refused(400, "malformed request: the body is not a JSON object")
    if body.count(b"{") + body.count(b"[") > DEPTH_LIMIT and is_deeper(value, DEPTH_LIMIT):
        raise _too_deep()
    return value


def parse_value(text: str | bytes) -> Any:
    """JSON text inside a request or an answer (tool arguments); raises ValueError on anything else."""
    try:
        value = _decode(text)
    except (RecursionError, msgspec.MsgspecError, UnicodeError) as problem:
        raise ValueError(str(problem)) from None
    if is_deeper(value, DEPTH_LIMIT):
        raise ValueError(f"nested deeper than {DEPTH_LIMIT} levels")
    return value


def parse_answer(decoder: "msgspec.json.Decoder[T]", body: bytes) -> T:
    """An upstream body or stream event by its shape, or a 502."""
    try:
        return decoder.decode(body)
    except RecursionError:
        raise bad_answer("it is nested too deep") from None
    except (msgspec.MsgspecError, UnicodeError) as problem:
        raise bad_answer(str(problem)) from None


render: Callable[[object], bytes] = _encoder.encode
"""JSON bytes of plain values; the encoder itself, because a stream's every chunk passes here."""


def render_text(value: object) -> str:
    """JSON text of plain values, for a field that holds JSON in a string."""
    return _encoder.encode(value).decode()


def is_deeper(value: object, limit: int) -> bool:
    """Whether objects and lists nest more than `limit` levels; walks level by level, so it cannot recurse itself."""
    level: list[Any] = [value] if isinstance(value, dict | list) else []
    depth = 0
    while level:
        depth += 1
        if depth > limit:
            return True
        level = [
            child
            for node in level
            for child in (node.values() if type(node) is dict else node)
            if type(child) is dict or type(child) is list
        ]
    return False


def _too_deep() -> Refused:
    return Refused(400, f"malformed request: the body is nested deeper than {DEPTH_LIMIT} levels")
