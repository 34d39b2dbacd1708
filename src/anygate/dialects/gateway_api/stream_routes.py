"""TCPRoute, UDPRoute and TLSRoute: whole connections to backends."""

from anygate.diagnostics import FieldPath
from anygate.dialects.gateway_api.attachment import Attacher
from anygate.dialects.gateway_api.backends import Backends
from anygate.dialects.gateway_api.context import GATEWAY_API, Context, Fault, origin, ref_of
from anygate.dialects.gateway_api.findings import NOT_HONOURED
from anygate.dialects.gateway_api.listeners import ListenerDraft
from anygate.dialects.gateway_api.status import note
from anygate.manifests.kind import Kind, oldest_first
from anygate.model.route import BackendTarget, StreamRoute


def read_stream_routes(context: Context, attacher: Attacher, backends: Backends) -> None:
    """Read every stream route, oldest first, and attach it."""
    for kind in ("TLSRoute", "TCPRoute", "UDPRoute"):
        items = context.index.all(GATEWAY_API, kind)
        for item in oldest_first(items):
            hostnames = item.spec.hostnames if kind == "TLSRoute" else ()
            parents = attacher.attach(item.manifest, item.spec, hostnames)
            faults: list[tuple[FieldPath, Fault]] = []
            routes = _read_rules(context, item, backends, faults)
            for path, fault in faults:
                context.add(fault.rule, fault.message, item.manifest, path, hint=fault.hint)
            for parent in parents:
                for _, fault in faults[:1]:
                    note(parent.section, "ResolvedRefs", False, fault.reason, fault.message)
                note(parent.section, "ResolvedRefs", True, "ResolvedRefs")
                for listener in parent.listeners:
                    _attach(context, item, listener, routes)


def _read_rules(
    context: Context, item: Kind, backends: Backends, faults: list[tuple[FieldPath, Fault]]
) -> tuple[StreamRoute, ...]:
    manifest, spec = item.manifest, item.spec
    protocol = "udp" if manifest.ref.kind == "UDPRoute" else "tcp"
    routes = []
    for number, rule in enumerate(spec.rules):
        targets = []
        for place, reference in enumerate(rule.backend_refs):
            path: FieldPath = ("spec", "rules", number, "backendRefs", place)
            if context.tracks_backends:
                context.note_reach(manifest.ref, ref_of(reference, manifest.namespace, "", "Service"))
            outcome = backends.resolve(reference, manifest.ref, protocol)
            here = origin(manifest, path)
            if isinstance(outcome, Fault):
                faults.append((path, outcome))
                targets.append(BackendTarget(origin=here, weight=reference.weight, reason=outcome.message))
            else:
                targets.append(BackendTarget(origin=here, backend=outcome.backend, weight=reference.weight))
        routes.append(
            StreamRoute(
                origin=origin(manifest, ("spec", "rules", number)),
                name=f"{manifest.ref.namespace}/{manifest.ref.name}",
                kind=manifest.ref.kind,
                targets=tuple(targets),
                hostnames=tuple(spec.hostnames) if manifest.ref.kind == "TLSRoute" else (),
                created=manifest.creation_timestamp or "",
                rule=rule.name or str(number),
            )
        )
    return tuple(routes)


def _attach(context: Context, item: Kind, listener: ListenerDraft, routes: tuple[StreamRoute, ...]) -> None:
    """Hand routes to a listener. Raw TCP and UDP cannot be told apart, so there the oldest route has it all."""
    taken = listener.streams and (listener.protocol in ("TCP", "UDP") or item.manifest.ref.kind == "TCPRoute")
    if taken:
        first = listener.streams[0]
        context.add(
            NOT_HONOURED,
            f"listener {listener.spec.name} already sends everything to {first.kind} {first.name}",
            item.manifest,
            ("spec", "parentRefs"),
        )
        return
    listener.streams.extend(routes)
