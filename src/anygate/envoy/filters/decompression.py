"""Compressed bodies of AI requests, which have to be read."""

from collections.abc import Sequence
from typing import Any

from google.protobuf.message import Message

from anygate.envoy.api import bool_value, build, typed
from anygate.envoy.filters.filter import NO_SCOPE, ChainEntry, Scope
from anygate.model.listener import Server
from anygate.model.route import HttpRule

_LIBRARIES = {
    "br": "brotli.decompressor.v3.Brotli",
    "gzip": "gzip.decompressor.v3.Gzip",
    "zstd": "zstd.decompressor.v3.Zstd",
}
NAMES = tuple(f"anygate/unpack/{coding}" for coding in _LIBRARIES)


class DecompressionFilter:
    """An entry for each coding that Envoy knows, turned on by the rows that AI requests meet first.

    The body goes on as it is unpacked, without `content-encoding`. `deflate` is not among them: Envoy has no library
    for it. Tried on Envoy 1.40: a body that unpacks to more than a hundred times its size is cut short, and so is one
    that is damaged; what is left is no JSON.
    https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/decompressor_filter
    """

    def chain(self, server: Server, rules: Sequence[HttpRule]) -> list[ChainEntry]:
        """Return the entries where a rule is one of AI requests."""
        del server
        if not any(rule.inference for rule in rules):
            return []
        return [ChainEntry(f"anygate/unpack/{coding}", _build(coding), True, True) for coding in sorted(_LIBRARIES)]

    def route(self, rule: HttpRule, scope: Scope = NO_SCOPE) -> dict[str, Message]:
        """Return nothing: only entrances turn it on."""
        del rule, scope
        return {}


def _build(coding: str) -> Any:
    library = typed(f"envoy.extensions.compression.{_LIBRARIES[coding]}")
    off = {"default_value": bool_value(False), "runtime_key": "anygate.unpack.answers"}
    return build(
        "envoy.extensions.filters.http.decompressor.v3.Decompressor",
        decompressor_library={"name": coding, "typed_config": library},
        request_direction_config={"advertise_accept_encoding": bool_value(False)},
        response_direction_config={"common_config": {"enabled": off}},
    )
