"""The same names as `anygate.manifests.envoy_gateway.circuit_breaker`, where this dialect looks for them."""

from anygate.manifests.envoy_gateway.circuit_breaker import (
    CircuitBreaker,
    PerEndpointCircuitBreakers,
    RetryBudget,
)

__all__ = [
    "CircuitBreaker",
    "PerEndpointCircuitBreakers",
    "RetryBudget",
]
