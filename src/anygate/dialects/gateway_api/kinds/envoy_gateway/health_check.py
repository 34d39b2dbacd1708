"""The same names as `anygate.manifests.envoy_gateway.health_check`, where this dialect looks for them."""

from anygate.manifests.envoy_gateway.health_check import (
    ActiveHealthCheck,
    ActiveHealthCheckPayload,
    GRPCActiveHealthChecker,
    HealthCheck,
    HealthCheckOverrides,
    HTTPActiveHealthChecker,
    PassiveHealthCheck,
    TCPActiveHealthChecker,
)

__all__ = [
    "ActiveHealthCheck",
    "ActiveHealthCheckPayload",
    "GRPCActiveHealthChecker",
    "HTTPActiveHealthChecker",
    "HealthCheck",
    "HealthCheckOverrides",
    "PassiveHealthCheck",
    "TCPActiveHealthChecker",
]
