"""Where the usage of a user's gateways is kept."""

import os
from pathlib import Path

from anygate.errors import EnvironmentProblem


def default_path() -> Path:
    """`$XDG_DATA_HOME/anygate/usage.db`, or under `~/.local/share` where the variable is not an absolute path."""
    root = os.environ.get("XDG_DATA_HOME", "")
    try:
        folder = Path(root) if Path(root).is_absolute() else Path.home() / ".local" / "share"
    except RuntimeError:
        raise EnvironmentProblem("there is no home folder to keep usage in: set XDG_DATA_HOME") from None
    return folder / "anygate" / "usage.db"
