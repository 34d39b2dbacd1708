"""Edits of a JSON body by dotted paths (spec 2.11); every value that no edit touches keeps its bytes."""

from collections.abc import Iterable

import msgspec

from anygate.providers.json_text import parse_request, render
from anygate.providers.refusal import Refused

PADDING_LIMIT = 1000
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])
_ANY = msgspec.json.Decoder()


class BodyEdits:
    """What a backend's requests carry besides, or lack: removals come first, then settings, in their order.

    Paths are those of sjson: dots separate names, a backslash makes the next character plain, a number counts in an
    array, `-1` is behind its end (or its last element, when removed), and a colon before a number makes it a name.
    """

    __slots__ = ("_remove", "_set")

    def __init__(self, set_: Iterable[tuple[str, str]] = (), remove: Iterable[str] = ()) -> None:
        self._remove = [parse_path(path) for path in remove if path]
        self._set = [(parse_path(path), read_value(value)) for path, value in set_ if path]

    def apply(self, body: bytes) -> bytes:
        """The edited body; raises Refused when it is not a JSON object."""
        try:
            _FIELDS.decode(body)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            parse_request(body)
            raise Refused(400, "malformed request: the body is not a JSON object") from None
        for path in self._remove:
            body = _edit(body, path, None)
        for path, value in self._set:
            body = _edit(body, path, value)
        return body


def parse_path(path: str) -> tuple[str, ...]:
    """The names on a path; one that a colon protects from being a number keeps the colon."""
    names, name, plain = [], "", False
    for character in path:
        if plain:
            name, plain = name + character, False
        elif character == "\\":
            plain = True
        elif character == ".":
            names.append(name)
            name = ""
        else:
            name += character
    return (*names, name)


def read_value(text: str) -> bytes:
    """JSON text stands for itself, anything else for a string of its characters."""
    try:
        _ANY.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return render(text)
    return text.strip().encode()


def _edit(value: bytes, path: tuple[str, ...], new: bytes | None) -> bytes:
    """The value with what stands at `path` replaced, or removed when `new` is None."""
    start = value.lstrip()[:1]
    if start == b"[" and (index := _index(path[0])) is not None:
        return _edit_array(value, index, path[1:], new)
    if start != b"{":  # a scalar in the way: setting replaces it, removing finds nothing
        return value if new is None else _build(path, new)
    fields = _FIELDS.decode(value)
    name, rest = _name(path[0]), path[1:]
    found = fields.get(name)
    if new is None:
        if found is None:
            return value
        if not rest:
            del fields[name]
        else:
            fields[name] = msgspec.Raw(_edit(bytes(found), rest, None))
    elif found is None or not rest:
        fields[name] = msgspec.Raw(_build(rest, new))
    else:
        fields[name] = msgspec.Raw(_edit(bytes(found), rest, new))
    return render(fields)


def _edit_array(value: bytes, index: int, rest: tuple[str, ...], new: bytes | None) -> bytes:
    items = _ITEMS.decode(value)
    if new is None:
        if not items or index >= len(items):
            return value
        if not rest:
            del items[index]
        else:
            items[index] = msgspec.Raw(_edit(bytes(items[index]), rest, None))
    elif 0 <= index < len(items):
        items[index] = msgspec.Raw(_edit(bytes(items[index]), rest, new) if rest else new)
    else:
        items.extend([msgspec.Raw(b"null")] * min(index - len(items), PADDING_LIMIT))
        items.append(msgspec.Raw(_build(rest, new)))
    return render(items)


def _build(path: tuple[str, ...], new: bytes) -> bytes:
    """The value with the objects and arrays around it that its path asks for."""
    for part in reversed(path):
        index = _index(part)
        if index is None:
            new = b"{%b:%b}" % (render(_name(part)), new)
        else:
            new = b"[%b%b]" % (b"null," * min(max(index, 0), PADDING_LIMIT), new)
    return new


def _index(part: str) -> int | None:
    if part == "-1":
        return -1
    return int(part) if part.isascii() and part.isdigit() and len(part) < 10 else None


def _name(part: str) -> str:
    return part[1:] if part.startswith(":") and _index(part[1:]) is not None else part
