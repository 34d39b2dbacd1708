"""Letting the requests in flight finish before Envoy ends."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from anygate.envoy.names import STAGE_STATS
from anygate.proxy.admin import Admin, AdminUnreachable

_PATTERN = r"^(http|listener)\..*\.downstream_(rq|cx)_active$"
_NOT_CLIENTS = tuple(f"{kind}.{whose}." for kind in ("http", "listener") for whose in ("admin", STAGE_STATS))
_POLL = 0.02
_FLUSH = 0.5


@dataclass(frozen=True, slots=True)
class Load:
    """What goes on in an Envoy: HTTP requests, connections that carry no HTTP, all connections."""

    requests: int
    raw_connections: int
    connections: int

    @property
    def is_busy(self) -> bool:
        """Somebody would notice the end of this Envoy."""
        return self.requests > 0 or self.raw_connections > 0


def read_load(stats: Mapping[str, int]) -> Load:
    """Return the load that gauges tell, without the admin interface itself and what is inside of Envoy."""
    found = {"requests": 0, "http": 0, "listener": 0}
    for name, value in stats.items():
        if name.startswith(_NOT_CLIENTS) or ".worker_" in name:
            continue
        if name.endswith("rq_active"):
            found["requests"] += value
        else:
            found[name.partition(".")[0]] += value
    return Load(found["requests"], max(0, found["listener"] - found["http"]), found["listener"])


async def drain(admin: Admin, deadline: float) -> bool:
    """Stop accepting connections and wait up to `deadline` seconds for what is in flight; True if all ended.

    Idle keep-alive connections do not count: they have nothing to lose.
    """
    try:
        async with asyncio.timeout(deadline):
            await admin.fail_health_check()
            await admin.drain_listeners()
            while (load := await _load(admin)).is_busy:  # noqa: ASYNC110 - Envoy does not call us
                await asyncio.sleep(_POLL)
    except (TimeoutError, AdminUnreachable):
        return False
    await _await_flush(admin, load)
    return True


async def _await_flush(admin: Admin, load: Load) -> None:
    """Wait a moment for the last bytes of answers to slow clients: Envoy closes those connections itself."""
    try:
        async with asyncio.timeout(_FLUSH):
            while load.connections:
                await asyncio.sleep(_POLL)
                load = await _load(admin)
    except (TimeoutError, AdminUnreachable):
        return


async def _load(admin: Admin) -> Load:
    return read_load(await admin.stats(_PATTERN))
