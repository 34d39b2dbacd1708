"""What a SecurityPolicy refers to: Secrets, key sets and services."""

import json
from collections.abc import Iterator
from datetime import timedelta

import msgspec

from anygate.diagnostics import FieldPath
from anygate.dialects.gateway_api.backends import Backends, Resolved
from anygate.dialects.gateway_api.certificates import read_value
from anygate.dialects.gateway_api.connections import find_unread_settings, read_connection
from anygate.dialects.gateway_api.context import Context, Fault, origin, ref_of
from anygate.dialects.gateway_api.findings import CERTIFICATE_INVALID, UNSUPPORTED
from anygate.dialects.gateway_api.kinds.envoy_gateway.cluster_settings import BackendCluster
from anygate.dialects.gateway_api.kinds.envoy_gateway.jwt import JWT, JWTProvider
from anygate.dialects.gateway_api.kinds.references import SecretObjectReference
from anygate.dialects.gateway_api.permission import check_grant
from anygate.dialects.url_backend import build_url_backend
from anygate.manifests.core import Secret
from anygate.manifests.object import Manifest
from anygate.manifests.sensitive import Sensitive
from anygate.model.security import Jwt, JwtProvider
from anygate.model.tls import Opaque


def _find_secret(context: Context, manifest: Manifest, reference: SecretObjectReference) -> Secret | Fault:
    target = ref_of(reference, manifest.namespace, "", "Secret")
    fault = check_grant(context, target, manifest.ref)
    if fault is not None:
        return fault
    item = context.index.secret(target.namespace, target.name)
    if item is None:
        return Fault(CERTIFICATE_INVALID, "Invalid", f"there is no {target}")
    return item


def read_opaque(context: Context, manifest: Manifest, reference: SecretObjectReference, key: str) -> str | Fault:
    """The name of the model's `Opaque` for one key of a Secret."""
    item = _find_secret(context, manifest, reference)
    if isinstance(item, Fault):
        return item
    content = item.values.get(key)
    if content is None:
        return Fault(CERTIFICATE_INVALID, "Invalid", f"{item.ref} has no key {key}")
    name = f"opaque/{item.namespace}/{item.name}/{key}"
    context.secrets[name] = Opaque(origin=origin(item.manifest), name=name, value=content)
    return name


def serialise_keys(context: Context, manifest: Manifest, reference: SecretObjectReference) -> str | Fault:
    """The name of an `Opaque` that holds all API keys of a Secret as a JSON object, client to key."""
    item = _find_secret(context, manifest, reference)
    if isinstance(item, Fault):
        return item
    if not item.values:
        return Fault(CERTIFICATE_INVALID, "Invalid", f"{item.ref} holds no API key")
    keys = {client: key.reveal().decode("utf-8", "replace").strip() for client, key in item.values.items()}
    name = f"api-keys/{item.namespace}/{item.name}"
    value = Sensitive(json.dumps(keys, sort_keys=True).encode())
    context.secrets[name] = Opaque(origin=origin(item.manifest), name=name, value=value)
    return name


def read_service(
    context: Context, backends: Backends, manifest: Manifest, service: BackendCluster, protocol: str = ""
) -> str | Fault:
    """The backend of a service that Envoy itself calls, under the settings that are given with it."""
    references = (*((service.backend_ref,) if service.backend_ref else ()), *service.backend_refs)
    if len(references) != 1:
        return Fault(UNSUPPORTED, "UnsupportedValue", "exactly one backend is supported here")
    found = backends.resolve(references[0], manifest.ref, protocol)
    if not isinstance(found, Resolved):
        return found
    if service.backend_settings is None:
        return found.backend
    plain = context.backends[found.backend]
    connection = read_connection(service.backend_settings)
    if connection == plain.connection:
        return found.backend
    name = f"{found.backend}@{manifest.ref}"
    # Two services of one policy may give the same backend different settings.
    while name in context.backends and context.backends[name].connection != connection:
        name += "+"
    context.backends[name] = msgspec.structs.replace(plain, name=name, connection=connection)
    return name


def find_unread_service_fields(service: BackendCluster, at: FieldPath) -> Iterator[tuple[FieldPath, str]]:
    """Settings of such a service that have no effect here, each with a sentence."""
    for number, one in enumerate(service.backend_refs):
        if one.fallback:
            yield (*at, "backendRefs", number, "fallback"), "the only backend of a service is always used"
        if one.weight != 1:
            yield (*at, "backendRefs", number, "weight"), "the only backend of a service has no share"
    settings = service.backend_settings
    if settings is None:
        return
    for path, text in find_unread_settings(settings):
        yield (*at, "backendSettings", *path), text
    if settings.retry is not None:
        yield (*at, "backendSettings", "retry"), "calls to this service are not tried again"
    http = settings.timeout.http if settings.timeout else None
    for name, value in (
        ("requestTimeout", http.request_timeout if http else None),
        ("maxStreamDuration", http.max_stream_duration if http else None),
        ("streamIdleTimeout", http.stream_idle_timeout if http else None),
    ):
        if value is not None:
            yield (*at, "backendSettings", "timeout", "http", name), f"{name} has no effect on calls to a service"
    balancer = settings.load_balancer
    if balancer is not None and balancer.consistent_hash is not None:
        path = (*at, "backendSettings", "loadBalancer", "consistentHash")
        yield path, "calls to a service carry nothing to hash"


def register_url(context: Context, manifest: Manifest, url: str) -> str | Fault:
    """A backend for the host of a URL, with TLS for https, verified by the machine's authorities."""
    backend = build_url_backend(url, origin(manifest, ("spec",)))
    if backend is None:
        return Fault(UNSUPPORTED, "Invalid", f"{url} is not an http or https URL")
    return context.backends.setdefault(backend.name, backend).name


def read_jwt(context: Context, backends: Backends, manifest: Manifest, found: JWT) -> Jwt | Fault:
    """Token checks with all their providers."""
    providers = []
    for number, provider in enumerate(found.providers):
        read = _read_provider(context, backends, manifest, provider, number)
        if isinstance(read, Fault):
            return read
        providers.append(read)
    return Jwt(origin=origin(manifest, ("spec", "jwt")), providers=tuple(providers), optional=found.optional)


def _read_provider(
    context: Context, backends: Backends, manifest: Manifest, found: JWTProvider, number: int
) -> JwtProvider | Fault:
    jwks, uri, backend, cache = "", "", "", None
    if found.remote_jwks is not None:
        remote = found.remote_jwks
        uri, cache = remote.uri, remote.cache_duration
        target = (
            read_service(context, backends, manifest, remote)
            if remote.backend_refs
            else register_url(context, manifest, remote.uri)
        )
        if isinstance(target, Fault):
            return target
        backend = target
    else:
        content = _read_local(context, manifest, found)
        if isinstance(content, Fault):
            return content
        jwks = content
    where = found.extract_from
    return JwtProvider(
        origin=origin(manifest, ("spec", "jwt", "providers", number)),
        name=found.name,
        issuer=found.issuer or "",
        audiences=tuple(found.audiences),
        jwks=jwks,
        jwks_uri=uri,
        jwks_backend=backend,
        jwks_cache=cache or (timedelta(minutes=5) if uri else None),
        claim_to_headers=tuple((one.claim, one.header) for one in found.claim_to_headers),
        recompute_route=bool(found.recompute_route),
        from_headers=tuple((one.name, one.value_prefix or "") for one in where.headers) if where else (),
        from_params=tuple(where.params) if where else (),
        from_cookies=tuple(where.cookies) if where else (),
    )


def _read_local(context: Context, manifest: Manifest, found: JWTProvider) -> str | Fault:
    local = found.local_jwks
    assert local is not None
    text = local.inline or ""
    if local.type == "ValueRef" and local.value_ref is not None:
        kind = local.value_ref.kind
        item = context.index.get("", kind, manifest.namespace, local.value_ref.name)
        content = read_value(item, "jwks") if item is not None else b""
        if not content:
            text = f"{kind}/{manifest.namespace}/{local.value_ref.name} has no key jwks"
            return Fault(CERTIFICATE_INVALID, "Invalid", text)
        text = content.decode("utf-8", "replace")
    try:
        valid = isinstance(json.loads(text), dict)
    except ValueError:
        valid = False
    return text if valid else Fault(CERTIFICATE_INVALID, "Invalid", "the key set is not a JSON object")
