"""Gateways, the ports they listen on, and the servers behind each port."""

from datetime import timedelta
from typing import Literal

from anygate.model.backend import Http2, Keepalive
from anygate.model.edit import HeaderEdit
from anygate.model.origin import Node, Origin
from anygate.model.route import HttpRoute, StreamRoute
from anygate.model.tls import ServerTls


class AccessLog(Node, frozen=True):
    """A file with a line for each request: `text` with Envoy's command operators, taken as it is, or a JSON object of
    `fields`; with neither it is Envoy's own line."""

    path: str
    text: str = ""
    fields: tuple[tuple[str, str], ...] = ()


class HttpServer(Node, frozen=True):
    """How a server speaks HTTP with clients; `None` and empty keep Envoy's defaults.

    `trusted_hops` and `trusted_cidrs` say whose `x-forwarded-for` to believe; `client_ip_header` takes the
    client's address from a header instead.
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
    access_log: AccessLog | None = None


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


class Server(Node, frozen=True):
    """What answers on a port for one hostname (empty: any). A Gateway API listener is one server.

    `http` and `https` serve `HttpRoute`s; `tls_passthrough`, `tls_terminate`, `tcp` and `udp` serve
    `StreamRoute`s. Without `host_fallback` a request for a hostname of some route is never tried on routes of wider
    hostnames.
    """

    origin: Origin
    name: str
    protocol: Literal["http", "https", "tls_passthrough", "tls_terminate", "tcp", "udp"]
    hostname: str = ""
    tls: ServerTls | None = None
    http: HttpServer = HttpServer()
    routes: tuple[HttpRoute, ...] = ()
    streams: tuple[StreamRoute, ...] = ()
    host_fallback: bool = True


class Listener(Node, frozen=True):
    """One port of one gateway. `name` is unique and stable."""

    origin: Origin
    name: str
    port: int
    transport: Literal["tcp", "udp"]
    servers: tuple[Server, ...]
    connection: ClientConnection = ClientConnection()


class Gateway(Node, frozen=True):
    """One gateway: the listeners that share an address. `addresses` are those asked for."""

    origin: Origin
    name: str
    listeners: tuple[Listener, ...] = ()
    addresses: tuple[str, ...] = ()
