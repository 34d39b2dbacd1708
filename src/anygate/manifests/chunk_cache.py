"""What one parse leaves for the next, from the smallest part to the whole: chunks, identities, files."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from anygate.diagnostics import Diagnostic, ObjectRef, SourceFile
from anygate.manifests.compose import ChunkResult, compose_chunk
from anygate.manifests.object import Manifest
from anygate.manifests.scalars import Scalar


class Head(NamedTuple):
    """The identity of a sound object that is a document of its own."""

    value: dict[str, Any]
    api_version: str
    ref: ObjectRef


class ParsedFile(NamedTuple):
    """All that a file holds, with the results of its chunks."""

    source: SourceFile
    objects: tuple[Manifest, ...]
    lost: tuple[Manifest, ...]
    diagnostics: tuple[Diagnostic, ...]
    chunks: Mapping[str, ChunkResult]


class HeadCache:
    """The identities of objects by the identity of their values, which are parsed once and never changed.

    The value is kept beside what is known of it, so that its identity is not used again.
    """

    def __init__(self) -> None:
        self._kept: dict[int, Head] = {}
        self._used: dict[int, Head] = {}

    def get(self, value: object) -> Head | None:
        """The identity of an object that was sound the last time."""
        found = self._kept.get(id(value))
        if found is not None:
            self._used[id(value)] = found
        return found

    def keep(self, head: Head) -> None:
        """Remember an identity."""
        self._used[id(head.value)] = head

    def forget_unused(self) -> None:
        """Keep only what was asked for since the last call."""
        self._kept, self._used = self._used, {}


class FileResults:
    """What files held, by name and text: nothing else has a say in it."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], ParsedFile] = {}
        self._used: dict[tuple[str, str], ParsedFile] = {}

    def get(self, source: SourceFile) -> ParsedFile | None:
        """What a file holds that says what it said the last time."""
        key = source.name, source.text
        found = self._kept.get(key)
        if found is not None:
            self._used[key] = found
        return found

    def keep(self, parsed: ParsedFile) -> ParsedFile:
        """Remember what a file holds."""
        self._used[parsed.source.name, parsed.source.text] = parsed
        return parsed

    def forget_unused(self) -> None:
        """Keep only what was asked for since the last call."""
        self._kept, self._used = self._used, {}


class ChunkCache:
    """What chunks held the last time, by their text: an unchanged document is not parsed again.

    Positions in a result are relative to its chunk, so it fits wherever the same text stands. `forget_unused`
    drops what no file has asked for since the last call.
    """

    def __init__(self) -> None:
        self.heads = HeadCache()
        self.files = FileResults()
        self._kept: dict[str, ChunkResult] = {}
        self._used: dict[str, ChunkResult] = {}

    def compose(self, text: str, memory: dict[str, Scalar]) -> ChunkResult:
        """The result for a chunk, parsed only when its text is new."""
        result = self._used.get(text) or self._kept.get(text) or compose_chunk(text, memory)
        self._used[text] = result
        return result

    def use(self, chunks: Mapping[str, ChunkResult]) -> None:
        """Keep the results of a file that is not parsed again, for when it is."""
        self._used.update(chunks)

    def forget_unused(self) -> None:
        """Keep only what was asked for since the last call."""
        self._kept, self._used = self._used, {}
        self.heads.forget_unused()
        self.files.forget_unused()

    def __len__(self) -> int:
        return len(self._kept | self._used)
