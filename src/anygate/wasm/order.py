"""What Envoy tells the sandbox about each request: which plugins to call, in order.

Code and settings are not in it but in a folder, under the names of what is in them, for they may be large.
"""

import json
from hashlib import sha256
from typing import NamedTuple

import msgspec

ORDER_KEY = "x-anygate-plugins"
"""The gRPC metadata in which an order stands, as JSON."""


class PluginCall(msgspec.Struct, frozen=True, array_like=True):
    """One plugin: the names of its code and settings, the names of functions by which it is called, and its bounds."""

    name: str
    module: str
    config: str
    functions: tuple[str, ...]
    memory: int
    milliseconds: int
    fail_open: bool = False


class Order(msgspec.Struct, frozen=True):
    """The plugins of a rule, and what the rule is called. `bodies` are the functions that get a body."""

    route: str
    calls: tuple[PluginCall, ...]
    bodies: tuple[str, ...] = ()


class StoredFile(NamedTuple):
    """A file of the folder."""

    name: str
    content: bytes


def store(content: bytes) -> StoredFile:
    """Content under its own name: the SHA-256 of it."""
    return StoredFile(sha256(content).hexdigest(), content)


def write_order(order: Order) -> str:
    """Render an order in ASCII, as gRPC's metadata wants it."""
    return json.dumps(msgspec.to_builtins(order), separators=(",", ":"))


def read_order(text: str) -> Order:
    """Read an order; raises msgspec.DecodeError."""
    return msgspec.json.decode(text, type=Order)
