"""Which counters are meant by a few words on the command line."""

from anygate.errors import UsageError
from anygate.services.ratelimit.counters import Counters
from anygate.services.ratelimit.memory import MemoryCounters
from anygate.services.ratelimit.redis import RedisCounters
from anygate.urls import split_url

MEMORY = "memory"
_SCHEMES = ("redis", "rediss", "unix")


def open_counters(where: str) -> Counters:
    """Return the counters for `memory` or the URL of a Redis. The URL is never repeated: it may have a password."""
    if where == MEMORY:
        return MemoryCounters()
    if split_url(where).scheme in _SCHEMES:
        return RedisCounters(where)
    raise UsageError('limits are counted in "memory" or at a redis://, rediss:// or unix:// URL')
