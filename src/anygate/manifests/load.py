"""Files, folders and standard input to text, and text to a set of objects."""

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from anygate.diagnostics import Report, SourceFile
from anygate.errors import EnvironmentProblem, UsageError
from anygate.manifests.lost import Lost
from anygate.manifests.manifest_set import ManifestSet
from anygate.manifests.object import read_objects
from anygate.manifests.syntax_rules import FILE_TOO_LARGE, NOT_TEXT, UNREADABLE_FILE
from anygate.manifests.yaml import SIZE_LIMIT, ChunkCache, parse_documents

ENDINGS = (".yaml", ".yml", ".json")
"""The files of a folder that are read; a file named by itself may have any ending."""

_MARKS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)


def load_sources(paths: Sequence[str], report: Report, *, stdin: BinaryIO | None = None) -> tuple[SourceFile, ...]:
    """Read the files that `paths` name: files, folders (recursively, sorted) and `-` for standard input.

    A path that does not exist or cannot be opened raises EnvironmentProblem; a file whose content is not
    text, or a file inside a folder that cannot be opened, is reported and left out. A file is read once.
    """
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
        for name in _list_folder(path) if is_folder else (path,):
            real = os.path.realpath(name)
            if real not in seen:
                seen.add(real)
                found.extend(_load_file(name, report, listed=is_folder))
    return tuple(found)


def parse_sources(sources: Iterable[SourceFile], report: Report, cache: ChunkCache | None = None) -> ManifestSet:
    """Parse every source; with a cache, only what changed since the last call is parsed again."""
    sources = tuple(sources)
    lost = Lost()
    objects = (
        manifest
        for source in sources
        for document in parse_documents(source, report, cache, lost)
        for manifest in read_objects(document, report, lost)
    )
    found = ManifestSet.collect(sources, objects, report, lost)
    if cache is not None:
        cache.forget_unused()
    return found


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


def _list_folder(folder: str) -> Iterator[str]:
    """The manifests in a folder, in the order of their paths; hidden files and folders are skipped."""
    visited: set[str] = set()
    found: list[str] = []
    for root, folders, files in os.walk(folder, followlinks=True, onerror=_refuse_folder):
        real = os.path.realpath(root)
        # A link may lead back to a folder that contains it.
        folders[:] = [] if real in visited else sorted(name for name in folders if not name.startswith("."))
        if real not in visited:
            found.extend(
                os.path.join(root, name)  # noqa: PTH118 - keeps the path as the user wrote it
                for name in files
                if name.endswith(ENDINGS) and not name.startswith(".")
            )
        visited.add(real)
    yield from sorted(found, key=lambda name: Path(name).parts)


def _refuse_folder(error: OSError) -> None:
    raise EnvironmentProblem(f"{error.filename}: {_render_reason(error)}")


def _load_file(name: str, report: Report, *, listed: bool) -> Iterator[SourceFile]:
    try:
        content = _read_limited(name, listed=listed)
    except OSError as error:
        if not listed:
            raise EnvironmentProblem(f"{name}: {_render_reason(error)}") from None
        message = f"cannot be read: {_render_reason(error)}"
        report.add(UNREADABLE_FILE, message, SourceFile(name, "").span(0, 0))
        return
    yield from decode_source(name, content, report)


def _read_limited(name: str, *, listed: bool) -> bytes:
    path = Path(name)
    # Opening a pipe that someone left in a folder would wait for ever.
    if listed and not path.is_file():
        path.stat()
        raise OSError(0, "not a regular file")
    with path.open("rb") as file:
        return file.read(SIZE_LIMIT + 1)


def _render_reason(error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return reason[:1].lower() + reason[1:]
