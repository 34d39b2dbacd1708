"""No bounds for clusters of our own: what is behind them has bounds itself, and Envoy's own 1024 would refuse the rest.

Reference: envoy/config/cluster/v3/circuit_breaker.proto.
"""

from typing import Any

from anygate.envoy.api import build, uint32

UNBOUNDED = 2**32 - 1
_BOUNDS = ("max_connections", "max_pending_requests", "max_requests", "max_retries")


def build_no_bounds() -> Any:
    """Build CircuitBreakers that break nothing."""
    return build(
        "envoy.config.cluster.v3.CircuitBreakers", thresholds=[{bound: uint32(UNBOUNDED) for bound in _BOUNDS}]
    )
