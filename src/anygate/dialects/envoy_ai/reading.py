"""The passes of this dialect: what is derived before the Gateway API is read, and what is done with its model."""

from anygate.diagnostics import Report
from anygate.dialects.dialect import Expansion, ReadCache, Reading
from anygate.dialects.envoy_ai.advice import check_rules
from anygate.dialects.envoy_ai.backends import Destinations
from anygate.dialects.envoy_ai.context import Context, Part
from anygate.dialects.envoy_ai.credentials import Credentials
from anygate.dialects.envoy_ai.derive import Plan, derive_routes
from anygate.dialects.envoy_ai.gateways import Gateways
from anygate.dialects.envoy_ai.mcp import expand_mcp
from anygate.dialects.envoy_ai.pools import derive_service, list_used
from anygate.dialects.envoy_ai.unread import note_unread
from anygate.manifests.index import Index
from anygate.manifests.kind import Kind
from anygate.model import Model


def expand(index: Index, report: Report, cache: ReadCache) -> Expansion:
    """The HTTPRoutes that AIGatewayRoutes become, and the Services that stand for InferencePools.

    Routes are refined after the Gateway API is read, because policies that hold for the HTTPRoutes hold for what
    they are refined to.
    """
    context = Context(index, report, cache)
    note_unread(context)
    destinations = Destinations(context, Credentials(context))
    plans = derive_routes(context, destinations)
    for plan in plans.values():
        check_rules(context, plan)
    routes: list[Kind] = [plan.route for plan in plans.values()]
    services = [one for pool in list_used(context) for one in derive_service(context, pool)]
    mcp = expand_mcp(context)
    return Expansion((*routes, *services, *mcp.objects), lambda model: _refine(context, plans, mcp, model))


def _refine(context: Context, plans: dict[str, Plan], mcp: Part, model: Model) -> Reading:
    completed = mcp.refine(Gateways(context, plans, model).complete())
    return Reading(completed, context.conditions.render(context.list_refs()))
