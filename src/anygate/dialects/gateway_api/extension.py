"""Envoy Gateway's HTTPRouteFilter: rewrites the Gateway API does not have, fixed answers, injected credentials."""

from anygate.dialects.gateway_api.certificates import check_grant
from anygate.dialects.gateway_api.context import Context, Fault, origin, ref_of
from anygate.dialects.gateway_api.findings import BACKEND_NOT_FOUND
from anygate.dialects.gateway_api.kinds.envoy_gateway.httproutefilter import HTTPRouteFilterSpec
from anygate.dialects.gateway_api.route_filters import Extension
from anygate.manifests.kind import Kind
from anygate.model.edit import PathRewrite, Respond, Rewrite
from anygate.model.route import Credential
from anygate.model.tls import Opaque


def read_extension(context: Context, item: Kind) -> Extension | Fault:
    """What an HTTPRouteFilter adds to the rules that name it."""
    spec: HTTPRouteFilterSpec = item.spec
    respond = inject = None
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
    if spec.credential_injection is not None:
        found = _read_credential(context, item)
        if isinstance(found, Fault):
            return found
        inject = found
    return Extension(_read_rewrite(spec), respond, inject)


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
