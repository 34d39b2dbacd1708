"""The passes of this dialect: all of them change what the Gateway API's routes do, once those are read."""

import msgspec

from anygate.diagnostics import Report
from anygate.dialects.dialect import Expansion, ReadCache, Reading
from anygate.dialects.nantian.ai_rules import refine_model
from anygate.dialects.nantian.aiservices import Usable, read_services
from anygate.dialects.nantian.context import Context
from anygate.dialects.nantian.standins import list_standins
from anygate.dialects.nantian.tokens import add_token_policies
from anygate.dialects.nantian.wasm import add_plugins
from anygate.manifests.index import Index
from anygate.model import Model


def expand(index: Index, report: Report, cache: ReadCache) -> Expansion:
    """What stands in for AIServices, and what is done with the model of the routes that these objects are for."""
    context = Context(index, report, cache)
    services = read_services(context)
    usable = {place: one for place, one in services.items() if isinstance(one, Usable)}
    return Expansion((), lambda model: _refine(context, usable, model), list_standins(context, services))


def _refine(context: Context, services: dict[tuple[str, str], Usable], model: Model) -> Reading:
    refined = refine_model(context, services, model) if services else model
    completed = add_plugins(context, add_token_policies(context, refined))
    secrets = {one.name: one for one in completed.secrets} | context.secrets
    completed = msgspec.structs.replace(completed, secrets=tuple(secrets[name] for name in sorted(secrets)))
    return Reading(completed, context.conditions.render(context.list_refs()))
