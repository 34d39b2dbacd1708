"""Reads a JSON body against the fields that a vendor knows, and says which of them is at fault."""

import re
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import msgspec

Kind = Literal["malformed", "missing", "unknown", "type", "value", "low", "high", "short", "long"]
T = TypeVar("T")

_PLACE = re.compile(r" - at `\$\.?(.*)`$", re.DOTALL)
_NAMED = re.compile(r"Object (missing required|contains unknown) field `(.*)`$", re.DOTALL)
_BOUND = re.compile(r"Expected `(\w+)`(?: of length)? (>=|<=|>|<) (\S+)$")
_TYPES = re.compile(r"Expected `([^`]*)`(?:, got `(\w+)`)?")
_VALUE = re.compile(r"Invalid (?:enum )?value (.*)$", re.DOTALL)
_STEP = re.compile(r"\[(\d+)\]|([^.\[\]]+)")


class Fields(msgspec.Struct, forbid_unknown_fields=True):
    """An object in which a field that the API does not know is an error."""


@dataclass(eq=False)
class FieldFault(Exception):  # noqa: N818 - every vendor turns it into an error of its own
    """The first field of a body that is not as the vendor expects."""

    kind: Kind
    path: str  # dotted, with indexes in brackets: `messages[0].content`
    expected: str = ""
    got: str = ""

    @property
    def field(self) -> str:
        """The last name on the path."""
        return self.path.rpartition(".")[2]

    @property
    def parent(self) -> str:
        """The path without its last name."""
        return self.path.rpartition(".")[0]

    @property
    def steps(self) -> list[str]:
        """The path as names and bare indexes."""
        return [index or name for index, name in _STEP.findall(self.path)]


def read_fields(body: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """Decode `body`; a fault is raised as a `FieldFault`, whatever the bytes."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _read_fault(str(error), body) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FieldFault("malformed", "", got=str(error)) from None


def convert_fields(document: object, kind: type[T]) -> T:
    """Check a document that is already decoded."""
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        raise _read_fault(str(error), b"") from None
    except RecursionError as error:
        raise FieldFault("malformed", "", got=str(error)) from None


def _read_fault(message: str, body: bytes) -> FieldFault:
    found = _PLACE.search(message)
    place = found[1] if found else ""
    text = message[: found.start()] if found else message
    if named := _NAMED.match(text):
        path = f"{place}.{named[2]}" if place else named[2]
        return FieldFault("missing" if named[1].startswith("missing") else "unknown", path)
    if bound := _BOUND.match(text):
        is_size = bound[1] in ("str", "array", "object", "bytes")
        low: Kind = "short" if is_size else "low"
        high: Kind = "long" if is_size else "high"
        return FieldFault(high if "<" in bound[2] else low, place, bound[3], _find(body, place))
    if value := _VALUE.match(text):
        return FieldFault("value", place, got=value[1].strip("'"))
    types = _TYPES.match(text)
    expected, got = (types[1], types[2] or "") if types else (text, "")
    return FieldFault("type", place, expected, got)


def _find(body: bytes, path: str) -> str:
    """Return the value at `path` as JSON text, for messages that quote it."""
    try:
        value: Any = msgspec.json.decode(body)
        for index, name in _STEP.findall(path):
            value = value[int(index)] if index else value[name]
        return msgspec.json.encode(value).decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, LookupError, TypeError, ValueError):
        return ""
