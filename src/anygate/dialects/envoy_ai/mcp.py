"""MCPRoute: derived before the Gateway API is read, and made into MCP endpoints when its model is there."""

from anygate.dialects.envoy_ai.context import Context, Part
from anygate.dialects.envoy_ai.mcp_derive import derive_mcp_routes
from anygate.dialects.envoy_ai.mcp_refine import McpRefiner
from anygate.manifests.kind import Kind


def expand_mcp(context: Context) -> Part:
    """What MCP routes become in the words of the Gateway API, and how that becomes MCP endpoints.

    Keys of servers go into the context's secrets. Refined last: policies, and what AI routes need, are in by then.
    """
    plans = derive_mcp_routes(context)
    routes: list[Kind] = [plan.route for plan in plans.values()]
    policies = [plan.policy for plan in plans.values() if plan.policy is not None]
    return Part((*routes, *policies), lambda model: McpRefiner(context, plans, model).complete())
