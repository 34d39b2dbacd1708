"""Rate limits and injected faults."""

from datetime import timedelta
from typing import Literal

from anygate.model.match import PathMatch, ValueMatch
from anygate.model.origin import Node, Origin


class Faults(Node, frozen=True):
    """Delays and aborts for a percentage (0 to 100) of requests; `grpc_status` aborts gRPC calls."""

    origin: Origin
    delay: timedelta | None = None
    delay_percent: float = 100.0
    abort_status: int | None = None
    grpc_status: int | None = None
    abort_percent: float = 100.0


class LimitSelector(Node, frozen=True):
    """Which requests one limit counts, and apart by what: each `distinct` header value, or client address."""

    headers: tuple[ValueMatch, ...] = ()
    distinct_headers: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    path: PathMatch | None = None
    cidr: str = ""
    distinct_addresses: bool = False


class LimitRule(Node, frozen=True):
    """At most `requests` per `unit` for the requests that every selector matches."""

    origin: Origin
    requests: int
    unit: timedelta
    selectors: tuple[LimitSelector, ...] = ()
    shadow: bool = False


class RateLimit(Node, frozen=True):
    """Limits for a rule, counted in each Envoy (`local`) or by the rate-limit service (`global`)."""

    origin: Origin
    scope: Literal["local", "global"]
    rules: tuple[LimitRule, ...] = ()
    shared: bool = False
