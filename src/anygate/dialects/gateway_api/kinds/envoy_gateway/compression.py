"""Compression of responses."""

from typing import Literal, Self

from pydantic import Field, model_validator

from anygate.dialects.gateway_api.kinds.violations import Violations
from anygate.manifests.fields import Quantity
from anygate.manifests.kind import Node


class GzipCompressor(Node):
    """zlib parameters; absent ones are Envoy's."""

    compression_level: int | None = Field(default=None, ge=1, le=9)
    compression_strategy: Literal["Default", "Filtered", "HuffmanOnly", "RLE", "Fixed"] | None = None
    memory_level: int | None = Field(default=None, ge=1, le=9)
    window_bits: int | None = Field(default=None, ge=9, le=15)
    chunk_size: int | None = Field(default=None, ge=4096, le=65536)


class BrotliCompressor(Node):
    """Brotli parameters; absent ones are Envoy's."""

    quality: int | None = Field(default=None, ge=0, le=11)
    encoder_mode: Literal["Default", "Generic", "Text", "Font"] | None = None
    window_bits: int | None = Field(default=None, ge=10, le=24)
    input_block_bits: int | None = Field(default=None, ge=16, le=24)
    chunk_size: int | None = Field(default=None, ge=4096, le=65536)
    disable_literal_context_modeling: bool | None = None


ZstdStrategy = Literal["Default", "Fast", "DFast", "Greedy", "Lazy", "Lazy2", "BTLazy2", "BTOpt", "BTUltra", "BTUltra2"]


class ZstdCompressor(Node):
    """Zstandard parameters; absent ones are Envoy's."""

    compression_level: int | None = Field(default=None, ge=1, le=22)
    enable_checksum: bool | None = None
    strategy: ZstdStrategy | None = None
    chunk_size: int | None = Field(default=None, ge=4096, le=65536)


class Compression(Node):
    """One algorithm."""

    type: Literal["Gzip", "Brotli", "Zstd"]
    gzip: GzipCompressor | None = None
    brotli: BrotliCompressor | None = None
    zstd: ZstdCompressor | None = None
    # Bytes; default 30, which is also Envoy's least.
    min_content_length: Quantity | None = None

    @model_validator(mode="after")
    def _check_type(self) -> Self:
        found = Violations()
        for name, content in (("gzip", self.gzip), ("brotli", self.brotli), ("zstd", self.zstd)):
            if content is not None and name != self.type.lower():
                text = f"{name} is only allowed when type is {name.capitalize()}"
                found.add(text, name, code="forbidden")
        found.refuse()
        return self
