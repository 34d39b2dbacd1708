"""The kinds that this dialect reads, each with its model and its versions."""

from collections.abc import Mapping
from types import MappingProxyType

from anygate.dialects.dialect import KindEntry
from anygate.dialects.nantian.kinds.aiservice import AIService
from anygate.dialects.nantian.kinds.tokenpolicy import TokenPolicy
from anygate.dialects.nantian.kinds.values import GROUP, VERSIONS
from anygate.dialects.nantian.kinds.wasmplugin import WasmPlugin

KINDS: Mapping[tuple[str, str], KindEntry] = MappingProxyType(
    {
        (GROUP, "AIService"): KindEntry(AIService, VERSIONS),
        (GROUP, "TokenPolicy"): KindEntry(TokenPolicy, VERSIONS),
        (GROUP, "WasmPlugin"): KindEntry(WasmPlugin, VERSIONS),
    }
)
"""Every kind by API group and name."""
