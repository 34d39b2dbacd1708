"""The kinds that this dialect reads, each with its model and its versions."""

from collections.abc import Mapping
from types import MappingProxyType

from anygate.dialects.app_mesh.kinds.backendgroup import BackendGroup
from anygate.dialects.app_mesh.kinds.gatewayroute import GatewayRoute
from anygate.dialects.app_mesh.kinds.mesh import Mesh
from anygate.dialects.app_mesh.kinds.settings import SETTINGS_GROUP, SETTINGS_VERSIONS, AppMeshSettings
from anygate.dialects.app_mesh.kinds.values import GROUP, LEGACY_VERSIONS
from anygate.dialects.app_mesh.kinds.virtualgateway import VirtualGateway
from anygate.dialects.app_mesh.kinds.virtualnode import VirtualNode
from anygate.dialects.app_mesh.kinds.virtualrouter import Route, VirtualRouter
from anygate.dialects.app_mesh.kinds.virtualservice import VirtualService
from anygate.dialects.dialect import KindEntry

_NEW = ("v1beta2",)
_ALL = (*_NEW, *LEGACY_VERSIONS)

KINDS: Mapping[tuple[str, str], KindEntry] = MappingProxyType(
    {
        (GROUP, "Mesh"): KindEntry(Mesh, _ALL, namespaced=False),
        (GROUP, "VirtualNode"): KindEntry(VirtualNode, _ALL),
        (GROUP, "VirtualService"): KindEntry(VirtualService, _ALL),
        (GROUP, "VirtualRouter"): KindEntry(VirtualRouter, _NEW),
        (GROUP, "VirtualGateway"): KindEntry(VirtualGateway, _NEW),
        (GROUP, "GatewayRoute"): KindEntry(GatewayRoute, _NEW),
        (GROUP, "BackendGroup"): KindEntry(BackendGroup, _NEW),
        # No cluster has it, but manuals do.
        (GROUP, "Route"): KindEntry(Route, _NEW),
        (SETTINGS_GROUP, "AppMeshSettings"): KindEntry(AppMeshSettings, SETTINGS_VERSIONS, namespaced=False),
    }
)
"""Every kind by API group and name."""
