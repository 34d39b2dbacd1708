"""The same names as `anygate.manifests.envoy_gateway.load_balancer`, where this dialect looks for them."""

from anygate.manifests.envoy_gateway.load_balancer import (
    BackendUtilization,
    ConsistentHash,
    DynamicModuleLBPolicy,
    EndpointOverride,
    EndpointOverrideExtractFrom,
    ForceLocalZone,
    HashCookie,
    HashHeader,
    HashQueryParam,
    LoadBalancer,
    PreferLocalZone,
    SlowStart,
    WeightedZoneConfig,
    ZoneAware,
)

__all__ = [
    "BackendUtilization",
    "ConsistentHash",
    "DynamicModuleLBPolicy",
    "EndpointOverride",
    "EndpointOverrideExtractFrom",
    "ForceLocalZone",
    "HashCookie",
    "HashHeader",
    "HashQueryParam",
    "LoadBalancer",
    "PreferLocalZone",
    "SlowStart",
    "WeightedZoneConfig",
    "ZoneAware",
]
