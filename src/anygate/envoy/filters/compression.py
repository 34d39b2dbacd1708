"""Compressed answers."""

from collections.abc import Sequence
from typing import Any

from google.protobuf.message import Message

from anygate.envoy.api import build, typed, uint32
from anygate.envoy.filters.filter import NO_SCOPE, ChainEntry, Scope, enable, only
from anygate.model.compression import Compression
from anygate.model.listener import Server
from anygate.model.route import HttpRule

_COMPRESSOR = "envoy.extensions.filters.http.compressor.v3.Compressor"
_GZIP = "envoy.extensions.compression.gzip.compressor.v3.Gzip"


class CompressionFilter:
    """One entry for each way to compress, which routes turn on: nearly nothing of it can be said by a route.

    Envoy 1.40 adds `vary: accept-encoding` in any case, as caches need it.
    https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/compressor_filter
    """

    def chain(self, server: Server, rules: Sequence[HttpRule]) -> list[ChainEntry]:
        """Return the entries that rules ask for."""
        del server
        wanted = [rule.compression for rule in rules if rule.compression]
        return only([(one.origin, ChainEntry(_name(one), _build(one), disabled=True)) for one in wanted])

    def route(self, rule: HttpRule, scope: Scope = NO_SCOPE) -> dict[str, Message]:
        """Turn on the entry of the route's way to compress."""
        del scope
        return {_name(rule.compression): enable()} if rule.compression else {}


def _name(wanted: Compression) -> str:
    return f"anygate/gzip/{wanted.level}/{wanted.smallest}/{','.join(wanted.types) or '*'}"


def _build(wanted: Compression) -> Any:
    types = {"content_type": wanted.types} if wanted.types else {"content_type_matcher": _ANY_TYPE}
    library = typed(_GZIP, compression_level=f"COMPRESSION_LEVEL_{wanted.level}")
    return build(
        _COMPRESSOR,
        compressor_library={"name": "envoy.compression.gzip.compressor", "typed_config": library},
        response_direction_config={"common_config": {"min_content_length": uint32(wanted.smallest), **types}},
    )


_ANY_TYPE = [{"safe_regex": {"regex": ".*"}}]
