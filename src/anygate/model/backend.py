"""Backends: where requests go, and how connections to them are made."""

from datetime import timedelta
from typing import Literal

from anygate.model.inference import Provider
from anygate.model.mcp import McpAccess
from anygate.model.origin import Node, Origin
from anygate.model.tls import ClientTls


class Endpoint(Node, frozen=True):
    """One address. `host` is an IP address or a DNS name that Envoy resolves; `unix` is a socket path instead."""

    host: str = ""
    port: int = 0
    unix: str = ""
    hostname: str = ""
    draining: bool = False


class EndpointGroup(Node, frozen=True):
    """Endpoints that share a zone, a weight among groups (0: only existing sessions) and a priority (0 first)."""

    endpoints: tuple[Endpoint, ...] = ()
    zone: str = ""
    weight: int = 1
    priority: int = 0


class LoadBalancing(Node, frozen=True):
    """How an endpoint is chosen. `slow_start` ramps a new endpoint up over a window."""

    kind: Literal["round_robin", "least_request", "random", "ring_hash", "maglev"] = "least_request"
    table_size: int | None = None
    slow_start: timedelta | None = None
    prefer_local_zone: bool = False
    override_header: str = ""


class HttpCheck(Node, frozen=True):
    """Probe by HTTP, with `headers` of its own."""

    path: str
    method: str = "GET"
    host: str = ""
    statuses: tuple[int, ...] = (200,)
    expected_text: str = ""
    headers: tuple[tuple[str, str], ...] = ()


class ActiveCheck(Node, frozen=True):
    """Probe endpoints: by HTTP, gRPC (`grpc_service` may be empty) or TCP with optional payloads.

    Those that count as unhealthy are probed every `unhealthy_interval`, if there is one. With a `port` all are probed
    there, and not where requests go.
    """

    kind: Literal["http", "grpc", "tcp"]
    http: HttpCheck | None = None
    grpc_service: str = ""
    send: bytes | None = None
    receive: bytes | None = None
    timeout: timedelta = timedelta(seconds=1)
    interval: timedelta = timedelta(seconds=3)
    unhealthy_interval: timedelta | None = None
    initial_jitter: timedelta | None = None
    unhealthy_threshold: int = 3
    healthy_threshold: int = 1
    port: int = 0


class PassiveCheck(Node, frozen=True):
    """Take endpoints out that fail (Envoy's outlier detection); `None` keeps Envoy's defaults."""

    consecutive_5xx: int | None = 5
    consecutive_gateway_errors: int | None = None
    consecutive_local_failures: int | None = None
    split_local_errors: bool = False
    interval: timedelta = timedelta(seconds=3)
    base_ejection: timedelta = timedelta(seconds=30)
    max_ejection_percent: int = 10
    failure_percentage: int | None = None
    always_eject_one: bool | None = None


class CircuitBreaker(Node, frozen=True):
    """Upper bounds for this backend in each Envoy; `None` keeps Envoy's default of 1024."""

    connections: int | None = None
    pending: int | None = None
    requests: int | None = None
    retries: int | None = None
    requests_per_connection: int | None = None
    connections_per_endpoint: int | None = None
    retry_budget_percent: float | None = None
    retry_budget_interval: timedelta | None = None
    retry_budget_min: int | None = None


class Keepalive(Node, frozen=True):
    """TCP keepalive: probes, and the times before the first and between them."""

    probes: int | None = None
    idle: timedelta | None = None
    interval: timedelta | None = None


class Http2(Node, frozen=True):
    """HTTP/2 limits; `None` keeps the proxy's default."""

    stream_window: int | None = None
    connection_window: int | None = None
    max_streams: int | None = None
    reset_stream_on_invalid: bool | None = None
    ping_interval: timedelta | None = None
    ping_timeout: timedelta | None = None


class Dns(Node, frozen=True):
    """How names are resolved. With `one_endpoint` all addresses of a name are one endpoint, reached at one of them at a
    time, as suits virtual addresses."""

    refresh: timedelta | None = None
    respect_ttl: bool = True
    family: Literal["", "v4", "v6", "v4_preferred", "v6_preferred", "all"] = ""
    one_endpoint: bool = False


class Connection(Node, frozen=True):
    """Everything about connections to a backend, from the policies that hold for it."""

    balancing: LoadBalancing = LoadBalancing()
    active_check: ActiveCheck | None = None
    passive_check: PassiveCheck | None = None
    panic_threshold: int | None = None
    circuit_breaker: CircuitBreaker | None = None
    keepalive: Keepalive | None = None
    connect_timeout: timedelta | None = None
    idle_timeout: timedelta | None = None
    max_connection_duration: timedelta | None = None
    buffer_limit: int | None = None
    socket_buffer_limit: int | None = None
    preconnect_per_endpoint: float | None = None
    preconnect_predictive: float | None = None
    proxy_protocol: Literal["", "v1", "v2"] = ""
    dns: Dns = Dns()
    http2: Http2 = Http2()
    use_client_protocol: bool = False


class Backend(Node, frozen=True):
    """One destination; becomes one cluster.

    `service`, `namespace` and `port` say what it is to people and to stubs. Without endpoints requests are
    answered with 503. `dynamic` resolves the request's own host instead. `fallback` says that a rule uses it
    only when its other backends are unhealthy; the reader then joins them into one backend with priorities, whose
    `members` name what it was made of. `provider` is there when it speaks a model provider's API, `mcp` when it
    is an MCP server. `behind` names the listener of the same model that stands in front of it: on one machine it is
    reached there. `simulated` is the format that a stub of it speaks where it is a model's without being a `provider`.
    """

    origin: Origin
    name: str
    service: str
    namespace: str = ""
    port: int = 0
    protocol: Literal["http1", "http2", "auto", "tcp", "udp"] = "http1"
    websocket: bool = False
    groups: tuple[EndpointGroup, ...] = ()
    tls: ClientTls | None = None
    connection: Connection = Connection()
    dynamic: bool = False
    sticky: bool = False
    stub: bool = False
    fallback: bool = False
    members: tuple[str, ...] = ()
    provider: Provider | None = None
    mcp: McpAccess | None = None
    behind: str = ""
    simulated: str = ""
