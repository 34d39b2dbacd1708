"""What Envoy itself counts of clients, read from its admin interface when somebody asks."""

from typing import NamedTuple

import msgspec

from anygate.envoy.names import EGRESS, STAGE_STATS

_NAMES = ("downstream_cx_active", "downstream_cx_total", "downstream_rq_active", "downstream_rq_total")
_INSIDE = (f"http.{EGRESS}.", f"http.{STAGE_STATS}.", "http.admin.")
_WANTED = {"format": "json", "filter": rf"^http\..*\.({'|'.join(_NAMES)})$"}
_PATIENCE = 2.0


class EnvoyStats(NamedTuple):
    """Connections and requests of clients: open ones, and all there were since Envoy started."""

    connections: int
    accepted: int
    active: int
    requests: int


class _Stat(msgspec.Struct):
    name: str = ""
    value: int = 0


class _Page(msgspec.Struct):
    stats: list[_Stat] = []


async def read_stats(admin: str) -> EnvoyStats | None:
    """The sums over all ports; None while Envoy does not answer. `admin` is the socket of its admin interface."""
    import httpx2

    try:
        transport = httpx2.AsyncHTTPTransport(uds=admin)
        async with httpx2.AsyncClient(transport=transport, timeout=_PATIENCE, trust_env=False) as client:
            answer = await client.get("http://envoy/stats", params=_WANTED)
        stats = msgspec.json.decode(answer.content, type=_Page).stats
    except (httpx2.HTTPError, msgspec.MsgspecError):
        return None
    sums = dict.fromkeys(_NAMES, 0)
    for stat in stats:
        name = stat.name.rpartition(".")[2]
        if name in sums and not stat.name.startswith(_INSIDE):
            sums[name] += stat.value
    return EnvoyStats(*sums.values())
