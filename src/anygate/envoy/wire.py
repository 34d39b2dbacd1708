"""Joining serialised messages without parsing them.

The protobuf encoding of a message is the concatenation of its fields, so a message may be made of parts that were
serialised, and checked, one by one: https://protobuf.dev/programming-guides/encoding/#last-one-wins
"""


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


def part(number: int, content: bytes) -> bytes:
    """Encode one length-delimited field: a string, bytes or a sub-message. Field numbers below 64 only."""
    size = len(content)
    if size < 0x80:
        return _TAGS[number] + bytes((size,)) + content
    return _TAGS[number] + varint(size) + content


def text_struct(values: dict[str, str]) -> bytes:
    """Encode a google.protobuf.Struct of strings: its entries are field 1, a value's string is field 3."""
    return b"".join(
        part(1, part(1, key.encode()) + part(2, part(3, value.encode()))) for key, value in sorted(values.items())
    )
