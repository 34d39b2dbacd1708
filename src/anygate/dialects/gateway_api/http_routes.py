"""HTTPRoute and GRPCRoute: rules read into the model, and the routes handed to the listeners they attach to."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from anygate.diagnostics import FieldPath, ObjectRef
from anygate.dialects.derived import DerivedBackendRef, LostReference
from anygate.dialects.gateway_api.attachment import Attacher
from anygate.dialects.gateway_api.backends import Backends, Resolved, Wanted, want
from anygate.dialects.gateway_api.context import GATEWAY_API, Context, Fault, origin
from anygate.dialects.gateway_api.extension import read_extension
from anygate.dialects.gateway_api.findings import NOT_HONOURED
from anygate.dialects.gateway_api.matches import read_grpc_match, read_http_match, with_cookies
from anygate.dialects.gateway_api.route_filters import (
    Edits,
    Outcomes,
    find_extension,
    read_filters,
    reference_path,
)
from anygate.dialects.gateway_api.status import note
from anygate.dialects.gateway_api.unread import find_unread_route_fields
from anygate.manifests.kind import Kind, oldest_first
from anygate.manifests.object import Manifest
from anygate.model.edit import Redirect, Respond
from anygate.model.origin import Origin
from anygate.model.retry import Retry
from anygate.model.route import (
    BackendTarget,
    Forward,
    HttpRoute,
    HttpRule,
    Session,
    Timeouts,
)
from anygate.model.security import Security

DEFAULT_RETRY_ON = ("connect-failure", "refused-stream", "reset-before-request")
"""What always counts as worth another try: the request cannot have reached the backend."""


class RouteReading(NamedTuple):
    """A route, what is wrong with its references, and what of it has no effect."""

    route: HttpRoute
    faults: tuple[tuple[FieldPath, Fault], ...]
    unread: tuple[tuple[FieldPath, str], ...]


def read_http_routes(context: Context, attacher: Attacher, backends: Backends) -> None:
    """Read every HTTPRoute and GRPCRoute, oldest first, and attach it."""
    items = [*context.index.all(GATEWAY_API, "HTTPRoute"), *context.index.all(GATEWAY_API, "GRPCRoute")]
    for item in oldest_first(items):
        parents = attacher.attach(item.manifest, item.spec, item.spec.hostnames)
        reading = _read_route(context, item, backends)
        for path, fault in reading.faults:
            context.add(fault.rule, fault.message, item.manifest, path, hint=fault.hint)
        for path, text in reading.unread:
            context.add(NOT_HONOURED, text, item.manifest, path)
        for parent in parents:
            for _, fault in reading.faults[:1]:
                note(parent.section, "ResolvedRefs", False, fault.reason, fault.message)
            note(parent.section, "ResolvedRefs", True, "ResolvedRefs")
            for listener in parent.listeners:
                if not listener.routes or listener.routes[-1] is not reading.route:
                    listener.routes.append(reading.route)


def _read_route(context: Context, item: Kind, backends: Backends) -> RouteReading:
    """Read a route, or take the last reading when neither it nor what it refers to has changed."""
    outcomes = _resolve(context, item, backends)
    key = ("route", id(item), tuple(outcomes.values()))
    found = context.cache.get(key)
    if found is not None:
        reading: RouteReading = found[0]
        return reading
    reading = _build_route(item, outcomes)
    # The item is stored with the reading so that its id stays taken while the reading is.
    context.cache.put(key, (reading, item))
    return reading


def _references(item: Kind) -> Iterator[tuple[FieldPath, Any]]:
    """Every reference of a route with its path: backends and the filters that name something."""
    for number, rule in enumerate(item.spec.rules):
        base: FieldPath = ("spec", "rules", number)
        yield from _filter_references(rule.filters, (*base, "filters"))
        for place, backend in enumerate(rule.backend_refs):
            at = (*base, "backendRefs", place)
            yield at, backend
            yield from _filter_references(backend.filters, (*at, "filters"))


def _filter_references(filters: tuple[Any, ...], base: FieldPath) -> Iterator[tuple[FieldPath, Any]]:
    for number, one in enumerate(filters):
        path = reference_path(one, (*base, number))
        if one.request_mirror is not None:
            yield path, one.request_mirror.backend_ref
        elif getattr(one, "external_auth", None) is not None:
            yield path, one.external_auth.backend_ref
        elif one.extension_ref is not None:
            yield path, one.extension_ref


def _resolve(context: Context, item: Kind, backends: Backends) -> Outcomes:
    source = item.manifest.ref
    key = ("wanted", id(item))
    found = context.cache.get(key)
    if found is None:
        # The item is stored too, so that its id stays taken.
        found = (tuple(_list_wanted(item, source)), item)
        context.cache.put(key, found)
    listed: tuple[tuple[FieldPath, Any, Wanted | LostReference | None], ...] = found[0]
    outcomes: Outcomes = {}
    for path, reference, wanted in listed:
        if isinstance(wanted, LostReference):
            outcomes[path] = Fault(wanted.rule, "BackendNotFound", wanted.message, wanted.hint)
            continue
        if wanted is None:
            extension = find_extension(context, reference, source.namespace)
            outcomes[path] = read_extension(context, backends, extension) if isinstance(extension, Kind) else extension
            continue
        if context.tracks_backends:
            context.note_reach(source, wanted.target)
        outcome = backends.resolve_wanted(wanted)
        outcomes[path] = outcome.backend if isinstance(outcome, Resolved) else outcome
    return outcomes


def _list_wanted(item: Kind, source: ObjectRef) -> Iterator[tuple[FieldPath, Any, Wanted | LostReference | None]]:
    """Every reference of a route with what it wants; None for those that name a filter."""
    protocol = "http2" if source.kind == "GRPCRoute" else ""
    for path, reference in _references(item):
        if path[-1] == "extensionRef":
            yield path, reference, None
        elif isinstance(reference, DerivedBackendRef):
            # The objects through which a derived route refers to its backends make the references.
            yield path, reference, reference.lost or want(reference, reference.owner or source, protocol)
        else:
            yield path, reference, want(reference, source, "http2" if _is_grpc_auth(item, path) else protocol)


def _is_grpc_auth(item: Kind, path: FieldPath) -> bool:
    if path[-2:] != ("externalAuth", "backendRef"):
        return False
    rule = item.spec.rules[path[2]]
    return bool(rule.filters[path[4]].external_auth.protocol == "GRPC")


def _build_route(item: Kind, outcomes: Outcomes) -> RouteReading:
    manifest, spec = item.manifest, item.spec
    faults: list[tuple[FieldPath, Fault]] = []
    rules = tuple(_read_rule(manifest, rule, number, outcomes, faults) for number, rule in enumerate(spec.rules))
    ref = manifest.ref
    route = HttpRoute(
        origin=origin(manifest),
        name=f"{ref.namespace}/{ref.name}",
        kind=ref.kind,
        hostnames=tuple(spec.hostnames),
        rules=rules,
        created=manifest.creation_timestamp or "",
    )
    return RouteReading(route, tuple(faults), tuple(find_unread_route_fields(item, rules)))


def _read_rule(
    manifest: Manifest,
    rule: Any,
    number: int,
    outcomes: Outcomes,
    faults: list[tuple[FieldPath, Fault]],
) -> HttpRule:
    base: FieldPath = ("spec", "rules", number)
    here = origin(manifest, base)
    edits = read_filters(manifest, rule.filters, (*base, "filters"), outcomes)
    faults.extend(edits.faults)
    targets = tuple(
        _read_target(manifest, backend, (*base, "backendRefs", place), outcomes, faults)
        for place, backend in enumerate(rule.backend_refs)
    )
    read_match = read_grpc_match if manifest.ref.kind == "GRPCRoute" else read_http_match
    matches = tuple(read_match(manifest, match, (*base, "matches", place)) for place, match in enumerate(rule.matches))
    return HttpRule(
        origin=here,
        name=rule.name or str(number),
        action=_action(edits, here, targets),
        matches=with_cookies(matches, edits.cookies, here),
        request_headers=edits.request_headers,
        response_headers=edits.response_headers,
        rewrite=edits.rewrite,
        mirrors=edits.mirrors,
        timeouts=_read_timeouts(rule),
        retry=_read_retry(rule, here),
        session=_read_session(rule, manifest, base, number),
        cors=edits.cors,
        security=Security(origin=here, ext_auth=edits.ext_auth) if edits.ext_auth else None,
        inject=edits.inject,
    )


def _action(edits: Edits, here: Origin, targets: tuple[BackendTarget, ...]) -> Forward | Redirect | Respond:
    if edits.respond is not None:
        return edits.respond
    if edits.redirect is not None:
        return edits.redirect
    return Forward(origin=here, targets=targets)


def _read_target(
    manifest: Manifest,
    reference: Any,
    path: FieldPath,
    outcomes: Outcomes,
    faults: list[tuple[FieldPath, Fault]],
) -> BackendTarget:
    here = origin(manifest, path)
    outcome = outcomes[path]
    if isinstance(outcome, Fault):
        faults.append((path, outcome))
        return BackendTarget(origin=here, weight=reference.weight, reason=outcome.message)
    edits = read_filters(manifest, reference.filters, (*path, "filters"), outcomes)
    faults.extend(edits.faults)
    if edits.respond is not None:
        return BackendTarget(origin=here, weight=reference.weight, reason=edits.respond.reason)
    return BackendTarget(
        origin=here,
        backend=str(outcome),
        weight=reference.weight,
        request_headers=edits.request_headers,
        response_headers=edits.response_headers,
        rewrite=edits.rewrite,
        redirect=edits.redirect,
        mirrors=edits.mirrors,
    )


def _read_timeouts(rule: Any) -> Timeouts:
    found = getattr(rule, "timeouts", None)
    if found is None:
        return Timeouts()
    return Timeouts(request=found.request, attempt=found.backend_request)


def _read_retry(rule: Any, here: Origin) -> Retry | None:
    """HTTPRouteRetry (GEP-1731): the codes, and always what cannot have reached the backend."""
    found = getattr(rule, "retry", None)
    if found is None or found.attempts == 0:
        return None
    triggers = (*DEFAULT_RETRY_ON, "retriable-status-codes") if found.codes else DEFAULT_RETRY_ON
    return Retry(
        origin=here,
        attempts=found.attempts if found.attempts is not None else 2,
        triggers=triggers,
        statuses=tuple(found.codes),
        backoff=found.backoff,
    )


def _read_session(rule: Any, manifest: Manifest, base: FieldPath, number: int) -> Session | None:
    found = rule.session_persistence
    if found is None:
        return None
    return read_session(
        found,
        origin(manifest, (*base, "sessionPersistence")),
        f"anygate-{manifest.ref.namespace}-{manifest.ref.name}-{rule.name or number}",
    )


def read_session(found: Any, here: Origin, default_name: str) -> Session:
    """SessionPersistence (GEP-1619); without a name of its own each rule gets one, so that rules never share."""
    return Session(
        origin=here,
        kind="header" if found.chosen_type == "Header" else "cookie",
        name=found.token_name or default_name,
        path=found.cookie.path if found.cookie else "/",
        permanent=found.lifetime_type == "Permanent",
        absolute_timeout=found.absolute_timeout,
        idle_timeout=found.idle_timeout,
    )
