"""Tells when manifests may have changed on disk."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from watchfiles import Change, awatch

from anygate.manifests.load import ENDINGS

_QUIET_MS = 50
"""A save is often several writes; a change is told once the files have been quiet for this long."""

_LOOK_MS = 2_000
"""Some changes reach nobody's ears: those before the watch began, those on network file systems."""


async def watch_paths(paths: Sequence[str]) -> AsyncIterator[None]:
    """Yield after each change to the files and folders in `paths`, and now and then to be sure.

    Standard input never changes: without any other path this ends at once.
    """
    folders, files = _split(paths)
    if not folders and not files:
        return

    def is_ours(_: Change, name: str) -> bool:
        path = Path(name)
        is_listed = path.suffix in ENDINGS and not path.name.startswith(".")
        return path in files or (is_listed and any(path.is_relative_to(folder) for folder in folders))

    # Editors replace files, so a file's folder is watched instead of the file.
    roots = {*folders, *(path.parent for path in files)}
    changes = awatch(
        *roots,
        watch_filter=is_ours,
        debounce=400,
        step=_QUIET_MS,
        rust_timeout=_LOOK_MS,
        yield_on_timeout=True,
    )
    async for _ in changes:
        yield


def _split(paths: Sequence[str]) -> tuple[set[Path], set[Path]]:
    """The folders and the files among the paths; of a link both the link and what it leads to."""
    real = [Path(path).absolute() for path in paths if path != "-"]
    both = {path: {path, path.resolve()} for path in real}
    folders = {one for path in real if path.is_dir() for one in both[path]}
    return folders, {one for path in real if not path.is_dir() for one in both[path]}
