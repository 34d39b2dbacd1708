"""Objects to model: the passes of this dialect in the order in which they must run."""

from anygate.diagnostics import Report
from anygate.dialects.apisix.consumers import read_consumers
from anygate.dialects.apisix.context import Context
from anygate.dialects.apisix.gateway import make_listeners
from anygate.dialects.apisix.hosts import read_hosts
from anygate.dialects.apisix.ingress import derive_objects
from anygate.dialects.apisix.kinds import KINDS
from anygate.dialects.apisix.kinds.plugins import APISIX_GROUP
from anygate.dialects.apisix.nodes import Nodes
from anygate.dialects.apisix.plugins.assembly import Assembly
from anygate.dialects.apisix.plugins.entries import list_global_entries
from anygate.dialects.apisix.routes import read_routes, read_stages
from anygate.dialects.apisix.settings import read_settings
from anygate.dialects.apisix.simulation import mark_models
from anygate.dialects.apisix.status import Conditions, render_ingresses
from anygate.dialects.apisix.streams import read_streams
from anygate.dialects.apisix.telemetry import read_collector, read_exporter
from anygate.dialects.dialect import ReadCache, Reading
from anygate.manifests.index import Index
from anygate.model import Model
from anygate.model.listener import Gateway


def read(index: Index, report: Report, cache: ReadCache) -> Reading:
    """Read all objects of this dialect, by the settings among them.

    An Ingress is read as the APISIX objects that it stands for. What refers comes after what it refers to: what was
    refused refuses those who need it.
    """
    settings = read_settings(index)
    conditions = Conditions()
    derived = derive_objects(index, settings, report, conditions)
    if derived:
        index = index.extended(derived)
    if not any(index.all(group, kind) for group, kind in KINDS if group == APISIX_GROUP):
        return Reading()
    context = Context(index, report, cache, settings, conditions)
    nodes = Nodes(context)
    assembly = Assembly(context, nodes, read_consumers(context), list_global_entries(context))
    routes = read_routes(context, nodes, assembly)
    hosts = read_hosts(context)
    stages = read_stages(context, assembly)
    listeners = (*make_listeners(context, routes, stages, hosts), *read_streams(context, nodes, hosts))
    first = [listeners[0].origin] if listeners else []
    gateway = tuple(
        Gateway(
            origin=one,
            name="apisix",
            listeners=listeners,
            stages=(*stages, *(context.copies[name] for name in sorted(context.copies))),
            exporter=read_exporter(context, listeners, one),
            collector=read_collector(context, listeners, one),
        )
        for one in first
    )
    backends = mark_models((*routes, *assembly.handed_over), context.backends)
    model = Model(
        gateways=gateway,
        backends=tuple(cache.keep(backends[name]) for name in sorted(backends)),
        secrets=tuple(context.secrets[name] for name in sorted(context.secrets)),
    )
    own = conditions.render(context.list_refs())
    return Reading(model, {**own, **render_ingresses(derived, conditions, settings.addresses)})
