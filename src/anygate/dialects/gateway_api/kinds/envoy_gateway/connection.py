"""The same names as `anygate.manifests.envoy_gateway.connection`, where this dialect looks for them."""

from anygate.manifests.envoy_gateway.connection import (
    DNS,
    BackendConnection,
    ClientConnection,
    ConnectionLimit,
    HTTP2KeepaliveSettings,
    HTTP2Settings,
    PreconnectPolicy,
    ProxyProtocol,
    TCPKeepalive,
)

__all__ = [
    "DNS",
    "BackendConnection",
    "ClientConnection",
    "ConnectionLimit",
    "HTTP2KeepaliveSettings",
    "HTTP2Settings",
    "PreconnectPolicy",
    "ProxyProtocol",
    "TCPKeepalive",
]
