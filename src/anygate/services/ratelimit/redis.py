"""Counters in Redis, which any number of Envoys and services share, and which outlive them."""

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from anygate.services.ratelimit.ask import Ask, Mode
from anygate.services.ratelimit.counters import CountersAway, Taken, seconds_left, window_of

if TYPE_CHECKING:
    from redis.asyncio import Redis

_PREFIX = b"anygate:limit:"
_TIMEOUT = 0.5
_CONNECTIONS = 32
_SPARE = 5
"""Seconds that a counter outlives its window, for services whose clocks are a little behind."""

# For each counter four arguments: mode, hits, limit, seconds to live. It says for each whether it was over, and what
# is used. The same steps as in the counters in memory; a test runs both side by side.
_TAKE = """
local gone, over, refused = {}, {}, false
for i, key in ipairs(KEYS) do
  local at = 4 * (i - 1)
  local mode, hits, limit = ARGV[at + 1], tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  local used = tonumber(redis.call('GET', key) or '0')
  gone[i] = used
  over[i] = 0
  if mode ~= 'charge' and hits >= 0 and used + math.max(hits, 1) > limit then
    over[i] = 1
    if mode == 'limit' then refused = true end
  end
end
local result = {}
for i, key in ipairs(KEYS) do
  local at = 4 * (i - 1)
  local mode, hits = ARGV[at + 1], tonumber(ARGV[at + 2])
  local used = gone[i]
  if hits ~= 0 and not (refused and mode ~= 'charge') then
    used = redis.call('INCRBY', key, hits)
    if used < 0 then
      used = 0
      redis.call('SET', key, 0)
    end
    redis.call('EXPIRE', key, ARGV[at + 4])
  elseif mode == 'charge' or not refused then
    used = tonumber(redis.call('GET', key) or '0')
  end
  result[2 * i - 1] = over[i]
  result[2 * i] = used
end
return result
"""


class RedisCounters:
    """Counters behind one URL, `redis://`, `rediss://` or `unix://`; a window is a key of its own that expires.

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
        self._script = self._redis.register_script(_TAKE)

    async def close(self) -> None:
        """Close the connections."""
        if self._redis is not None:
            with suppress(Exception):  # the far side may be gone already
                await self._redis.aclose()
            self._redis = None

    async def take(self, asks: Sequence[Ask], now: float) -> list[Taken]:
        """Take what is asked for, in one script."""
        from redis.exceptions import RedisError

        keys = [_PREFIX + ask.key.hex().encode() + b":%d" % window_of(ask.limit, now) for ask in asks]
        left = [seconds_left(ask.limit, now) for ask in asks]
        arguments: list[Any] = []
        for ask, seconds in zip(asks, left, strict=True):
            arguments += (ask.mode.value, ask.hits, ask.limit.requests, int(seconds) + _SPARE)
        try:
            found = await self._script(keys=keys, args=arguments)
        except (RedisError, OSError, TimeoutError) as problem:
            raise CountersAway(type(problem).__name__) from problem
        return [
            Taken(ask.mode is not Mode.CHARGE and bool(found[2 * number]), int(found[2 * number + 1]), left[number])
            for number, ask in enumerate(asks)
        ]
