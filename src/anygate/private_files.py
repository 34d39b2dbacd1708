"""Files that hold keys: for the eyes of their user alone, since arguments and environments can be read by others."""

import os
from pathlib import Path


def replace_file(path: Path, content: bytes) -> None:
    """Put content in the place of a file at one stroke; nobody but its owner may read it."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(content)
    new.replace(path)
