"""Limits on what is in flight towards a backend."""

from pydantic import Field

from anygate.manifests.envoy_gateway.matches import UInt32
from anygate.manifests.http import Fraction
from anygate.manifests.kind import Node


class PerEndpointCircuitBreakers(Node):
    """Limits for each endpoint."""

    max_connections: UInt32 = 1024


class RetryBudget(Node):
    """Retries as a share of the requests in flight; replaces maxParallelRetries."""

    percent: Fraction
    # Default: 3.
    min_retry_concurrency: int | None = Field(default=None, ge=0)


class CircuitBreaker(Node):
    """Limits for the backend as a whole."""

    max_connections: UInt32 = 1024
    max_pending_requests: UInt32 = 1024
    max_parallel_requests: UInt32 = 1024
    max_parallel_retries: UInt32 = 1024
    # Default: unlimited.
    max_requests_per_connection: UInt32 | None = None
    per_endpoint: PerEndpointCircuitBreakers | None = None
    retry_budget: RetryBudget | None = None
