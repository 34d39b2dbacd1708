"""Files, folders and standard input to text, and text to a set of objects."""

import os
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from anygate.diagnostics import Report, SourceFile
from anygate.errors import EnvironmentProblem, UsageError
from anygate.manifests.chunk_cache import ChunkCache, Head, ParsedFile
from anygate.manifests.compose import ChunkResult
from anygate.manifests.lost import Lost
from anygate.manifests.manifest_set import ManifestSet
from anygate.manifests.object import Manifest, read_objects
from anygate.manifests.syntax_rules import FILE_TOO_LARGE, NOT_TEXT, UNREADABLE_FILE
from anygate.manifests.yaml import SIZE_LIMIT, parse_documents

ENDINGS = (".yaml", ".yml", ".json")
"""The files of a folder that are read; a file named by itself may have any ending."""

_MARKS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)


_SETTLED_NS = 3_000_000_000
"""A file that was written longer ago than this can no longer be written within the same tick of a coarse clock."""


class _Read(NamedTuple):
    """A file as it was read: its stamp, whether a later write is sure to give another one, and its text."""

    stamp: tuple[int, ...]
    is_settled: bool
    source: SourceFile


class FileCache:
    """The regular files of the last loads by name: one whose stamp is as it was is not read again.

    A stamp holds device, inode, size and both times. One that was new when the file was read proves nothing, since a
    second write within the same tick leaves it as it is: such a file is read again.
    """

    def __init__(self) -> None:
        self._kept: dict[str, _Read] = {}
        self._used: dict[str, _Read] = {}

    def find(self, name: str) -> SourceFile | None:
        """The file as it was read the last time if it is sure to be the same now."""
        known = self._kept.get(name)
        if known is None or not known.is_settled or known.stamp != _stamp(os.stat(name)):  # noqa: PTH116 - 4x as fast
            return None
        self._used[name] = known
        return known.source

    def keep(self, source: SourceFile, stamp: os.stat_result) -> SourceFile:
        """Remember a file that was read after it had a stamp; gives the value of the last time if it is equal."""
        known = self._kept.get(source.name)
        if known is not None and known.source.text == source.text:
            source = known.source
        if stat.S_ISREG(stamp.st_mode):
            is_settled = max(stamp.st_mtime_ns, stamp.st_ctime_ns) < time.time_ns() - _SETTLED_NS
            self._used[source.name] = _Read(_stamp(stamp), is_settled, source)
        return source

    def forget_unused(self) -> None:
        """Keep only what was asked for since the last call."""
        self._kept, self._used = self._used, {}


def _stamp(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def load_sources(
    paths: Sequence[str], report: Report, *, stdin: BinaryIO | None = None, cache: FileCache | None = None
) -> tuple[SourceFile, ...]:
    """Read the files that `paths` name: files, folders (recursively, sorted) and `-` for standard input.

    A path that does not exist or cannot be opened raises EnvironmentProblem; a file whose content is not
    text, or a file inside a folder that cannot be opened, is reported and left out. A file is read once.
    With a cache, files that did not change since the last load are not opened.
    """
    cache = cache or FileCache()
    found: list[SourceFile] = []
    seen: set[str] = set()
    for path in paths:
        if path == "-":
            if stdin is None:
                raise UsageError("standard input is not available here")
            content = b"" if "-" in seen else stdin.read(SIZE_LIMIT + 1)
            seen.add("-")
            found.extend(decode_source("-", content, report))
            continue
        is_folder = _is_folder(path)
        for name, real in _list_folder(path) if is_folder else ((path, os.path.realpath(path)),):
            if real not in seen:
                seen.add(real)
                found.extend(_load_file(name, report, cache, listed=is_folder))
    cache.forget_unused()
    return tuple(found)


def parse_sources(sources: Iterable[SourceFile], report: Report, cache: ChunkCache | None = None) -> ManifestSet:
    """Parse every source; with a cache, only what changed since the last call is parsed again."""
    cache = cache if cache is not None else ChunkCache()
    parsed = [cache.files.get(source) or cache.files.keep(_parse_file(source, cache)) for source in sources]
    lost = Lost()
    for one in parsed:
        cache.use(one.chunks)
        lost.objects.extend(one.lost)
        report.extend(one.diagnostics)
    objects = (manifest for one in parsed for manifest in one.objects)
    found = ManifestSet.collect((one.source for one in parsed), objects, report, lost)
    cache.forget_unused()
    return found


def _parse_file(source: SourceFile, cache: ChunkCache) -> ParsedFile:
    """What a file holds; nothing outside of the file has a say in it."""
    report, lost = Report(), Lost()
    chunks: dict[str, ChunkResult] = {}
    objects: list[Manifest] = []
    for document in parse_documents(source, report, cache, lost, chunks):
        head = cache.heads.get(document.value)
        if head is not None:
            objects.append(Manifest(head.api_version, head.ref, head.value, document))
            continue
        found = list(read_objects(document, report, lost))
        if len(found) == 1 and found[0].tree is document:
            cache.heads.keep(Head(found[0].value, found[0].api_version, found[0].ref))
        objects += found
    return ParsedFile(source, tuple(objects), tuple(lost.objects), report.diagnostics, chunks)


def decode_source(name: str, content: bytes, report: Report) -> Iterator[SourceFile]:
    """Yield the source that `content` is; nothing, and a diagnostic, when it is too large or not text."""
    if len(content) > SIZE_LIMIT:
        nowhere = SourceFile(name, "").span(0, 0)
        report.add(FILE_TOO_LARGE, f"file is larger than {SIZE_LIMIT // 2**20} MB", nowhere)
        return
    mark, encoding = next((known for known in _MARKS if content.startswith(known[0])), (b"", "utf-8"))
    try:
        text = content[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        at = len(mark) + error.start
        message = f"not {encoding[:6].upper().rstrip('-')} text: byte 0x{content[at]:02x} at offset {at}"
        hint = "save the file as UTF-8" if b"\0" not in content[:1000] else "this looks like a binary file"
        report.add(NOT_TEXT, message, SourceFile(name, "").span(0, 0), hint=hint)
        return
    yield SourceFile(name, text)


def _is_folder(path: str) -> bool:
    if not path:
        raise UsageError("a path must not be empty")
    try:
        return stat.S_ISDIR(Path(path).stat().st_mode)
    except FileNotFoundError:
        raise EnvironmentProblem(f"{path}: no such file or folder") from None
    except (OSError, ValueError) as error:
        raise EnvironmentProblem(f"{path}: {_render_reason(error)}") from None


def _list_folder(folder: str) -> Iterator[tuple[str, str]]:
    """The manifests in a folder with their real paths, in the order of their paths; what is hidden is skipped."""
    visited: set[str] = set()
    found: list[tuple[str, str]] = []
    for root, folders, files in os.walk(folder, followlinks=True, onerror=_refuse_folder):
        real = os.path.realpath(root)
        # A link may lead back to a folder that contains it.
        folders[:] = [] if real in visited else sorted(name for name in folders if not name.startswith("."))
        if real not in visited:
            found.extend(
                _place(root, real, name) for name in files if name.endswith(ENDINGS) and not name.startswith(".")
            )
        visited.add(real)
    yield from sorted(found, key=lambda file: file[0].split("/"))


def _place(root: str, real: str, name: str) -> tuple[str, str]:
    """A file's path as the user wrote it and its real one, which takes a search only for links."""
    path = os.path.join(root, name)  # noqa: PTH118 - keeps the path as the user wrote it
    is_link = os.path.islink(path)  # noqa: PTH114 - ten thousand of them are asked every other second
    return path, os.path.realpath(path) if is_link else f"{real}{os.sep}{name}"


def _refuse_folder(error: OSError) -> None:
    raise EnvironmentProblem(f"{error.filename}: {_render_reason(error)}")


def _load_file(name: str, report: Report, cache: FileCache, *, listed: bool) -> Iterator[SourceFile]:
    try:
        known = cache.find(name)
        if known is not None:
            yield known
            return
        content, stamp = _read_limited(name, listed=listed)
    except OSError as error:
        if not listed:
            raise EnvironmentProblem(f"{name}: {_render_reason(error)}") from None
        message = f"cannot be read: {_render_reason(error)}"
        report.add(UNREADABLE_FILE, message, SourceFile(name, "").span(0, 0))
        return
    for source in decode_source(name, content, report):
        yield cache.keep(source, stamp)


def _read_limited(name: str, *, listed: bool) -> tuple[bytes, os.stat_result]:
    """A file's content, and what was known of it before it was read."""
    path = Path(name)
    # Opening a pipe that someone left in a folder would wait for ever.
    if listed and not path.is_file():
        path.stat()
        raise OSError(0, "not a regular file")
    with path.open("rb") as file:
        stamp = os.fstat(file.fileno())
        return file.read(SIZE_LIMIT + 1), stamp


def _render_reason(error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return reason[:1].lower() + reason[1:]
