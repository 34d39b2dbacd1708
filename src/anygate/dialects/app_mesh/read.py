"""Objects to model: the passes of this dialect in the order in which they must run."""

from anygate.diagnostics import Report
from anygate.dialects.app_mesh.context import Context
from anygate.dialects.app_mesh.gateway_routes import read_entrances
from anygate.dialects.app_mesh.gateways import read_gateways
from anygate.dialects.app_mesh.kinds import KINDS
from anygate.dialects.app_mesh.kinds.values import GROUP
from anygate.dialects.app_mesh.log_formats import check_log_formats
from anygate.dialects.app_mesh.membership import assign_meshes
from anygate.dialects.app_mesh.providers import Providers
from anygate.dialects.app_mesh.settings import read_settings
from anygate.dialects.app_mesh.sidecars import choose_sidecars, list_choices, read_sidecars
from anygate.dialects.app_mesh.unread import note_unread
from anygate.dialects.dialect import ReadCache, Reading
from anygate.manifests.index import Index
from anygate.model import Model


def read(index: Index, report: Report, cache: ReadCache) -> Reading:
    """Read all objects of this dialect, by the settings among them: sidecars if any are asked for, else gateways.

    What refers comes after what it refers to: what was refused refuses those who need it.
    """
    asked = next(list_choices(index), None)
    if asked is None and not any(index.all(group, kind) for group, kind in KINDS if group == GROUP):
        return Reading()
    context = Context(index, report, cache, read_settings(index))
    assign_meshes(context)
    choose_sidecars(context)
    providers = Providers(context)
    entrances = read_entrances(context, providers)
    gateways = read_sidecars(context, providers) if asked else read_gateways(context, entrances)
    note_unread(context)
    check_log_formats(context)
    model = Model(
        gateways=gateways,
        backends=tuple(cache.keep(context.backends[name]) for name in sorted(context.backends)),
        secrets=tuple(context.secrets[name] for name in sorted(context.secrets)),
    )
    return Reading(model, context.conditions.render(context.list_refs()))
