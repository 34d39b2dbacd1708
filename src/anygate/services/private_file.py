"""Files that say what the services are to do, and hold keys: for the eyes of their user alone, since arguments and
environments can be read by others."""

import os
from pathlib import Path
from typing import Any

import msgspec


def store_private(path: Path, value: Any) -> None:
    """Put a file in the place of the last one at once, so that nobody ever reads half of it."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(msgspec.json.encode(value))
    fresh.replace(path)
