"""The kinds that this dialect reads, each with its model, its versions and its scope."""

from collections.abc import Mapping
from types import MappingProxyType

from anygate.dialects.dialect import KindEntry
from anygate.dialects.gateway_api.kinds.backendlbpolicy import BackendLBPolicy
from anygate.dialects.gateway_api.kinds.backendtlspolicy import BackendTLSPolicy
from anygate.dialects.gateway_api.kinds.envoy_gateway.backend import Backend
from anygate.dialects.gateway_api.kinds.envoy_gateway.backendtrafficpolicy import BackendTrafficPolicy
from anygate.dialects.gateway_api.kinds.envoy_gateway.clienttrafficpolicy import ClientTrafficPolicy
from anygate.dialects.gateway_api.kinds.envoy_gateway.envoyproxy import (
    EnvoyExtensionPolicy,
    EnvoyPatchPolicy,
    EnvoyProxy,
)
from anygate.dialects.gateway_api.kinds.envoy_gateway.httproutefilter import HTTPRouteFilter
from anygate.dialects.gateway_api.kinds.envoy_gateway.securitypolicy import SecurityPolicy
from anygate.dialects.gateway_api.kinds.gateway import Gateway
from anygate.dialects.gateway_api.kinds.gatewayclass import GatewayClass
from anygate.dialects.gateway_api.kinds.grpcroute import GRPCRoute
from anygate.dialects.gateway_api.kinds.httproute import HTTPRoute
from anygate.dialects.gateway_api.kinds.l4route import TCPRoute, UDPRoute
from anygate.dialects.gateway_api.kinds.listenerset import ListenerSet, XListenerSet
from anygate.dialects.gateway_api.kinds.references import (
    ENVOY_GATEWAY_GROUP,
    EXPERIMENTAL_GROUP,
    GATEWAY_API_GROUP,
)
from anygate.dialects.gateway_api.kinds.tlsroute import TLSRoute
from anygate.dialects.gateway_api.kinds.xbackendtrafficpolicy import XBackendTrafficPolicy

_V1ALPHA1 = ("v1alpha1",)

KINDS: Mapping[tuple[str, str], KindEntry] = MappingProxyType(
    {
        (GATEWAY_API_GROUP, "GatewayClass"): KindEntry(GatewayClass, ("v1", "v1beta1"), namespaced=False),
        (GATEWAY_API_GROUP, "Gateway"): KindEntry(Gateway, ("v1", "v1beta1")),
        (GATEWAY_API_GROUP, "ListenerSet"): KindEntry(ListenerSet, ("v1",)),
        (EXPERIMENTAL_GROUP, "XListenerSet"): KindEntry(XListenerSet, _V1ALPHA1),
        (GATEWAY_API_GROUP, "HTTPRoute"): KindEntry(HTTPRoute, ("v1", "v1beta1")),
        (GATEWAY_API_GROUP, "GRPCRoute"): KindEntry(GRPCRoute, ("v1", "v1alpha2")),
        (GATEWAY_API_GROUP, "TLSRoute"): KindEntry(TLSRoute, ("v1", "v1alpha3", "v1alpha2")),
        (GATEWAY_API_GROUP, "TCPRoute"): KindEntry(TCPRoute, ("v1", "v1alpha2")),
        (GATEWAY_API_GROUP, "UDPRoute"): KindEntry(UDPRoute, ("v1", "v1alpha2")),
        (GATEWAY_API_GROUP, "BackendTLSPolicy"): KindEntry(BackendTLSPolicy, ("v1", "v1alpha3", "v1alpha2")),
        (GATEWAY_API_GROUP, "BackendLBPolicy"): KindEntry(BackendLBPolicy, ("v1alpha2",)),
        (EXPERIMENTAL_GROUP, "XBackendTrafficPolicy"): KindEntry(XBackendTrafficPolicy, _V1ALPHA1),
        (ENVOY_GATEWAY_GROUP, "Backend"): KindEntry(Backend, _V1ALPHA1),
        (ENVOY_GATEWAY_GROUP, "BackendTrafficPolicy"): KindEntry(BackendTrafficPolicy, _V1ALPHA1),
        (ENVOY_GATEWAY_GROUP, "ClientTrafficPolicy"): KindEntry(ClientTrafficPolicy, _V1ALPHA1),
        (ENVOY_GATEWAY_GROUP, "SecurityPolicy"): KindEntry(SecurityPolicy, _V1ALPHA1),
        (ENVOY_GATEWAY_GROUP, "HTTPRouteFilter"): KindEntry(HTTPRouteFilter, _V1ALPHA1),
        (ENVOY_GATEWAY_GROUP, "EnvoyProxy"): KindEntry(EnvoyProxy, _V1ALPHA1),
        (ENVOY_GATEWAY_GROUP, "EnvoyPatchPolicy"): KindEntry(EnvoyPatchPolicy, _V1ALPHA1),
        (ENVOY_GATEWAY_GROUP, "EnvoyExtensionPolicy"): KindEntry(EnvoyExtensionPolicy, _V1ALPHA1),
    }
)
"""Every kind by API group and name."""
