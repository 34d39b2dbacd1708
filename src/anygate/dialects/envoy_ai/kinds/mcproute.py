"""MCPRoute: several MCP servers behind one endpoint."""

from typing import ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from anygate.dialects.envoy_ai.kinds.groups import AI_GATEWAY_GROUP
from anygate.dialects.envoy_ai.kinds.mcpsecurity import (
    MCPBackendSelector,
    MCPRouteBackendTrafficPolicy,
    MCPRouteSecurityPolicy,
)
from anygate.dialects.envoy_ai.kinds.mcpselectors import (
    MCPBackendSecurityPolicy,
    MCPHeaderForward,
    MCPNameFilter,
)
from anygate.dialects.envoy_ai.kinds.parents import GatewayParents, HeaderMatches
from anygate.manifests.fields import Hostname, Many
from anygate.manifests.kind import Kind, Node
from anygate.manifests.references import BackendObjectReference, ParentReference
from anygate.manifests.sequences import NonEmpty
from anygate.manifests.violations import Violations

PrefixMode = Literal["Always", "Never"]


class MCPRouteBackendRef(BackendObjectReference):
    """An MCP server, what is shown of it and how it is reached."""

    path: str = Field(default="/mcp", max_length=1024)
    tool_selector: MCPNameFilter | None = None
    prompt_selector: MCPNameFilter | None = None
    security_policy: MCPBackendSecurityPolicy | None = None
    forward_headers: Many[MCPHeaderForward] = Field(default=(), max_length=32)
    # Default: the route's.
    prefix_mode: PrefixMode | None = None


class MCPRouteSpec(Node):
    """Gateways, what requests match, servers and who may use them."""

    parent_refs: GatewayParents = Field(max_length=16)
    path: str = Field(default="/mcp", max_length=1024)
    headers: HeaderMatches = Field(default=(), max_length=16)
    hostnames: Many[Hostname] = Field(default=(), max_length=16)
    backend_refs: NonEmpty[MCPRouteBackendRef] = Field(max_length=256)
    security_policy: MCPRouteSecurityPolicy | None = None
    backend_traffic_policy: MCPRouteBackendTrafficPolicy | None = None
    backend_selector: MCPBackendSelector | None = None
    # Always: names of tools and prompts get `<backend>__` in front.
    prefix_mode: PrefixMode = "Always"

    @field_validator("parent_refs")
    @classmethod
    def _check_presence(cls, parents: tuple[ParentReference, ...]) -> tuple[ParentReference, ...]:
        found = Violations()
        if not parents:
            found.add("expected at least one entry")
        found.refuse()
        return parents

    @field_validator("backend_refs")
    @classmethod
    def _check_backends(cls, backends: tuple[MCPRouteBackendRef, ...]) -> tuple[MCPRouteBackendRef, ...]:
        found = Violations()
        if len({backend.name for backend in backends}) < len(backends):
            found.add("all backendRefs names must be unique")
        found.refuse()
        return backends

    @model_validator(mode="after")
    def _check_bare_names(self) -> Self:
        """Tools without a prefix must be known, so that no two servers have one of the same name."""
        found = Violations()
        tools: dict[str, str] = {}
        for index, backend in enumerate(self.backend_refs):
            if (backend.prefix_mode or self.prefix_mode) != "Never":
                continue
            if backend.tool_selector is None or backend.tool_selector.include is None:
                found.add("prefixMode Never requires toolSelector.include", "backendRefs", index)
                continue
            for place, tool in enumerate(backend.tool_selector.include):
                owner = tools.setdefault(tool, backend.name)
                if owner != backend.name:
                    at = ("backendRefs", index, "toolSelector", "include", place)
                    found.add(f'without a prefix, tool "{tool}" is also one of {owner}', *at, code="duplicate")
        found.refuse()
        return self


class MCPRoute(Kind):
    """Routes MCP requests (v1beta1 and v1alpha1)."""

    GROUP: ClassVar[str] = AI_GATEWAY_GROUP
    KIND: ClassVar[str] = "MCPRoute"
    PRUNES_UNKNOWN: ClassVar[bool] = True

    spec: MCPRouteSpec
