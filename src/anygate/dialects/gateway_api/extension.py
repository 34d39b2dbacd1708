"""Envoy Gateway's HTTPRouteFilter: rewrites the Gateway API does not have, fixed answers, injected credentials."""

from collections.abc import Iterator

from anygate.diagnostics import FieldPath
from anygate.dialects.gateway_api.backends import Backends
from anygate.dialects.gateway_api.context import Context, Fault, origin, ref_of
from anygate.dialects.gateway_api.findings import BACKEND_NOT_FOUND
from anygate.dialects.gateway_api.kinds.envoy_gateway.httproutefilter import HTTPCookieMatch, HTTPRouteFilterSpec
from anygate.dialects.gateway_api.permission import check_grant
from anygate.dialects.gateway_api.route_filters import Extension, read_header_edit, read_mirror
from anygate.manifests.kind import Kind
from anygate.model.edit import PathRewrite, Respond, Rewrite
from anygate.model.match import ValueMatch
from anygate.model.route import Credential
from anygate.model.tls import Opaque


def read_extension(context: Context, backends: Backends, item: Kind) -> Extension | Fault:
    """What an HTTPRouteFilter adds to the rules that name it."""
    spec: HTTPRouteFilterSpec = item.spec
    respond = headers = inject = mirror = fault = None
    if spec.direct_response is not None:
        body = _read_body(context, item)
        if isinstance(body, Fault):
            return body
        answer = spec.direct_response
        respond = Respond(
            origin=origin(item.manifest, ("spec", "directResponse")),
            status=answer.status_code or 200,
            body=body,
            content_type=answer.content_type or "",
        )
        headers = read_header_edit(answer.header) if answer.header is not None else None
    if spec.credential_injection is not None:
        found = _read_credential(context, item)
        if isinstance(found, Fault):
            return found
        inject = found
    if spec.request_mirror is not None and spec.request_mirror.backend_ref is not None:
        target = backends.resolve(spec.request_mirror.backend_ref, item.ref)
        if isinstance(target, Fault):
            fault = target
        else:
            here = origin(item.manifest, ("spec", "requestMirror"))
            mirror = read_mirror(spec.request_mirror, here, target.backend)
    cookies = tuple(tuple(_read_cookie(one) for one in group.cookies) for group in spec.matches)
    return Extension(_read_rewrite(spec), respond, headers, inject, mirror, cookies, fault)


def find_unread_extension_fields(spec: HTTPRouteFilterSpec) -> Iterator[tuple[FieldPath, str]]:
    """Fields of an HTTPRouteFilter that have no effect here, each with a sentence."""
    if spec.url_rewrite is not None and spec.url_rewrite.append_x_forwarded_host:
        yield ("spec", "urlRewrite", "appendXForwardedHost"), "x-forwarded-host is never added"
    mirror = spec.request_mirror
    if mirror is None:
        return
    base: FieldPath = ("spec", "requestMirror")
    if mirror.cluster_header is not None:
        yield (*base, "clusterHeader"), "clusters have no names that a request could give; nothing is mirrored"
    if mirror.trace_sampled is not None:
        yield (*base, "traceSampled"), "copies are not traced"
    if mirror.disable_shadow_host_suffix_append is False:
        yield (*base, "disableShadowHostSuffixAppend"), "copies keep their host"
    if mirror.request_headers_mutations is not None:
        yield (*base, "requestHeadersMutations"), "copies keep their headers"
    if mirror.host_rewrite_literal is not None:
        yield (*base, "hostRewriteLiteral"), "copies keep their host"


def _read_cookie(found: HTTPCookieMatch) -> ValueMatch:
    return ValueMatch(name=found.name, kind="exact" if found.type == "Exact" else "regex", value=found.value)


def _read_rewrite(spec: HTTPRouteFilterSpec) -> Rewrite | None:
    wanted = spec.url_rewrite
    if wanted is None:
        return None
    path = None
    if wanted.path is not None and wanted.path.replace_regex_match is not None:
        regex = wanted.path.replace_regex_match
        path = PathRewrite(kind="regex", value=regex.substitution, pattern=regex.pattern)
    host = wanted.hostname
    return Rewrite(
        host_header=(host.header or "") if host is not None else "",
        host_from_backend=host is not None and host.type == "Backend",
        path=path,
    )


def _read_body(context: Context, item: Kind) -> str | Fault:
    body = item.spec.direct_response.body
    if body is None:
        return ""
    if body.type == "Inline":
        return body.inline or ""
    target = ref_of(body.value_ref, item.manifest.ref.namespace, "", "ConfigMap")
    held = context.index.config_map(item.manifest.ref.namespace, target.name)
    values = held.texts if held is not None else {}
    content = values.get("response.body") or next(iter(values.values()), None)
    if content is None:
        return Fault(BACKEND_NOT_FOUND, "BackendNotFound", f"there is no body in {target}")
    return str(content)


def _read_credential(context: Context, item: Kind) -> Credential | Fault:
    wanted = item.spec.credential_injection
    namespace = item.manifest.ref.namespace
    target = ref_of(wanted.credential.value_ref, namespace, "", "Secret")
    fault = check_grant(context, target, item.manifest.ref)
    if fault is not None:
        return fault
    held = context.index.secret(target.namespace, target.name)
    content = held.values.get("credential") if held is not None else None
    if content is None:
        return Fault(BACKEND_NOT_FOUND, "BackendNotFound", f"{target} has no key called credential")
    name = f"credential/{namespace}/{item.manifest.ref.name}"
    context.secrets[name] = Opaque(origin=origin(item.manifest), name=name, value=content)
    return Credential(
        origin=origin(item.manifest, ("spec", "credentialInjection")),
        secret=name,
        header=wanted.header or "Authorization",
        overwrite=bool(wanted.overwrite),
    )
