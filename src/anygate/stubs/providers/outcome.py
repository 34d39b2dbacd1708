"""What a vendor's endpoint answers, before it is cut into bytes on a connection."""

from dataclasses import dataclass, field
from typing import Any

import msgspec

Json = dict[str, Any]

encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Unary:
    """One body."""

    body: bytes
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Stream:
    """A body in parts, one for each event of the vendor's stream."""

    parts: tuple[bytes, ...]
    content_type: str
    failure: bytes = b""  # the event by which the vendor reports an error midway
    garbage: bytes = b""  # an event that no client can read
    headers: tuple[tuple[str, str], ...] = field(default=())


Outcome = Unary | Stream


def build_json(document: object) -> Unary:
    """Return `document` as a JSON body."""
    return Unary(encode(document))
