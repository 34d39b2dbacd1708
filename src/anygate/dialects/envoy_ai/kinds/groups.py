"""The API groups of this dialect's kinds."""

AI_GATEWAY_GROUP = "aigateway.envoyproxy.io"

POOL_GROUP = "inference.networking.k8s.io"

OLD_POOL_GROUP = "inference.networking.x-k8s.io"
"""Where InferencePool lived before its v1."""
