"""The private folder of one run, which holds the sockets between us and Envoy.

A lock in it says that its run lives. A run that was killed leaves its folder behind and its lock to nobody: the
next run takes such folders away.
"""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType

_PREFIX = "anygate-"
_LOCK = "lock"
_LONGEST_SOCKET_PATH = 107
_LONGEST_NAME = len("/anygate-12345678/123456789abc.sock")  # of a stub without a readable name


class RunFolder:
    """A new folder that only we may enter. It is gone when the `with` block ends."""

    def __init__(self) -> None:
        parent = _parent()
        remove_stale(Path(parent))
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        self._lock = _hold_lock(self.path)

    @property
    def admin_socket(self) -> Path:
        """Where Envoy's admin interface listens."""
        return self.path / "admin.sock"

    @property
    def xds_socket(self) -> Path:
        """Where our ADS server listens."""
        return self.path / "xds.sock"

    @property
    def egress_socket(self) -> Path:
        """Where Envoy takes what an adapter sends to a provider."""
        return self.path / "egress.sock"

    @property
    def services_socket(self) -> Path:
        """Where the gRPC services listen that Envoy calls."""
        return self.path / "services.sock"

    @property
    def credentials(self) -> Path:
        """The folder of the files with credentials that Envoy reads; made when it is asked for."""
        folder = self.path / "credentials"
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    @property
    def bootstrap(self) -> Path:
        """Envoy's own configuration file."""
        return self.path / "bootstrap.json"

    def close(self) -> None:
        """Remove the folder and everything in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> "RunFolder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def remove_stale(parent: Path) -> None:
    """Remove the folders of runs that ended without doing so. One without a lock may be just being made."""
    for lock in parent.glob(f"{_PREFIX}*/{_LOCK}"):
        try:
            opened = os.open(lock, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:  # another user's, or gone by now
            continue
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            continue
        else:
            shutil.rmtree(lock.parent, ignore_errors=True)
        finally:
            os.close(opened)


def _hold_lock(folder: Path) -> int:
    """Lock a file before it has the name that others look for; the lock ends with this process."""
    opened, name = tempfile.mkstemp(dir=folder)
    fcntl.flock(opened, fcntl.LOCK_EX)
    Path(name).rename(folder / _LOCK)
    return opened


def _parent() -> str:
    """Return the first usable folder whose sockets still fit into the path of a Unix socket address."""
    for folder in (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir()):
        is_usable = folder and os.access(folder, os.W_OK | os.X_OK)
        if folder and is_usable and len(os.fsencode(folder)) + _LONGEST_NAME <= _LONGEST_SOCKET_PATH:
            return folder
    return "/tmp"  # noqa: S108 - mkdtemp makes a private folder in it
