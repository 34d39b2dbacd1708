"""The files of a conversion on disk: what is ours is replaced, what is others' is never touched."""

from collections.abc import Collection, Mapping
from pathlib import Path

from anygate.cli.output import say
from anygate.errors import EnvironmentProblem, UsageError

MARKER = "# Written by `anygate convert`.\n"
"""The first line of every file of ours, by which a later run knows that it may replace or delete it."""


def check_files(folder: Path | None, files: Collection[str], report: Path | None) -> None:
    """Refuse to replace files of others, before anything is written; raises UsageError."""
    wanted = [folder / name for name in files] if folder is not None else []
    for path in (*wanted, *([report] if report is not None else [])):
        if path.is_dir():
            raise UsageError(f"{path} is a folder\nhint: name a file")
        if path.exists() and not _is_ours(path):
            raise UsageError(f"{path} was not written by `anygate convert`\nhint: name another one, or move it away")


def check_apart(folder: Path, read: Collection[str]) -> None:
    """Refuse to write where is read, for what is written would be read the next time; raises UsageError."""
    for name in read:
        if name != "-" and Path(name).is_dir() and folder.resolve().is_relative_to(Path(name).resolve()):
            raise UsageError(f"{folder} is in {name}, which is read\nhint: write to a folder of its own")


def write_report(path: Path, text: str) -> None:
    """Write a report; raises EnvironmentProblem."""
    _write({path: MARKER + text})


def write_files(folder: Path, files: Mapping[str, str], by_hand: Mapping[str, str]) -> None:
    """Write the files of a conversion, and delete those of an earlier one; raises EnvironmentProblem.

    Those that are to be filled by hand are written once and then left alone.
    """
    wanted = {folder / name: MARKER + text for name, text in files.items()}
    new = {folder / name: text for name, text in by_hand.items() if not (folder / name).exists()}
    old = [path for path in sorted(folder.rglob("*.yaml")) if path not in wanted and _is_ours(path)]
    _write({**wanted, **new})
    try:
        for path in old:
            path.unlink()
            say(f"deleted {path}")
    except OSError as problem:
        raise EnvironmentProblem(f"{problem.filename}: {_render_reason(problem)}") from None


def _write(texts: Mapping[Path, str]) -> None:
    """All of them or, as far as can be told beforehand, none."""
    staged: dict[Path, Path] = {}
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            staged[path] = path.with_name(f".{path.name}.new")
            staged[path].write_text(text, encoding="utf-8")
        for path, beside in staged.items():
            beside.replace(path)
            say(f"wrote {path}")
    except OSError as problem:
        raise EnvironmentProblem(f"{problem.filename}: {_render_reason(problem)}") from None
    finally:
        for beside in staged.values():
            beside.unlink(missing_ok=True)


def _is_ours(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(MARKER)) == MARKER.encode()


def _render_reason(problem: OSError) -> str:
    return (problem.strerror or str(problem)).lower()
