"""The same names as `anygate.manifests.envoy_gateway.cluster_settings`, where this dialect looks for them."""

from anygate.manifests.envoy_gateway.cluster_settings import (
    BackendCluster,
    ClusterSettings,
    FallbackBackendRef,
    check_fetch,
)

__all__ = [
    "BackendCluster",
    "ClusterSettings",
    "FallbackBackendRef",
    "check_fetch",
]
