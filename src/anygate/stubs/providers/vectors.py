"""Makes embedding vectors: the same for the same text, of length one."""

import hashlib
import math
import struct


def make_vector(text: str, dimensions: int) -> list[float]:
    """Return a unit vector for `text`."""
    drawn = hashlib.shake_128(text.encode("utf-8", "surrogatepass")).digest(2 * dimensions)
    raw = [value - 32_767.5 for value in struct.unpack(f"<{dimensions}H", drawn)]
    length = math.sqrt(sum(value * value for value in raw))
    return [round(value / length, 7) for value in raw]


def pack_vector(vector: list[float]) -> bytes:
    """Return `vector` as little-endian 32-bit floats."""
    return struct.pack(f"<{len(vector)}f", *vector)
