"""The kinds of APISIX's ingress controller, each with its model, its versions and its scope."""

from collections.abc import Mapping
from types import MappingProxyType

from anygate.dialects.apisix.kinds.apisixclusterconfig import ApisixClusterConfig
from anygate.dialects.apisix.kinds.apisixconsumer import ApisixConsumer
from anygate.dialects.apisix.kinds.apisixroute import ApisixRoute
from anygate.dialects.apisix.kinds.apisixtls import ApisixTls
from anygate.dialects.apisix.kinds.apisixupstream import ApisixUpstream
from anygate.dialects.apisix.kinds.ingress import INGRESS_GROUP, Ingress, IngressClass
from anygate.dialects.apisix.kinds.plugins import APISIX_GROUP, ApisixGlobalRule, ApisixPluginConfig
from anygate.dialects.apisix.kinds.settings import SETTINGS_GROUP, SETTINGS_VERSIONS, ApisixSettings
from anygate.dialects.dialect import KindEntry
from anygate.dialects.openid_provider import OpenIdProvider

_V2 = ("v2",)

KINDS: Mapping[tuple[str, str], KindEntry] = MappingProxyType(
    {
        (APISIX_GROUP, "ApisixRoute"): KindEntry(ApisixRoute, _V2),
        (APISIX_GROUP, "ApisixUpstream"): KindEntry(ApisixUpstream, _V2),
        (APISIX_GROUP, "ApisixTls"): KindEntry(ApisixTls, _V2),
        (APISIX_GROUP, "ApisixPluginConfig"): KindEntry(ApisixPluginConfig, _V2),
        (APISIX_GROUP, "ApisixGlobalRule"): KindEntry(ApisixGlobalRule, _V2),
        (APISIX_GROUP, "ApisixConsumer"): KindEntry(ApisixConsumer, _V2),
        (APISIX_GROUP, "ApisixClusterConfig"): KindEntry(ApisixClusterConfig, _V2, namespaced=False),
        (INGRESS_GROUP, "Ingress"): KindEntry(Ingress, ("v1",)),
        (INGRESS_GROUP, "IngressClass"): KindEntry(IngressClass, ("v1",), namespaced=False),
        (SETTINGS_GROUP, "OpenIdProvider"): KindEntry(OpenIdProvider, SETTINGS_VERSIONS, namespaced=False),
        (SETTINGS_GROUP, "ApisixSettings"): KindEntry(ApisixSettings, SETTINGS_VERSIONS, namespaced=False),
    }
)
"""Every kind by API group and name."""
