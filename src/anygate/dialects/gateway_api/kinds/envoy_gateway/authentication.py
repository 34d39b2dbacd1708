"""The same names as `anygate.manifests.envoy_gateway.authentication`, where this dialect looks for them."""

from anygate.manifests.envoy_gateway.authentication import (
    CORS,
    APIKeyAuth,
    BasicAuth,
    ExtractFrom,
    Name,
    Origin,
)

__all__ = [
    "CORS",
    "APIKeyAuth",
    "BasicAuth",
    "ExtractFrom",
    "Name",
    "Origin",
]
