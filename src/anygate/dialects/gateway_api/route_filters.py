"""Filters of HTTPRoute and GRPCRoute rules and backends, read into the model's edits.

Follows the Gateway API reference for HTTPRouteFilter. What cannot be honoured makes the rule answer 500, as
the API demands of filters that an implementation does not support.
"""

from dataclasses import dataclass, field, replace
from datetime import timedelta

from anygate.diagnostics import FieldPath
from anygate.dialects.gateway_api.context import ENVOY_GATEWAY, Context, Fault, origin
from anygate.dialects.gateway_api.findings import BACKEND_NOT_FOUND, INVALID_KIND
from anygate.dialects.gateway_api.kinds.envoy_gateway.httproutefilter import EnvoyRequestMirrorFilter
from anygate.dialects.gateway_api.kinds.httpfilter import (
    HTTPCORSFilter,
    HTTPExternalAuthFilter,
    HTTPPathModifier,
    HTTPRequestMirrorFilter,
    HTTPRequestRedirectFilter,
    HTTPRouteFilter,
    HTTPURLRewriteFilter,
)
from anygate.dialects.gateway_api.kinds.route import HTTPHeaderFilter
from anygate.manifests.kind import Kind
from anygate.manifests.object import Manifest
from anygate.model.edit import HeaderEdit, PathRewrite, Redirect, Respond, Rewrite
from anygate.model.match import ValueMatch
from anygate.model.origin import Origin
from anygate.model.route import Credential, Mirror
from anygate.model.security import Cors, ExtAuth


@dataclass(frozen=True)
class Edits:
    """What a list of filters does. `respond` is an answer of its own; `extensions` are HTTPRouteFilters."""

    request_headers: HeaderEdit | None = None
    response_headers: HeaderEdit | None = None
    redirect: Redirect | None = None
    rewrite: Rewrite | None = None
    mirrors: tuple[Mirror, ...] = ()
    cors: Cors | None = None
    ext_auth: ExtAuth | None = None
    respond: Respond | None = None
    inject: Credential | None = None
    cookies: tuple[tuple[ValueMatch, ...], ...] = ()
    faults: tuple[tuple[FieldPath, Fault], ...] = field(default=())


Outcomes = dict[FieldPath, object]
"""What each reference of a route was resolved to, by the path of the reference."""


def read_filters(
    manifest: Manifest, filters: tuple[HTTPRouteFilter, ...], path: FieldPath, outcomes: Outcomes
) -> Edits:
    """Read filters in their order; `outcomes` holds what their references lead to."""
    edits = Edits()
    for number, one in enumerate(filters):
        edits = _read_filter(edits, manifest, one, (*path, number), outcomes)
    return edits


def _read_filter(edits: Edits, manifest: Manifest, one: HTTPRouteFilter, path: FieldPath, outcomes: Outcomes) -> Edits:
    here = origin(manifest, path)
    if one.request_header_modifier is not None:
        return replace(edits, request_headers=read_header_edit(one.request_header_modifier))
    if one.response_header_modifier is not None:
        return replace(edits, response_headers=read_header_edit(one.response_header_modifier))
    redirect: HTTPRequestRedirectFilter | None = getattr(one, "request_redirect", None)
    if redirect is not None:
        return replace(edits, redirect=_read_redirect(redirect, here))
    rewrite: HTTPURLRewriteFilter | None = getattr(one, "url_rewrite", None)
    if rewrite is not None:
        return replace(edits, rewrite=_read_rewrite(rewrite))
    cors: HTTPCORSFilter | None = getattr(one, "cors", None)
    if cors is not None:
        return replace(edits, cors=_read_cors(cors, here))
    outcome = outcomes.get(reference_path(one, path))
    if isinstance(outcome, Fault):
        # A mirror without a backend copies nothing; any other filter that is lost must not be skipped.
        found = (*edits.faults, (reference_path(one, path), outcome))
        if one.request_mirror is not None:
            return replace(edits, faults=found)
        return replace(edits, faults=found, respond=_refusal(outcome, here))
    if one.request_mirror is not None:
        mirror = read_mirror(one.request_mirror, here, str(outcome))
        return replace(edits, mirrors=(*edits.mirrors, mirror))
    auth: HTTPExternalAuthFilter | None = getattr(one, "external_auth", None)
    if auth is not None:
        return replace(edits, ext_auth=_read_ext_auth(auth, here, str(outcome)))
    if isinstance(outcome, Extension) and outcome.fault is not None:
        edits = replace(edits, faults=(*edits.faults, (reference_path(one, path), outcome.fault)))
    return _read_extension(edits, outcome)


def reference_path(one: HTTPRouteFilter, path: FieldPath) -> FieldPath:
    """Where the reference of a filter stands."""
    if one.request_mirror is not None:
        return (*path, "requestMirror", "backendRef")
    if getattr(one, "external_auth", None) is not None:
        return (*path, "externalAuth", "backendRef")
    return (*path, "extensionRef")


def read_header_edit(found: HTTPHeaderFilter) -> HeaderEdit:
    """Header changes; of names that differ only in case the first counts, as the API says."""
    return HeaderEdit(
        set=_first_of_each([(one.name, one.value) for one in found.set]),
        add=_first_of_each([(one.name, one.value) for one in found.add]),
        remove=tuple(found.remove),
    )


def _first_of_each(pairs: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    kept: dict[str, tuple[str, str]] = {}
    for name, value in pairs:
        kept.setdefault(name.lower(), (name, value))
    return tuple(kept.values())


def _read_path(found: HTTPPathModifier | None) -> PathRewrite | None:
    if found is None:
        return None
    if found.type == "ReplaceFullPath":
        return PathRewrite(kind="full", value=found.replace_full_path or "/")
    return PathRewrite(kind="prefix", value=found.replace_prefix_match or "/")


def _read_redirect(found: HTTPRequestRedirectFilter, here: Origin) -> Redirect:
    return Redirect(
        origin=here,
        scheme=found.scheme or "",
        host=found.hostname or "",
        port=found.port or 0,
        path=_read_path(found.path),
        status=found.status_code,
    )


def _read_rewrite(found: HTTPURLRewriteFilter) -> Rewrite:
    return Rewrite(host=found.hostname or "", path=_read_path(found.path))


def read_mirror(found: HTTPRequestMirrorFilter | EnvoyRequestMirrorFilter, here: Origin, backend: str) -> Mirror:
    """A copy of all requests, or of a share of them."""
    if found.fraction is not None:
        share = (found.fraction.numerator, found.fraction.denominator)
    else:
        share = (100 if found.percent is None else found.percent, 100)
    return Mirror(origin=here, backend=backend, numerator=share[0], denominator=share[1])


def _read_cors(found: HTTPCORSFilter, here: Origin) -> Cors:
    return Cors(
        origin=here,
        allow_origins=tuple(found.allow_origins),
        allow_methods=tuple(found.allow_methods),
        allow_headers=tuple(found.allow_headers),
        expose_headers=tuple(found.expose_headers),
        max_age=timedelta(seconds=found.max_age),
        allow_credentials=bool(found.allow_credentials),
    )


def _read_ext_auth(found: HTTPExternalAuthFilter, here: Origin, backend: str) -> ExtAuth:
    if found.protocol == "GRPC":
        to_service = tuple(found.grpc.allowed_headers) if found.grpc else ()
        return ExtAuth(
            origin=here,
            protocol="grpc",
            backend=backend,
            headers_to_service=to_service,
            body_limit=found.forward_body.max_size if found.forward_body else 0,
        )
    http = found.http
    return ExtAuth(
        origin=here,
        protocol="http",
        backend=backend,
        path=(http.path or "") if http else "",
        headers_to_service=tuple(http.allowed_headers) if http else (),
        headers_to_backend=tuple(http.allowed_response_headers) if http else (),
        body_limit=found.forward_body.max_size if found.forward_body else 0,
    )


def _refusal(fault: Fault, here: Origin) -> Respond:
    return Respond(origin=here, status=500, reason=fault.message)


def _read_extension(edits: Edits, outcome: object) -> Edits:
    if not isinstance(outcome, Extension):
        return edits
    found = edits
    if outcome.rewrite is not None:
        known = edits.rewrite or Rewrite()
        wanted = outcome.rewrite
        merged = Rewrite(
            host=wanted.host or known.host,
            host_header=wanted.host_header or known.host_header,
            host_from_backend=wanted.host_from_backend or known.host_from_backend,
            path=wanted.path or known.path,
        )
        found = replace(found, rewrite=merged)
    if outcome.respond is not None:
        found = replace(found, respond=outcome.respond)
        found = replace(found, response_headers=_join(edits.response_headers, outcome.respond_headers))
    if outcome.inject is not None:
        found = replace(found, inject=outcome.inject)
    if outcome.mirror is not None:
        found = replace(found, mirrors=(*edits.mirrors, outcome.mirror))
    return replace(found, cookies=(*edits.cookies, *outcome.cookies))


def _join(one: HeaderEdit | None, other: HeaderEdit | None) -> HeaderEdit | None:
    if one is None or other is None:
        return one or other
    return HeaderEdit(set=one.set + other.set, add=one.add + other.add, remove=one.remove + other.remove)


@dataclass(frozen=True)
class Extension:
    """What an Envoy Gateway HTTPRouteFilter adds to a rule. Of `cookies` one group must match as a whole."""

    rewrite: Rewrite | None = None
    respond: Respond | None = None
    respond_headers: HeaderEdit | None = None
    inject: Credential | None = None
    mirror: Mirror | None = None
    cookies: tuple[tuple[ValueMatch, ...], ...] = ()
    fault: Fault | None = None


def find_extension(context: Context, reference: object, namespace: str) -> Kind | Fault:
    """The HTTPRouteFilter that an ExtensionRef names."""
    group, kind = getattr(reference, "group", ""), getattr(reference, "kind", "")
    name = getattr(reference, "name", "")
    if (group, kind) != (ENVOY_GATEWAY, "HTTPRouteFilter"):
        text = f"a {kind} of group {group or 'core'} cannot be a filter"
        return Fault(INVALID_KIND, "InvalidKind", text, "use an Envoy Gateway HTTPRouteFilter")
    item = context.index.get(group, kind, namespace, name)
    if item is None:
        return Fault(BACKEND_NOT_FOUND, "BackendNotFound", f"there is no HTTPRouteFilter/{namespace}/{name}")
    return item
