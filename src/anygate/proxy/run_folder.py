"""The private folder of one run, which holds the sockets between us and Envoy."""

import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType

_LONGEST_SOCKET_PATH = 107
_LONGEST_NAME = len("/anygate-12345678/admin.sock")


class RunFolder:
    """A new folder that only we may enter. It is gone when the `with` block ends."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="anygate-", dir=_parent()))

    @property
    def admin_socket(self) -> Path:
        """Where Envoy's admin interface listens."""
        return self.path / "admin.sock"

    @property
    def xds_socket(self) -> Path:
        """Where our ADS server listens."""
        return self.path / "xds.sock"

    @property
    def bootstrap(self) -> Path:
        """Envoy's own configuration file."""
        return self.path / "bootstrap.json"

    def close(self) -> None:
        """Remove the folder and everything in it."""
        shutil.rmtree(self.path, ignore_errors=True)

    def __enter__(self) -> "RunFolder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _parent() -> str:
    """Return the first usable folder whose sockets still fit into the path of a Unix socket address."""
    for folder in (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir()):
        is_usable = folder and os.access(folder, os.W_OK | os.X_OK)
        if folder and is_usable and len(os.fsencode(folder)) + _LONGEST_NAME <= _LONGEST_SOCKET_PATH:
            return folder
    return "/tmp"  # noqa: S108 - mkdtemp makes a private folder in it
