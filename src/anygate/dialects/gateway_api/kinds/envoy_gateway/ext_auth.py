"""The same names as `anygate.manifests.envoy_gateway.ext_auth`, where this dialect looks for them."""

from anygate.manifests.envoy_gateway.ext_auth import (
    BodyToExtAuth,
    ContextExtension,
    ExtAuth,
    GRPCExtAuthService,
    HTTPExtAuthService,
    LocalObjectKeyReference,
)

__all__ = [
    "BodyToExtAuth",
    "ContextExtension",
    "ExtAuth",
    "GRPCExtAuthService",
    "HTTPExtAuthService",
    "LocalObjectKeyReference",
]
