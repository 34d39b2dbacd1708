"""Ends this process with the one that started it."""

import ctypes
import os
import signal

from anygate.errors import EnvironmentProblem

_PR_SET_PDEATHSIG = 1


def follow_parent(parent: int) -> None:
    """Ask the kernel for SIGTERM when `parent`, which must be our parent, dies."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # it died before the request was in
        raise EnvironmentProblem("the process that started the services has ended")
