"""The same names as `anygate.manifests.envoy_gateway.retry`, where this dialect looks for them."""

from anygate.manifests.envoy_gateway.retry import (
    BackOffPolicy,
    PerRetryPolicy,
    Retry,
    RetryOn,
    RetryTrigger,
)

__all__ = [
    "BackOffPolicy",
    "PerRetryPolicy",
    "Retry",
    "RetryOn",
    "RetryTrigger",
]
