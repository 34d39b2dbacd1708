"""Compressed responses, decoded incrementally: the work is linear in the bytes, whatever the chunks."""

import zlib

from anygate.providers.framing.fault import FramingFault

OUTPUT_LIMIT = 64 * 1024 * 1024
_WINDOW = {"gzip": 31, "x-gzip": 31, "deflate": 47}


class Decompressor:
    """`content-encoding` gzip and deflate; several gzip members in a row are one body (RFC 1952, 2.2)."""

    __slots__ = ("_engine", "_produced", "_window")

    def __init__(self, encoding: str) -> None:
        name = encoding.strip().lower()
        if name not in _WINDOW:
            raise FramingFault(f"the content-encoding {name[:40]!r} is not supported")
        self._window = _WINDOW[name]
        self._engine = zlib.decompressobj(self._window)
        self._produced = 0

    def feed(self, chunk: bytes) -> bytes:
        """The plain bytes that `chunk` completes."""
        out = []
        while chunk:
            if self._engine.eof:
                self._engine = zlib.decompressobj(self._window)
            try:
                plain = self._engine.decompress(chunk, OUTPUT_LIMIT + 1)
            except zlib.error as problem:
                raise FramingFault(f"the compressed answer is broken: {problem}") from None
            self._produced += len(plain)
            if self._produced > OUTPUT_LIMIT or self._engine.unconsumed_tail:
                raise FramingFault(f"the compressed answer is larger than {OUTPUT_LIMIT} bytes")
            out.append(plain)
            chunk = self._engine.unused_data
        return b"".join(out)
