"""Access-log entries of requests that are counted for an exporter (`envoy/metering.py`)."""

from functools import lru_cache
from typing import Any, Literal

import msgspec

from anygate.envoy.metering import CALLER_TAG, HOST_TAG, METER_TAG, NODE_TAG, PATH_TAG
from anygate.model.route_table import covers

Source = Literal["upstream", "proxy", "gateway"]
"""Who has given an answer: the backend, Envoy for want of one, or the gateway by its rules."""


class MeterFacts(msgspec.Struct, frozen=True):
    """What a row says about itself."""

    route: str = ""
    service: str = ""
    hosts: tuple[str, ...] = ()


class MeteredRequest(msgspec.Struct, frozen=True, gc=False):
    """A request that is over: names of its rule, times in milliseconds, sizes in bytes. `upstream_ms` is None where no
    backend had a part in it."""

    route: str
    service: str
    path: str
    host: str
    caller: str
    node: str
    status: int
    source: Source
    request_ms: float
    upstream_ms: float | None
    received: int
    sent: int


def read_metered(entry: Any) -> MeteredRequest | None:
    """The request of an entry; None for one that is not counted."""
    seen = entry.common_properties
    tags = seen.custom_tags
    told = tags.get(METER_TAG, "")
    if not told:
        return None
    facts = _read_facts(told)
    return MeteredRequest(
        route=facts.route,
        service=facts.service,
        path=tags.get(PATH_TAG, ""),
        host=_find_host(facts.hosts, tags.get(HOST_TAG, "")),
        caller=tags.get(CALLER_TAG, ""),
        node=_strip_port(tags.get(NODE_TAG, "")),
        status=entry.response.response_code.value,
        source=_read_source(entry),
        request_ms=_ms(seen.duration) if seen.HasField("duration") else 0.0,
        upstream_ms=_read_upstream(seen),
        received=seen.downstream_wire_bytes_received,
        sent=seen.downstream_wire_bytes_sent,
    )


def _strip_port(address: str) -> str:
    """The address alone; the path of a Unix socket stays as it is."""
    host, _, port = address.rpartition(":")
    return host.strip("[]") if port.isdecimal() else address


def _read_source(entry: Any) -> Source:
    if entry.response.response_code_details == "via_upstream":
        return "upstream"
    return "proxy" if entry.common_properties.upstream_request_attempt_count else "gateway"


def _read_upstream(seen: Any) -> float | None:
    """From the first byte to a backend to the last one from it."""
    begin, end = "time_to_first_upstream_tx_byte", "time_to_last_upstream_rx_byte"
    if not (seen.HasField(begin) and seen.HasField(end)):
        return None
    return max(0.0, _ms(getattr(seen, end)) - _ms(getattr(seen, begin)))


def _ms(span: Any) -> float:
    return float(span.seconds * 1000 + span.nanos / 1_000_000)


@lru_cache(maxsize=4096)
def _read_facts(text: str) -> MeterFacts:
    try:
        return msgspec.json.decode(text, type=MeterFacts)
    except msgspec.MsgspecError:
        return MeterFacts()


@lru_cache(maxsize=4096)
def _find_host(hosts: tuple[str, ...], domain: str) -> str:
    """The host of a route by which it has taken a request: the nearest to the domain that Envoy has chosen."""
    found = [host for host in hosts if covers(host, domain)]
    return max(found, key=len, default="")
