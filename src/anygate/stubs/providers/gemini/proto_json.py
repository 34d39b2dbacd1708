"""Reads JSON as Google's services do: https://protobuf.dev/programming-guides/json allows both spellings of a name."""

from typing import Any, TypeVar

import msgspec

from anygate.stubs.providers.fields import FieldFault, convert_fields, read_fields

T = TypeVar("T")

_MOST_RENAMES = 2000


def read_message(body: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """Decode `body`; an unknown name in snake case stands for the one in camel case."""
    try:
        return read_fields(body, decoder)
    except FieldFault as fault:
        if not _is_snake(fault):
            raise
        first = fault
    try:
        document = msgspec.json.decode(body)
    except msgspec.DecodeError:  # broken behind the unknown name, which stays what is said
        raise first from None
    for _ in range(_MOST_RENAMES):
        _rename(document, first)
        try:
            return convert_fields(document, decoder.type)
        except FieldFault as fault:
            if not _is_snake(fault):
                raise
            first = fault
    raise first


def _is_snake(fault: FieldFault) -> bool:
    return fault.kind == "unknown" and "_" in fault.field.strip("_")


def _rename(document: Any, fault: FieldFault) -> None:
    *parents, name = fault.steps
    for step in parents:
        document = document[int(step)] if isinstance(document, list) else document[step]
    first, *rest = name.split("_")
    document[first + "".join(word.capitalize() for word in rest)] = document.pop(name)
