"""Objects to model: the passes of this dialect in the order in which they must run."""

from anygate.diagnostics import Report
from anygate.dialects.dialect import ReadCache, Reading
from anygate.dialects.gateway_api.assembly import assemble
from anygate.dialects.gateway_api.attachment import Attacher
from anygate.dialects.gateway_api.backends import Backends
from anygate.dialects.gateway_api.classes import read_classes
from anygate.dialects.gateway_api.context import Context
from anygate.dialects.gateway_api.http_routes import read_http_routes
from anygate.dialects.gateway_api.listener_tls import read_listener_tls
from anygate.dialects.gateway_api.listeners import finish_status, read_gateways
from anygate.dialects.gateway_api.stream_routes import read_stream_routes
from anygate.dialects.gateway_api.unread import note_unread_kinds
from anygate.manifests.index import Index
from anygate.model import Model


def read(index: Index, report: Report, cache: ReadCache) -> Reading:
    """Read all objects of this dialect.

    Listeners come first, for routes attach only to valid ones; policies come last, for they change what
    listeners and attached routes do.
    """
    context = Context(index, report, cache)
    read_classes(context)
    note_unread_kinds(context)
    drafts = read_gateways(context)
    read_listener_tls(context, drafts)
    attacher = Attacher(context, drafts)
    backends = Backends(context)
    read_http_routes(context, attacher, backends)
    read_stream_routes(context, attacher, backends)
    gateways = assemble(context, drafts, backends)
    finish_status(context, drafts)
    model = Model(
        gateways=gateways,
        backends=tuple(cache.keep(context.backends[name]) for name in sorted(context.backends)),
        secrets=tuple(context.secrets[name] for name in sorted(context.secrets)),
    )
    return Reading(model, context.status.render(context.reached_by))
