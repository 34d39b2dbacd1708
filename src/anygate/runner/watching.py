"""Tells when manifests changed on disk."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from watchfiles import Change, awatch

from anygate.manifests.load import ENDINGS

_QUIET_MS = 50
"""A save is often several writes; a change is told once the files have been quiet for this long."""


async def watch_paths(paths: Sequence[str]) -> AsyncIterator[None]:
    """Yield after each change to the files and folders in `paths`; standard input never changes."""
    real = [Path(path) for path in paths if path != "-"]
    if not real:
        return
    files = {path.resolve() for path in real if not path.is_dir()}
    folders = [path.resolve() for path in real if path.is_dir()]
    # Editors replace files, so a file's folder is watched instead of the file.
    roots = {*folders, *(path.parent for path in files)}

    def is_ours(_: Change, name: str) -> bool:
        path = Path(name)
        if path in files:
            return True
        return path.suffix in ENDINGS and any(path.is_relative_to(folder) for folder in folders)

    async for _ in awatch(*roots, watch_filter=is_ours, debounce=400, step=_QUIET_MS, rust_timeout=5_000):
        yield
