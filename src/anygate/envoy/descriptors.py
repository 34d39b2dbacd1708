"""Envoy's API as its executable carries it: the protobuf descriptors, found by a scan and loaded into a
pool.

The executable holds one serialised FileDescriptorProto per API file. Reading them there gives the whole
API (alpha extensions and validation rules included) in the version that we run. The pool is private, so
nothing that another package registers in the default pool can clash with it.

A scan takes about 0.1 s. Its result is kept in `$XDG_CACHE_HOME/anygate/`; a load from there takes about
10 ms.
"""

import mmap
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from google.protobuf.descriptor_pool import DescriptorPool

from anygate.envoy.binary import executable
from anygate.errors import EnvironmentProblem

_FORMAT = b"anygate descriptors 1\n"
_DIGEST = 16
_NEEDED = "envoy/config/listener/v3/listener.proto"

# A FileDescriptorProto begins with its name (field 1), then a package (2), a dependency (3) or a message (4).
_START = re.compile(rb"\n([\x08-\x7f])([a-z][a-zA-Z0-9_/.-]+\.proto)(?=[\x12\x1a\x22])")
_LENGTH_DELIMITED, _VARINT = 2, 0
_DEPENDENCY, _SYNTAX = 3, 12
_WIRE_TYPES = {1: 2, 2: 2, 3: 2, 4: 2, 5: 2, 6: 2, 7: 2, 8: 2, 9: 2, 10: 0, 11: 0, 12: 2}
_ONCE = {1, 2, 8, 9}


class _File(NamedTuple):
    body: bytes
    imports: tuple[str, ...]


@cache
def pool() -> DescriptorPool:
    """Return the pool with the API of the Envoy in use. It is made on the first call."""
    envoy = executable()
    made = DescriptorPool()
    for body in load_files(envoy):
        try:
            made.AddSerializedFile(body)
        except TypeError as problem:
            raise EnvironmentProblem(f"the API inside {envoy} cannot be loaded: {problem}") from problem
    return made


def load_files(envoy: Path) -> list[bytes]:
    """Return the serialised API files of an executable, imported ones first, from the cache if it can."""
    cached = _cache_path(envoy)
    files = _read_cache(cached) if cached else None
    if files is None:
        files = scan(envoy)
        if cached:
            _write_cache(cached, files)
    return files


def scan(envoy: Path) -> list[bytes]:
    """Search an executable for its API files and return them serialised, imported ones first."""
    try:
        with envoy.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            found = _find(content)
    except (OSError, ValueError) as problem:
        raise EnvironmentProblem(f"{envoy} cannot be read: {problem}") from problem
    if _NEEDED not in found:
        raise EnvironmentProblem(f"{envoy} carries no Envoy API: is it really an Envoy executable?")
    return list(_in_order(found))


def _find(content: mmap.mmap) -> dict[str, _File]:
    found: dict[str, _File] = {}
    for match in _START.finditer(content):
        if match[1][0] != len(match[2]):
            continue
        file = _walk(content, match.start())
        name = match[2].decode()
        # Most files are there twice, once without the JSON names: the longer one has them.
        if name not in found or len(file.body) > len(found[name].body):
            found[name] = file
    return found


def _walk(content: mmap.mmap, start: int) -> _File:
    """Read fields from `start` on for as long as they can belong to one FileDescriptorProto."""
    imports = []
    position, last = start, 0
    with suppress(IndexError):
        while True:
            number, wire_type = content[position] >> 3, content[position] & 7
            repeated = number == last and number in _ONCE
            if _WIRE_TYPES.get(number) != wire_type or number < last or repeated:
                break
            value, after = _varint(content, position + 1)
            end = after + value if wire_type == _LENGTH_DELIMITED else after
            if end > len(content):
                break
            if number == _DEPENDENCY:
                imports.append(content[after:end].decode("ascii", "replace"))
            position, last = end, number
            if number == _SYNTAX:
                break
    return _File(content[start:position], tuple(imports))


def _varint(content: mmap.mmap, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80 or shift > 63:
            return value, position
        shift += 7


def _in_order(files: Mapping[str, _File]) -> Iterator[bytes]:
    """Yield each file after what it imports; leave out a file that imports something absent."""
    done: dict[str, bool] = {}

    def visit(name: str) -> Iterator[bytes]:
        if name in done or name not in files:
            return
        done[name] = False
        for imported in files[name].imports:
            yield from visit(imported)
        if all(done.get(imported) for imported in files[name].imports):
            done[name] = True
            yield files[name].body

    for name in sorted(files):
        yield from visit(name)


def _cache_path(envoy: Path) -> Path | None:
    try:
        root = os.environ.get("XDG_CACHE_HOME")
        folder = Path(root) if root and Path(root).is_absolute() else Path.home() / ".cache"
        found = envoy.resolve().stat()
    except (OSError, RuntimeError):  # no home directory, or no such executable: the scan will say so
        return None
    key = f"{envoy.resolve()}\0{found.st_size}\0{found.st_mtime_ns}".encode()
    return folder / "anygate" / f"descriptors-{blake2b(key, digest_size=10).hexdigest()}"


def _read_cache(path: Path) -> list[bytes] | None:
    """Return the cached files, or None where the cache is absent or not exactly as it was written."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    head = len(_FORMAT) + _DIGEST
    packed = content[head:]
    if content[:head] != _FORMAT + blake2b(packed, digest_size=_DIGEST).digest():
        return None
    files, position = [], 0
    while position < len(packed):
        length = int.from_bytes(packed[position : position + 4], "big")
        position += 4 + length
        files.append(packed[position - length : position])
    return files


def _write_cache(path: Path, files: list[bytes]) -> None:
    """Write the cache in one step; a folder that cannot be written only costs the next start a scan."""
    packed = b"".join(len(body).to_bytes(4, "big") + body for body in files)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_FORMAT + blake2b(packed, digest_size=_DIGEST).digest() + packed)
            Path(name).replace(path)
        except OSError:
            Path(name).unlink(missing_ok=True)
