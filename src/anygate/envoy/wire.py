"""Joining serialised messages without parsing them.

The protobuf encoding of a message is the concatenation of its fields, so a message may be made of parts that were
serialised, and checked, one by one: https://protobuf.dev/programming-guides/encoding/#last-one-wins
"""

from functools import cache


def varint(value: int) -> bytes:
    """Encode a length or a field tag."""
    if value < 0x80:
        return bytes((value,))
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


_TAGS = tuple(varint(number << 3 | 2) for number in range(64))
_SIZES = tuple(varint(size) for size in range(1024))


def part(number: int, content: bytes) -> bytes:
    """Encode one length-delimited field: a string, bytes or a sub-message. Field numbers below 64 only."""
    size = len(content)
    return _TAGS[number] + (_SIZES[size] if size < 1024 else varint(size)) + content


def text_entry(key: str, value: str) -> bytes:
    """Encode one entry of a google.protobuf.Struct: a key and a string, which is field 3 of a Value."""
    content = value.encode()
    head = _entry_head(key)
    size = len(content)
    whole = len(head) + size + 4
    if whole < 0x80:
        return b"\x0a%c%b\x12%c\x1a%c%b" % (whole, head, size + 2, size, content)
    return part(1, head + part(2, part(3, content)))


@cache
def _entry_head(key: str) -> bytes:
    return part(1, key.encode())
