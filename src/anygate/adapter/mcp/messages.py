"""JSON-RPC messages as MCP uses them. What the gateway does not change is kept byte for byte (`msgspec.Raw`)."""

from typing import Any

import msgspec

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603

Fields = dict[str, msgspec.Raw]
"""A JSON object whose values have not been looked at."""


class MessageFault(Exception):  # noqa: N818 - the sender's mistake, answered with `code`
    """A body that is no message."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Message:
    """One message: a request has a method and an id, a notification only a method, an answer only an id."""

    __slots__ = ("fields", "id", "method")

    def __init__(self, fields: Fields) -> None:
        self.fields = fields
        method = fields.get("method")
        self.method: str = read(method, str, "the method") if method is not None else ""
        found = fields.get("id")
        self.id: str | int | float | None = None if found is None else read(found, str | int | float | None, "the id")

    @property
    def is_request(self) -> bool:
        """Whether an answer is expected."""
        return bool(self.method) and self.id is not None

    @property
    def is_answer(self) -> bool:
        """Whether it answers a request."""
        return not self.method

    def params(self) -> Fields:
        """The parameters, a copy."""
        found = self.fields.get("params")
        return {} if found is None else read(found, Fields, "the parameters")

    def with_fields(self, **changed: Any) -> bytes:
        """The message with some fields replaced."""
        return encode({**self.fields, **changed})

    def encoded(self) -> bytes:
        """The message as it is sent."""
        return encode(self.fields)


def read_message(body: bytes) -> Message:
    """Read a body; raises MessageFault. Of a key that stands twice the last one holds, here and at the server."""
    try:
        fields = msgspec.json.decode(body, type=Fields)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        code = INVALID_REQUEST if body.lstrip()[:1] == b"[" else PARSE_ERROR
        text = "batches are not supported" if code == INVALID_REQUEST else "the body is not a JSON object"
        raise MessageFault(code, text) from problem
    if read(fields.get("jsonrpc", msgspec.Raw(b"null")), Any, "jsonrpc") != "2.0":
        raise MessageFault(INVALID_REQUEST, "the body is not a JSON-RPC 2.0 message")
    message = Message(fields)
    if not message.method and not ("result" in fields or "error" in fields):
        raise MessageFault(INVALID_REQUEST, "the message has neither a method nor a result")
    return message


def read(raw: msgspec.Raw, kind: Any, what: str) -> Any:
    """The value in a piece of a message; raises MessageFault."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise MessageFault(INVALID_PARAMS, f"{what} cannot be read") from problem


def text_of(fields: Fields, name: str) -> str:
    """A text in the parameters; raises MessageFault."""
    found = fields.get(name)
    if found is None:
        raise MessageFault(INVALID_PARAMS, f'the parameter "{name}" is missing')
    return str(read(found, str, f'the parameter "{name}"'))


def raw(value: Any) -> msgspec.Raw:
    """A value as a piece of a message."""
    return msgspec.Raw(msgspec.json.encode(value))


def encode(value: Any) -> bytes:
    """A message as bytes."""
    return msgspec.json.encode(value)


def write_result(identity: Any, result: Any) -> bytes:
    """The answer to a request."""
    return encode({"jsonrpc": "2.0", "id": identity, "result": result})


def write_error(identity: Any, code: int, text: str) -> bytes:
    """The refusal of a request."""
    return encode({"jsonrpc": "2.0", "id": identity, "error": {"code": code, "message": text}})
