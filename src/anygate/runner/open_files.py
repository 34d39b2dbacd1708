"""How many files this process and its Envoy may have open: connections and stubs each take one."""

import resource
from contextlib import suppress

_ENOUGH = 1_048_576


def raise_open_files() -> int:
    """Raise the soft limit to what the system allows anyway, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return soft
    # Some systems name a hard limit that they refuse to grant.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
