"""Everything that governs traffic to a backend, and backends that a policy itself calls."""

from anygate.manifests.envoy_gateway.circuit_breaker import CircuitBreaker
from anygate.manifests.envoy_gateway.connection import (
    DNS,
    BackendConnection,
    HTTP2Settings,
    ProxyProtocol,
    TCPKeepalive,
)
from anygate.manifests.envoy_gateway.health_check import HealthCheck
from anygate.manifests.envoy_gateway.load_balancer import LoadBalancer
from anygate.manifests.envoy_gateway.retry import Retry
from anygate.manifests.envoy_gateway.timeout import Timeout
from anygate.manifests.fields import Many
from anygate.manifests.kind import Node
from anygate.manifests.references import BackendObjectReference, BackendRef
from anygate.manifests.violations import Violations


class ClusterSettings(Node):
    """Settings of the connections and requests to a backend."""

    # Default: LeastRequest.
    load_balancer: LoadBalancer | None = None
    # Absent: no retries.
    retry: Retry | None = None
    proxy_protocol: ProxyProtocol | None = None
    tcp_keepalive: TCPKeepalive | None = None
    health_check: HealthCheck | None = None
    circuit_breaker: CircuitBreaker | None = None
    timeout: Timeout | None = None
    connection: BackendConnection | None = None
    dns: DNS | None = None
    http2: HTTP2Settings | None = None


class FallbackBackendRef(BackendRef):
    """A backend that may be for emergencies only."""

    fallback: bool | None = None


class BackendCluster(Node):
    """Backends that the gateway calls on its own account."""

    # Deprecated form of one backend.
    backend_ref: BackendObjectReference | None = None
    backend_refs: Many[FallbackBackendRef] = ()
    backend_settings: ClusterSettings | None = None


def check_fetch(found: Violations, cluster: BackendCluster) -> None:
    """Refuse what is not supported for documents that Envoy fetches (key sets, OIDC endpoints)."""
    if cluster.backend_ref is not None:
        found.add("use backendRefs instead of backendRef", "backendRef", code="forbidden")
    retry = cluster.backend_settings.retry if cluster.backend_settings else None
    if retry is None:
        return
    if retry.per_retry is not None and retry.per_retry.timeout is not None:
        at = ("backendSettings", "retry", "perRetry", "timeout")
        found.add("a timeout per retry is not supported here", *at, code="forbidden")
    if retry.retry_on is not None and retry.retry_on.http_status_codes:
        at = ("backendSettings", "retry", "retryOn", "httpStatusCodes")
        found.add("status codes are not supported here", *at, code="forbidden")
