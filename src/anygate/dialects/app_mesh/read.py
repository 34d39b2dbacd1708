"""Objects to model: the passes of this dialect in the order in which they must run."""

from anygate.diagnostics import Report
from anygate.dialects.app_mesh.context import Context
from anygate.dialects.app_mesh.gateway_routes import read_entrances
from anygate.dialects.app_mesh.gateways import read_gateways
from anygate.dialects.app_mesh.kinds import KINDS
from anygate.dialects.app_mesh.kinds.values import GROUP
from anygate.dialects.app_mesh.membership import assign_meshes
from anygate.dialects.app_mesh.providers import Providers
from anygate.dialects.app_mesh.settings import read_settings
from anygate.dialects.app_mesh.unread import note_unread
from anygate.dialects.dialect import ReadCache, Reading
from anygate.manifests.index import Index
from anygate.model import Model


def read(index: Index, report: Report, cache: ReadCache) -> Reading:
    """Read all objects of this dialect, by the settings among them.

    What refers comes after what it refers to: what was refused refuses those who need it.
    """
    if not any(index.all(group, kind) for group, kind in KINDS if group == GROUP):
        return Reading()
    context = Context(index, report, cache, read_settings(index))
    note_unread(context)
    assign_meshes(context)
    providers = Providers(context)
    entrances = read_entrances(context, providers)
    gateways = read_gateways(context, entrances)
    model = Model(
        gateways=gateways,
        backends=tuple(cache.keep(context.backends[name]) for name in sorted(context.backends)),
        secrets=tuple(context.secrets[name] for name in sorted(context.secrets)),
    )
    return Reading(model, context.conditions.render(context.list_refs()))
