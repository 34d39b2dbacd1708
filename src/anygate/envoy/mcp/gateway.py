"""The way to the MCP gateway: its cluster, and what the route of an MCP endpoint tells it."""

from datetime import timedelta
from typing import Any

from anygate.envoy.api import build, typed
from anygate.envoy.bounds import build_no_bounds
from anygate.envoy.edits import build_header_fields
from anygate.envoy.filters.jwt import NAME as JWT_CLAIMS
from anygate.envoy.names import MCP_GATEWAY
from anygate.envoy.refusal import CannotBuild
from anygate.envoy.texts import literal
from anygate.model.mcp import Mcp
from anygate.model.root import Model
from anygate.model.route import BackendTarget, HttpRule
from anygate.providers.mcp.order import CLAIMS_HEADER, write_order

_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_LEAST_REQUEST = "envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest"


def has_mcp(model: Model) -> bool:
    """Whether any backend is an MCP server."""
    return any(backend.mcp for backend in model.backends)


def build_mcp_cluster(sockets: tuple[str, ...]) -> Any:
    """Build the cluster of the gateway's workers. There are no bounds: each stream of notifications is a request."""
    endpoints = [{"endpoint": {"address": {"pipe": {"path": path}}}} for path in sockets]
    return build(
        "envoy.config.cluster.v3.Cluster",
        name=MCP_GATEWAY,
        type="STATIC",
        connect_timeout=timedelta(seconds=5),
        load_assignment={"cluster_name": MCP_GATEWAY, "endpoints": [{"lb_endpoints": endpoints}]},
        load_balancing_policy={
            "policies": [{"typed_extension_config": {"name": "least_request", "typed_config": typed(_LEAST_REQUEST)}}]
        },
        circuit_breakers=build_no_bounds(),
        typed_extension_protocol_options={
            _OPTIONS: typed(_OPTIONS, explicit_http_config={"http_protocol_options": {}})
        },
    )


def build_mcp_fields(rule: HttpRule, mcp: Mcp, targets: tuple[BackendTarget, ...], action: dict[str, Any]) -> Any:
    """Build the Route fields of an MCP endpoint: `action` to the gateway, with its order.

    The claims of the token come as Envoy has checked them: a client's own header of that name is replaced, and where
    no token is asked for the gateway does not look at it.
    """
    if len(targets) != len(mcp.servers):
        raise CannotBuild(mcp.origin, "an MCP endpoint needs a target for each of its servers")
    edits = build_header_fields(rule.request_headers, "request", rule.origin)
    order = [_set(name, value) for name, value in write_order(mcp, [target.backend for target in targets])]
    if mcp.jwt_provider:
        order.append(_set(CLAIMS_HEADER, f"%DYNAMIC_METADATA({JWT_CLAIMS}:{literal(mcp.jwt_provider)})%"))
    edits["request_headers_to_add"] = [*edits.get("request_headers_to_add", ()), *order]
    return {
        "route": {**action, "cluster": MCP_GATEWAY},
        **build_header_fields(rule.response_headers, "response", rule.origin),
        **edits,
    }


def _set(name: str, value: str) -> Any:
    return build(
        "envoy.config.core.v3.HeaderValueOption",
        header={"key": name, "value": value},
        append_action="OVERWRITE_IF_EXISTS_OR_ADD",
    )
