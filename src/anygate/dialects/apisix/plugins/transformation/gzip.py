"""gzip: compressed answers. https://apisix.apache.org/docs/apisix/plugins/gzip/"""

from collections.abc import Sequence
from typing import Any

import msgspec
from pydantic import Field

from anygate.dialects.apisix.findings import NOT_HONOURED, PLUGIN_CONFIG
from anygate.dialects.apisix.plugins.config import Config
from anygate.dialects.apisix.plugins.plugin import Refusal, Surroundings
from anygate.model.compression import Compression
from anygate.model.route import HttpRule


class Buffers(Config):
    """Memory of nginx."""

    number: int = Field(default=32, ge=1)
    size: int = Field(default=4096, ge=1)


class GzipConfig(Config):
    """Which answers are compressed, and how much."""

    types: Any = ("text/html",)
    min_length: int = Field(default=20, ge=1)
    comp_level: int = Field(default=1, ge=1, le=9)
    http_version: Any = None
    buffers: Buffers | None = None
    vary: bool | None = None


class Gzip:
    """Envoy's compressor."""

    name = "gzip"
    config = GzipConfig
    is_guard = False

    def apply(self, config: GzipConfig, rule: HttpRule, surroundings: Surroundings) -> Sequence[HttpRule] | Refusal:
        """Compress the answers to the rule's requests."""
        types = () if config.types == "*" else config.types
        if not isinstance(types, list | tuple) or not all(isinstance(one, str) for one in types):
            return Refusal(PLUGIN_CONFIG, 'expected a list of content types or "*"', "", ("types",))
        if config.http_version not in (None, 1.1, "1.1"):
            surroundings.note(NOT_HONOURED, "answers are compressed for clients of every version", ("http_version",))
        if config.buffers is not None:
            surroundings.note(NOT_HONOURED, "Envoy takes the memory that it needs", ("buffers",))
        if config.vary is False:
            surroundings.note(NOT_HONOURED, "compressed answers always say vary: accept-encoding", ("vary",))
        wanted = Compression(
            origin=surroundings.origin, types=tuple(types), smallest=config.min_length, level=config.comp_level
        )
        return [msgspec.structs.replace(rule, compression=wanted)]
