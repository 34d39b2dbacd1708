"""The same names as `anygate.manifests.envoy_gateway.timeout`, where this dialect looks for them."""

from anygate.manifests.envoy_gateway.timeout import (
    ClientTimeout,
    HTTPClientTimeout,
    HTTPTimeout,
    TCPClientTimeout,
    TCPTimeout,
    Timeout,
)

__all__ = [
    "ClientTimeout",
    "HTTPClientTimeout",
    "HTTPTimeout",
    "TCPClientTimeout",
    "TCPTimeout",
    "Timeout",
]
