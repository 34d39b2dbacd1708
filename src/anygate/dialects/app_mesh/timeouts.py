"""How long a request may take: as its route says, and as the nodes that it leads to say where nobody else would."""

from datetime import timedelta

from anygate.diagnostics import FieldPath
from anygate.dialects.app_mesh.context import Context
from anygate.dialects.app_mesh.findings import CAPPED
from anygate.dialects.app_mesh.providers import Plan
from anygate.model.route import Timeouts

TCP_IDLE = timedelta(seconds=300)
"""How long a connection may be silent unless somebody says otherwise; Envoy's own is an hour."""


def read_timeouts(context: Context, plan: Plan) -> Timeouts:
    """The limits of a route, and of the nodes it leads to: without a proxy beside them nobody else would keep those."""
    request, idle = plan.request, plan.idle
    for target in plan.targets:
        if target.node.ref in context.sidecars:
            continue
        listener = target.node.spec.listeners[target.number]
        protocol = listener.port_mapping.protocol
        own = getattr(listener.timeout, protocol, None)
        path: FieldPath = ("spec", "listeners", target.number, "timeout", protocol)
        wanted = getattr(own, "per_request", None)
        if wanted is not None and _is_tighter(wanted.span, request):
            request = wanted.span
            context.note(CAPPED, "the routes to this listener take this limit", target.node.kind, (*path, "perRequest"))
        silence = getattr(own, "idle", None)
        if silence is not None and _is_tighter(silence.span, idle):
            idle = silence.span
            context.note(CAPPED, "the routes to this listener take this limit", target.node.kind, (*path, "idle"))
    return Timeouts(request=request, stream_idle=idle, attempt=None if plan.retry else plan.attempt)


def _is_tighter(limit: timedelta, other: timedelta | None) -> bool:
    """Whether a limit is below another; 0 is none."""
    return bool(limit) and (not other or limit < other)
