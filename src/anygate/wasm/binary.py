"""The binary format of WebAssembly, as far as it says what a module needs and offers.

Code is not looked at: whether it is valid is for an engine to say.
https://webassembly.github.io/spec/core/binary/modules.html
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

MAGIC = b"\x00asm\x01\x00\x00\x00"
PAGE = 65_536
"""Bytes of a page of memory."""

_TYPES, _IMPORTS, _FUNCTIONS, _MEMORIES, _EXPORTS = 1, 2, 3, 5, 7
_FUNCTION, _TABLE, _MEMORY, _GLOBAL, _TAG = range(5)
_HAS_MAXIMUM, _IS_WIDE = 1, 4


class ModuleError(ValueError):
    """Bytes that are not a module of WebAssembly."""


@dataclass(frozen=True, slots=True)
class Signature:
    """How many values a function takes and gives."""

    parameters: int
    results: int


@dataclass(frozen=True, slots=True)
class Outline:
    """What a module imports, by module and name, and what functions and memories it exports.

    `pages` is the least memory that it can do with.
    """

    imports: frozenset[tuple[str, str]] = frozenset()
    functions: Mapping[str, Signature] = field(default_factory=dict)
    memories: frozenset[str] = frozenset()
    pages: int = 0


class _Reader:
    def __init__(self, content: bytes, at: int = 0, end: int | None = None) -> None:
        self.content = content
        self.at = at
        self.end = len(content) if end is None else end

    def byte(self) -> int:
        if self.at >= self.end:
            raise ModuleError("it ends too early")
        self.at += 1
        return self.content[self.at - 1]

    def number(self) -> int:
        """A whole number in LEB128."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 63:
                raise ModuleError("a number is too long")

    def bytes(self, length: int) -> bytes:
        if length > self.end - self.at:
            raise ModuleError("it ends too early")
        self.at += length
        return self.content[self.at - length : self.at]

    def name(self) -> str:
        try:
            return self.bytes(self.number()).decode()
        except UnicodeDecodeError:
            raise ModuleError("a name is not UTF-8") from None

    def limits(self) -> tuple[int, int | None, int]:
        """The least, the most and the flags of a memory or a table."""
        flags = self.number()
        least = self.number()
        most = self.number() if flags & _HAS_MAXIMUM else None
        return least, most, flags


def _sections(content: bytes) -> Iterator[tuple[int, int, _Reader]]:
    """Each section: its number, where it begins, and its content."""
    if not content.startswith(MAGIC):
        raise ModuleError("it is not a module of WebAssembly")
    reader = _Reader(content, len(MAGIC))
    while reader.at < reader.end:
        start = reader.at
        kind, length = reader.byte(), reader.number()
        begin = reader.at
        reader.bytes(length)
        yield kind, start, _Reader(content, begin, reader.at)


def read_outline(content: bytes) -> Outline:
    """Read what a module needs and offers; raises ModuleError."""
    signatures: list[Signature] = []
    functions: list[int] = []
    imports: set[tuple[str, str]] = set()
    exported: dict[str, int] = {}
    memories: set[str] = set()
    pages = 0
    for kind, _, reader in _sections(content):
        if kind == _TYPES:
            signatures = [_read_signature(reader) for _ in range(reader.number())]
        elif kind == _IMPORTS:
            for _ in range(reader.number()):
                imports.add((reader.name(), reader.name()))
                pages = max(pages, _skip_import(reader, functions))
        elif kind == _FUNCTIONS:
            functions += [reader.number() for _ in range(reader.number())]
        elif kind == _MEMORIES:
            pages = max([pages, *(reader.limits()[0] for _ in range(reader.number()))])
        elif kind == _EXPORTS:
            for _ in range(reader.number()):
                name, what, index = reader.name(), reader.byte(), reader.number()
                if what == _FUNCTION:
                    exported[name] = index
                elif what == _MEMORY:
                    memories.add(name)
    try:
        found = {name: signatures[functions[index]] for name, index in exported.items()}
    except IndexError:
        raise ModuleError("an export is not there") from None
    return Outline(frozenset(imports), found, frozenset(memories), pages)


def _read_signature(reader: _Reader) -> Signature:
    form = reader.byte()
    if form != 0x60:
        raise ModuleError("a type is not one of a function")
    counts = []
    for _ in range(2):
        count = reader.number()
        reader.bytes(count)
        counts.append(count)
    return Signature(*counts)


def _skip_import(reader: _Reader, functions: list[int]) -> int:
    """Pass what kind of thing an import is; tells the pages of a memory."""
    kind = reader.byte()
    if kind == _FUNCTION:
        functions.append(reader.number())
    elif kind == _TABLE:
        reader.byte()
        reader.limits()
    elif kind == _MEMORY:
        return reader.limits()[0]
    elif kind == _GLOBAL:
        reader.bytes(2)
    elif kind == _TAG:
        reader.byte()
        reader.number()
    else:
        raise ModuleError("an import is of no known kind")
    return 0


def limit_memory(content: bytes, size: int) -> bytes:
    """The same module whose memories never grow beyond `size` bytes; raises ModuleError if it needs more at once."""
    most = size // PAGE
    for kind, start, reader in _sections(content):
        if kind != _MEMORIES:
            continue
        count = reader.number()
        body = _render_number(count)
        for _ in range(count):
            least, own, flags = reader.limits()
            if least > most:
                raise ModuleError(f"it needs {least * PAGE} bytes of memory, and may have {size}")
            bound = most if own is None else min(own, most)
            body += _render_number(flags | _HAS_MAXIMUM) + _render_number(least) + _render_number(bound)
        section = bytes((_MEMORIES,)) + _render_number(len(body)) + body
        return content[:start] + section + content[reader.end :]
    return content


def _render_number(value: int) -> bytes:
    found = bytearray()
    while True:
        value, byte = value >> 7, value & 0x7F
        found.append(byte | 0x80 if value else byte)
        if not value:
            return bytes(found)
