"""Gateways, the ports they listen on, and the servers behind each port."""

from datetime import timedelta
from typing import Literal

import msgspec

from anygate.model.backend import Http2, Keepalive
from anygate.model.edit import HeaderEdit
from anygate.model.origin import Node, Origin
from anygate.model.route import HttpRoute, StreamRoute
from anygate.model.telemetry import Collector, Exporter, SpanSource
from anygate.model.tls import ServerTls


class AccessLog(Node, frozen=True):
    """A file with a line for each request or, of streams, connection: `text` with Envoy's command operators, taken as
    it is, or a JSON object of `fields`; with neither it is Envoy's own line."""

    path: str
    text: str = ""
    fields: tuple[tuple[str, str], ...] = ()


class HttpServer(Node, frozen=True):
    """How a server speaks HTTP with clients; `None` and empty keep Envoy's defaults.

    `trusted_hops` and `trusted_cidrs` say whose `x-forwarded-for` to believe; `client_ip_header` takes the
    client's address from a header instead. Requests for an upgrade among `ignored_upgrades` are taken as plain ones.
    The two statuses answer requests for which no connection to the backend can be made, at all or in time.
    `caller_headers` say who calls, which only the gateway itself may tell: they are taken off every request as it comes
    in.
    """

    trusted_hops: int = 0
    trusted_cidrs: tuple[str, ...] = ()
    client_ip_header: str = ""
    client_ip_fail_closed: bool = False
    request_timeout: timedelta | None = None
    idle_timeout: timedelta | None = None
    stream_idle_timeout: timedelta | None = None
    max_stream_duration: timedelta | None = None
    max_connection_duration: timedelta | None = None
    max_requests_per_connection: int | None = None
    http2: Http2 = Http2()
    http3: bool = False
    http1_trailers: bool = False
    http1_preserve_case: bool = False
    http10: bool = False
    http10_default_host: str = ""
    envoy_headers: bool = False
    rate_limit_headers: bool = True
    underscores: Literal["allow", "drop", "reject"] = "reject"
    client_certificate_header: Literal[
        "", "sanitize", "forward_only", "append_forward", "sanitize_set", "always_forward_only"
    ] = ""
    client_certificate_details: tuple[str, ...] = ()
    request_id: Literal["", "preserve_or_generate", "preserve", "generate", "disable"] = ""
    escaped_slashes: Literal["keep", "reject", "redirect", "forward"] = "redirect"
    merge_slashes: bool = True
    early_request_headers: HeaderEdit | None = None
    late_response_headers: HeaderEdit | None = None
    health_check_path: str = ""
    scheme_from_backend: bool = False
    ignored_upgrades: tuple[str, ...] = ()
    connect_failure_status: int = 503
    connect_timeout_status: int = 503
    caller_headers: tuple[str, ...] = ()

    @property
    def incoming_changes(self) -> HeaderEdit | None:
        """All changes to requests as they come in, the headers included that only the gateway may tell."""
        if not self.caller_headers:
            return self.early_request_headers
        changes = self.early_request_headers or HeaderEdit()
        return HeaderEdit(set=changes.set, add=changes.add, remove=(*changes.remove, *self.caller_headers))


class ClientConnection(Node, frozen=True):
    """How connections from clients are taken on one port; limits in connections, bytes and time."""

    origin: Origin | None = None
    keepalive: Keepalive | None = None
    proxy_protocol: Literal["", "required", "optional"] = ""
    connection_limit: int | None = None
    close_delay: timedelta | None = None
    buffer_limit: int | None = None
    socket_buffer_limit: int | None = None
    max_accept_per_event: int | None = None
    tcp_idle_timeout: timedelta | None = None


class NamedTls(Node, frozen=True):
    """TLS for connections that ask for one of some server names, each exact or `*.suffix`."""

    origin: Origin
    name: str
    server_names: tuple[str, ...]
    tls: ServerTls


class Server(Node, frozen=True):
    """What answers on a port for one hostname (empty: any). A Gateway API listener is one server.

    `http` and `https` serve `HttpRoute`s; `tls_passthrough`, `tls_terminate`, `tcp` and `udp` serve
    `StreamRoute`s. Without `host_fallback` a request for a hostname of some route is never tried on routes of wider
    hostnames; with `rank_first` the ranks of matches decide before hostnames do. Rules that are traced have spans as
    those of `spans`; without it they have none.

    An HTTPS server with `named_tls` has those ways in instead of one by its own `hostname` and `tls`: whatever name a
    connection asks for, its requests may be for any host.
    """

    origin: Origin
    name: str
    protocol: Literal["http", "https", "tls_passthrough", "tls_terminate", "tcp", "udp"]
    hostname: str = ""
    tls: ServerTls | None = None
    named_tls: tuple[NamedTls, ...] = ()
    http: HttpServer = HttpServer()
    routes: tuple[HttpRoute, ...] = ()
    streams: tuple[StreamRoute, ...] = ()
    host_fallback: bool = True
    rank_first: bool = False
    access_log: AccessLog | None = None
    spans: SpanSource | None = None


class Listener(Node, frozen=True):
    """One port of one gateway. `name` is unique and stable.

    Clients mean `port`; where a workload on the same machine has that one, the listener is bound to `local_port`
    instead (0: to `port`). A `loopback` listener is for clients on the same machine only.
    """

    origin: Origin
    name: str
    port: int
    transport: Literal["tcp", "udp"]
    servers: tuple[Server, ...]
    connection: ClientConnection = ClientConnection()
    local_port: int = 0
    loopback: bool = False


class Stage(Node, frozen=True):
    """A second table of routes, which no client reaches: rules of listeners send requests on to it (`Continue`).

    `name` is unique and stable. Where none of its rules takes a request, the answer is 404. The two statuses are those
    of `HttpServer`, and so is `client_ip_header`, which the first server sets: without it the last address of
    `x-forwarded-for` is the client's.
    """

    origin: Origin
    name: str
    routes: tuple[HttpRoute, ...] = ()
    connect_failure_status: int = 503
    connect_timeout_status: int = 503
    client_ip_header: str = ""

    @property
    def server(self) -> Server:
        """It as a server, which takes requests as the first one has left them."""
        http = msgspec.structs.replace(
            PASSED_ON,
            connect_failure_status=self.connect_failure_status,
            connect_timeout_status=self.connect_timeout_status,
            client_ip_header=self.client_ip_header,
        )
        return Server(origin=self.origin, name=self.name, protocol="http", http=http, routes=self.routes)


PASSED_ON = HttpServer(
    underscores="allow",
    escaped_slashes="keep",
    request_id="preserve",
    client_certificate_header="always_forward_only",
)
"""Whatever a server refuses or adds, the first one has refused or added."""


class Gateway(Node, frozen=True):
    """One gateway: the listeners that share an address, and the stages behind them. `addresses` are those asked for.

    `exporter` is where its metrics are served, and `collector` where its spans go unless whoever runs it knows better.
    """

    origin: Origin
    name: str
    listeners: tuple[Listener, ...] = ()
    addresses: tuple[str, ...] = ()
    stages: tuple[Stage, ...] = ()
    exporter: Exporter | None = None
    collector: Collector | None = None
