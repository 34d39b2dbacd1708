"""Connections: limits, buffers, keepalive, PROXY protocol, HTTP/2 and DNS."""

from typing import Literal

from pydantic import Field

from anygate.manifests.envoy_gateway.matches import Percent, UInt32
from anygate.manifests.fields import Duration, Quantity
from anygate.manifests.kind import Node


class TCPKeepalive(Node):
    """Defaults are those of the system, normally 9 probes after 2h, every 75s."""

    probes: UInt32 | None = None
    idle_time: Duration | None = None
    interval: Duration | None = None


class ProxyProtocol(Node):
    """PROXY protocol towards the backend."""

    version: Literal["V1", "V2"]


class PreconnectPolicy(Node):
    """Connections made ahead, in percent of those needed; 100 means none."""

    per_endpoint_percent: int | None = Field(default=None, ge=100, le=300)
    # Only with Random and RoundRobin.
    predictive_percent: int | None = Field(default=None, ge=100)


class BackendConnection(Node):
    """Connections to a backend."""

    # Bytes; default 32768.
    buffer_limit: Quantity | None = None
    preconnect: PreconnectPolicy | None = None


class ConnectionLimit(Node):
    """Limits on connections of clients."""

    # Absent: unlimited.
    value: int | None = Field(default=None, ge=0)
    # Wait before closing what is over the limit.
    close_delay: Duration | None = None
    max_connection_duration: Duration | None = None
    max_requests_per_connection: UInt32 | None = None
    max_stream_duration: Duration | None = None


class ClientConnection(Node):
    """Connections of clients."""

    connection_limit: ConnectionLimit | None = None
    # Bytes; default 32768.
    buffer_limit: Quantity | None = None
    # 0: no limit.
    max_accept_per_socket_event: UInt32 = 1


class HTTP2KeepaliveSettings(Node):
    """PING frames."""

    interval: Duration | None = None
    timeout: Duration | None = None
    # Default: 15.
    interval_jitter: Percent | None = None
    idle_interval: Duration | None = None


class HTTP2Settings(Node):
    """HTTP/2, towards clients or backends."""

    # Bytes; default 64 KiB.
    initial_stream_window_size: Quantity | None = None
    # Bytes; default 1 MiB.
    initial_connection_window_size: Quantity | None = None
    # Default: 100.
    max_concurrent_streams: int | None = Field(default=None, ge=1, le=2_147_483_647)
    on_invalid_message: Literal["TerminateConnection", "TerminateStream"] | None = None
    connection_keepalive: HTTP2KeepaliveSettings | None = None


class DNS(Node):
    """Name resolution of backends."""

    # Default: 30s.
    dns_refresh_rate: Duration | None = None
    # Default: true; the record's TTL then replaces the refresh rate.
    respect_dns_ttl: bool | None = None
    lookup_family: Literal["IPv4", "IPv6", "IPv4Preferred", "IPv6Preferred", "IPv4AndIPv6"] | None = None
