"""What Envoy tells the cache about each request: the rule that it is for, and how that rule keeps answers."""

import json

import msgspec

from anygate.model.cache import Cache
from anygate.model.origin import NOWHERE, Origin

ORDER_KEY = "x-anygate-cache"
"""The gRPC metadata in which an order stands, as JSON."""

DETAILS = "response.code_details"
"""The attribute by which an answer of a backend is told from one of Envoy's own."""

BACKEND = "via_upstream"
REQUEST_ATTRIBUTES = ("source.address", "destination.address", "request.protocol", "request.scheme")


class CacheOrder(msgspec.Struct, frozen=True):
    """The route that answers are kept for, so that no two routes share any, and how they are kept."""

    route: str
    cache: Cache


def write_order(route: Origin, cache: Cache) -> str:
    """Render an order in ASCII, as gRPC's metadata wants it; where the settings were written is left out."""
    unplaced = msgspec.structs.replace(cache, origin=NOWHERE)
    order = CacheOrder(f"{route.object}#{route.path}", unplaced)
    return json.dumps(msgspec.to_builtins(order), separators=(",", ":"))


def read_order(text: str) -> CacheOrder:
    """Read an order; raises msgspec.DecodeError."""
    return msgspec.json.decode(text, type=CacheOrder)
