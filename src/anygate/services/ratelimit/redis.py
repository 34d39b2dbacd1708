"""Counters in Redis, which any number of Envoys and services share, and which outlive them."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anygate.services.ratelimit.ask import Ask, Window
from anygate.services.ratelimit.counters import CountersAway, Taken, make_taken
from anygate.services.ratelimit.windows import (
    SECOND,
    SLOTS,
    period_of,
    reset_of,
    size_of,
    slot_of,
    window_of,
)

if TYPE_CHECKING:
    from redis.asyncio import Redis

_PREFIX = b"anygate:limit:"
_TIMEOUT = 0.5
_CONNECTIONS = 32
_SPARE = 5
"""Seconds that a counter outlives its window, for services whose clocks are a little behind."""

_TAKE = Path(__file__).with_name("take.lua")


class RedisCounters:
    """Counters behind one URL, `redis://`, `rediss://` or `unix://`.

    One script does each step, so it needs one Redis (or a primary with replicas), not a Redis Cluster.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._redis: Redis | None = None
        self._script: Any = None

    async def open(self) -> None:
        """Make the client. It connects with the first call, so Redis may come later than we do."""
        from redis.asyncio import BlockingConnectionPool, Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        pool = BlockingConnectionPool.from_url(
            self._url,
            max_connections=_CONNECTIONS,
            timeout=_TIMEOUT,
            socket_timeout=_TIMEOUT,
            socket_connect_timeout=_TIMEOUT,
            # One try on a new connection, for those that Redis has closed meanwhile. More would only make Envoy,
            # which does not wait long, give up first.
            retry=Retry(NoBackoff(), 1),
        )
        self._redis = Redis.from_pool(pool)
        self._script = self._redis.register_script(_TAKE.read_text(encoding="utf-8"))

    async def close(self) -> None:
        """Close the connections."""
        if self._redis is not None:
            with suppress(Exception):  # the far side may be gone already
                await self._redis.aclose()
            self._redis = None

    async def take(self, asks: Sequence[Ask], now: float) -> list[Taken]:
        """Take what is asked for, in one script."""
        from redis.exceptions import RedisError

        at = round(now * SECOND)
        arguments: list[Any] = [at, SLOTS]
        for ask in asks:
            arguments += _describe(ask, at)
        try:
            found = await self._script(keys=[_key(ask, at) for ask in asks], args=arguments)
        except (RedisError, OSError, TimeoutError) as problem:
            raise CountersAway(type(problem).__name__) from problem
        taken = []
        for number, ask in enumerate(asks):
            over, used, mark = (int(each) for each in found[3 * number : 3 * number + 3])
            taken.append(make_taken(ask, used, reset_of(ask.limit, mark, used, at), over=bool(over)))
        return taken


def _key(ask: Ask, now: int) -> bytes:
    """Name a counter; a fixed window is a key of its own that expires."""
    name = _PREFIX + ask.key.hex().encode()
    return name + b":%d" % window_of(ask.limit, now) if ask.limit.window is Window.FIXED else name


def _describe(ask: Ask, now: int) -> list[Any]:
    limit, period = ask.limit, period_of(ask.limit)
    periods = max(1, limit.requests) if limit.window is Window.LEAKY else 1
    # One that is charged may be used beyond its limit; a counter is of use as long as any of that is left.
    lasting = period * max(periods, ask.hits) // SECOND + _SPARE
    return [
        *(ask.mode.value, limit.window.value, ask.hits, limit.requests),
        *(size_of(limit), period, slot_of(limit, now), lasting),
    ]
