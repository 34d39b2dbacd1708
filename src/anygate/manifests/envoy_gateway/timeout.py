"""Time limits towards backends and clients."""

from anygate.manifests.fields import Duration
from anygate.manifests.kind import Node


class TCPTimeout(Node):
    """Time to connect, TLS included; default 10s."""

    connect_timeout: Duration | None = None


class HTTPTimeout(Node):
    """HTTP limits towards a backend."""

    # Default: 1h.
    connection_idle_timeout: Duration | None = None
    # Default: unlimited.
    max_connection_duration: Duration | None = None
    request_timeout: Duration | None = None
    # Zero: unlimited.
    max_stream_duration: Duration | None = None
    # Default: that of the listener.
    stream_idle_timeout: Duration | None = None


class Timeout(Node):
    """Limits towards a backend."""

    tcp: TCPTimeout | None = None
    http: HTTPTimeout | None = None


class TCPClientTimeout(Node):
    """TCP limits towards a client; default 1h."""

    idle_timeout: Duration | None = None


class HTTPClientTimeout(Node):
    """HTTP limits towards a client."""

    request_received_timeout: Duration | None = None
    # Default: 1h.
    idle_timeout: Duration | None = None
    # Default: 5m.
    stream_idle_timeout: Duration | None = None


class ClientTimeout(Node):
    """Limits towards a client."""

    tcp: TCPClientTimeout | None = None
    http: HTTPClientTimeout | None = None
