"""The same names as `anygate.manifests.envoy_gateway.matches`, where this dialect looks for them."""

from anygate.manifests.envoy_gateway.matches import (
    Cidr,
    HttpStatus,
    Percent,
    StringMatch,
    UInt32,
)

__all__ = [
    "Cidr",
    "HttpStatus",
    "Percent",
    "StringMatch",
    "UInt32",
]
