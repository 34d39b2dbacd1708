"""The kinds that this dialect reads, each with its model and its versions."""

from collections.abc import Mapping
from types import MappingProxyType

from anygate.dialects.dialect import KindEntry
from anygate.dialects.envoy_ai.kinds.aigatewayroute import AIGatewayRoute, AIGatewayRouteV1Alpha1
from anygate.dialects.envoy_ai.kinds.aiservicebackend import AIServiceBackend, AIServiceBackendV1Alpha1
from anygate.dialects.envoy_ai.kinds.backendsecuritypolicy import (
    BackendSecurityPolicy,
    BackendSecurityPolicyV1Alpha1,
)
from anygate.dialects.envoy_ai.kinds.gatewayconfig import GatewayConfig
from anygate.dialects.envoy_ai.kinds.groups import AI_GATEWAY_GROUP, OLD_POOL_GROUP, POOL_GROUP
from anygate.dialects.envoy_ai.kinds.inferencepool import InferencePool, InferencePoolV1Alpha2
from anygate.dialects.envoy_ai.kinds.mcproute import MCPRoute
from anygate.dialects.envoy_ai.kinds.quotapolicy import QuotaPolicy

_V1BETA1 = ("v1beta1",)
_BOTH = ("v1beta1", "v1alpha1")

KINDS: Mapping[tuple[str, str], KindEntry] = MappingProxyType(
    {
        (AI_GATEWAY_GROUP, "AIGatewayRoute"): KindEntry(
            AIGatewayRoute, _V1BETA1, older={"v1alpha1": AIGatewayRouteV1Alpha1}
        ),
        (AI_GATEWAY_GROUP, "AIServiceBackend"): KindEntry(
            AIServiceBackend, _V1BETA1, older={"v1alpha1": AIServiceBackendV1Alpha1}
        ),
        (AI_GATEWAY_GROUP, "BackendSecurityPolicy"): KindEntry(
            BackendSecurityPolicy, _V1BETA1, older={"v1alpha1": BackendSecurityPolicyV1Alpha1}
        ),
        (AI_GATEWAY_GROUP, "GatewayConfig"): KindEntry(GatewayConfig, _BOTH),
        (AI_GATEWAY_GROUP, "MCPRoute"): KindEntry(MCPRoute, _BOTH),
        (AI_GATEWAY_GROUP, "QuotaPolicy"): KindEntry(QuotaPolicy, ("v1alpha1",)),
        (POOL_GROUP, "InferencePool"): KindEntry(InferencePool, ("v1",)),
        (OLD_POOL_GROUP, "InferencePool"): KindEntry(InferencePoolV1Alpha2, ("v1alpha2",)),
    }
)
"""Every kind by API group and name."""
