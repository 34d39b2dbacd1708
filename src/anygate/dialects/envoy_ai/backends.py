"""AIServiceBackend: what a reference to one, or to an InferencePool, leads to, and the API that is spoken there."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from anygate.diagnostics import ObjectRef
from anygate.dialects.derived import DerivedBackendRef, LostReference
from anygate.dialects.envoy_ai.context import Context, origin
from anygate.dialects.envoy_ai.credentials import Access, Closed, Credentials
from anygate.dialects.envoy_ai.kinds.aigatewayroute import AIGatewayRouteRuleBackendRef, AIGatewayRouteSpec
from anygate.dialects.envoy_ai.kinds.groups import AI_GATEWAY_GROUP, POOL_GROUP
from anygate.dialects.envoy_ai.kinds.mutation import HTTPBodyMutation, HTTPHeaderMutation
from anygate.dialects.envoy_ai.normalise import Normal, NormalBackend
from anygate.dialects.envoy_ai.pools import find_pool_problem, name_service
from anygate.dialects.envoy_ai.route_findings import (
    BACKEND_NOT_FOUND,
    BACKEND_UNUSABLE,
    NOT_HONOURED,
    REF_NOT_PERMITTED,
)
from anygate.manifests.grants import is_granted
from anygate.manifests.names import suggest_word
from anygate.manifests.references import ENVOY_GATEWAY_GROUP
from anygate.model.edit import HeaderEdit
from anygate.model.inference import BodyEdit, Provider

_UNSUPPORTED_SCHEMAS = ("TypeSafe",)
_OWN_HEADERS = ("x-ai-eg-", "x-anygate-", "x-envoy-original-path", ":")


class Destination(NamedTuple):
    """What one reference of a route leads to: the reference as the derived route makes it, and who answers there."""

    reference: DerivedBackendRef
    provider: Provider | None
    priority: int


class _Lost(NamedTuple):
    """Why a reference leads nowhere, and how a controller says so in the route's status."""

    reference: LostReference
    status: str


class Destinations:
    """Resolves the references of routes."""

    def __init__(self, context: Context, credentials: Credentials) -> None:
        self._context = context
        self._credentials = credentials
        for backend in context.backends.values():
            self._check(backend)

    def _check(self, backend: NormalBackend) -> None:
        """Name what of a backend cannot be had, whether or not a route refers to it."""
        manifest, spec = backend.kind.manifest, backend.spec
        if backend.policy_name:
            self._credentials.check_named(manifest, backend.policy_name)
        if spec.api_schema.name in _UNSUPPORTED_SCHEMAS:
            text = f"schema {spec.api_schema.name} is not spoken here: requests for the backend are answered with 422"
            self._context.add(NOT_HONOURED, text, manifest, ("spec", "schema", "name"))
        if spec.header_value_filters:
            self._context.add(NOT_HONOURED, "headers keep their values", manifest, ("spec", "headerValueFilters"))

    def resolve(self, route: Normal[AIGatewayRouteSpec], reference: AIGatewayRouteRuleBackendRef) -> Destination:
        """What a reference of a route leads to."""
        found = self._resolve(route, reference)
        if isinstance(found, _Lost):
            self._context.conditions.refuse(route.ref, found.status)
            lost = DerivedBackendRef.model_construct(name=reference.name, weight=reference.weight, lost=found.reference)
            return Destination(lost, None, reference.priority)
        target, provider = found
        if not reference.is_pool:
            provider = _with_edits(provider, reference)
        kept = self._context.cache.keep(provider)
        return Destination(
            DerivedBackendRef.model_construct(**target, weight=reference.weight), kept, reference.priority
        )

    def _resolve(
        self, route: Normal[AIGatewayRouteSpec], reference: AIGatewayRouteRuleBackendRef
    ) -> _Lost | tuple[dict[str, Any], Provider]:
        group, kind = (POOL_GROUP, "InferencePool") if reference.is_pool else (AI_GATEWAY_GROUP, "AIServiceBackend")
        target = ObjectRef(group, kind, reference.namespace or route.ref.namespace, reference.name)
        if not is_granted(self._context.index, AI_GATEWAY_GROUP, "AIGatewayRoute", route.ref.namespace, *target):
            return _not_permitted(route.ref, target)
        known = self._context.pools if reference.is_pool else self._context.backends
        if target[2:] not in known:
            broken = (one.ref[2:] for one in self._context.index.broken(kind))
            return _unusable(target, "it is not valid") if target[2:] in broken else _not_found(target, known)
        if reference.is_pool:
            return self._resolve_pool(target)
        return self._resolve_backend(target)

    def _resolve_backend(self, target: ObjectRef) -> _Lost | tuple[dict[str, Any], Provider]:
        backend = self._context.backends[target.namespace, target.name]
        access = self._credentials.find(target, backend.policy_name)
        if isinstance(access, Closed):
            return _unusable(target, access.reason)
        spec = backend.spec.backend_ref
        reference = {
            "group": "" if spec.is_service else ENVOY_GATEWAY_GROUP,
            "kind": "Service" if spec.is_service else "Backend",
            "name": spec.name,
            "namespace": spec.namespace or target.namespace,
            "port": spec.port,
            "owner": backend.ref,
        }
        return reference, self._read_provider(backend, access)

    def _read_provider(self, backend: NormalBackend, access: Access) -> Provider:
        spec, schema = backend.spec, backend.spec.api_schema
        return Provider(
            origin=origin(backend.kind.manifest, ("spec",)),
            name=f"{backend.ref.namespace}/{backend.ref.name}",
            format=schema.name,
            version=schema.version or "",
            prefix=schema.prefix or "",
            region=access.region,
            project=access.project,
            credential=access.credential,
            override=access.override,
            headers=_read_headers(spec.header_mutation),
            body=_read_body(spec.body_mutation),
        )

    def _resolve_pool(self, target: ObjectRef) -> _Lost | tuple[dict[str, Any], Provider]:
        pool = self._context.pools[target.namespace, target.name]
        problem = find_pool_problem(pool)
        if problem:
            return _Lost(LostReference(BACKEND_UNUSABLE, problem, "name the Service of its picker"), problem)
        access = self._credentials.find(target)
        if isinstance(access, Closed):
            return _unusable(target, access.reason)
        reference = {
            "kind": "Service",
            "name": name_service(self._context, pool),
            "namespace": target.namespace,
            "port": pool.spec.target_ports[0].number,
            "owner": pool.ref,
        }
        provider = Provider(
            origin=origin(pool.kind.manifest),
            name=f"{target.namespace}/{target.name}",
            format="OpenAI",
            prefix="v1",
            credential=access.credential,
            override=access.override,
        )
        return reference, provider


def name_backend(base: str, provider: Provider) -> str:
    """The name of a backend of the model that speaks a provider's API, beside the plain one called `base`."""
    name = f"{base}!{provider.name}"
    if provider.model:
        name += f"={provider.model}"
    if provider.headers is not None or provider.body is not None:
        edits = msgspec.json.encode((provider.headers, provider.body))
        name += f"#{hashlib.sha256(edits).hexdigest()[:8]}"
    return f"{name}~{provider.forward_proxy}" if provider.forward_proxy else name


def _with_edits(provider: Provider, reference: AIGatewayRouteRuleBackendRef) -> Provider:
    """A backend as one reference wants it: its settings win over the backend's own, name by name."""
    headers, body = reference.header_mutation, reference.body_mutation
    if not reference.model_name_override and headers is None and body is None:
        return provider
    return msgspec.structs.replace(
        provider,
        model=reference.model_name_override,
        headers=_merge_headers(provider.headers, _read_headers(headers)),
        body=_merge_body(provider.body, _read_body(body)),
    )


def _read_headers(written: HTTPHeaderMutation | None) -> HeaderEdit | None:
    """Edits of headers; what routes and frames requests is never touched."""
    if written is None:
        return None
    sets = tuple((one.name, one.value) for one in written.set if not one.name.lower().startswith(_OWN_HEADERS))
    removed = tuple(name for name in written.remove if not name.lower().startswith(_OWN_HEADERS))
    return HeaderEdit(set=sets, remove=removed) if sets or removed else None


def _merge_headers(wider: HeaderEdit | None, own: HeaderEdit | None) -> HeaderEdit | None:
    if wider is None or own is None:
        return own or wider
    sets = {name.lower(): (name, value) for name, value in (*wider.set, *own.set)}
    removed = {name.lower(): name for name in (*wider.remove, *own.remove)}
    return HeaderEdit(set=tuple(sets.values()), remove=tuple(removed.values()))


def _read_body(written: HTTPBodyMutation | None) -> BodyEdit | None:
    if written is None or not (written.set or written.remove):
        return None
    return BodyEdit(set=tuple((one.path, _to_json(one.value)) for one in written.set), remove=tuple(written.remove))


def _merge_body(wider: BodyEdit | None, own: BodyEdit | None) -> BodyEdit | None:
    if wider is None or own is None:
        return own or wider
    return BodyEdit(
        set=tuple({**dict(wider.set), **dict(own.set)}.items()),
        remove=tuple(dict.fromkeys((*wider.remove, *own.remove))),
    )


def _to_json(value: str) -> str:
    """A value that is JSON as it stands, anything else as a string of JSON."""
    text = value.strip()
    try:
        json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return json.dumps(value, ensure_ascii=False)
    return text


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _not_permitted(source: ObjectRef, target: ObjectRef) -> _Lost:
    text = (
        f"cross-namespace reference from AIGatewayRoute in namespace {source.namespace} to {target.kind} {target.name} "
        f"in namespace {target.namespace} is not permitted: no valid ReferenceGrant found in namespace "
        f"{target.namespace}"
    )
    hint = f"add a ReferenceGrant to namespace {target.namespace} that lets AIGatewayRoutes refer to {target.kind}s"
    return _Lost(LostReference(REF_NOT_PERMITTED, text, hint), text)


def _not_found(target: ObjectRef, known: Iterable[tuple[str, str]]) -> _Lost:
    place = f"{target.name}.{target.namespace}"
    text = f"failed to construct a new HTTPRoute: failed to get {target.kind} {place}: {target.kind} {place} not found"
    names = [name for namespace, name in known if namespace == target.namespace]
    elsewhere = sorted(namespace for namespace, name in known if name == target.name)
    hint = f'did you mean namespace "{elsewhere[0]}"?' if elsewhere else suggest_word(target.name, names)
    return _Lost(LostReference(BACKEND_NOT_FOUND, f"there is no {target}", hint), text)


def _unusable(target: ObjectRef, reason: str) -> _Lost:
    text = f"{target} cannot be used: {reason}"
    return _Lost(LostReference(BACKEND_UNUSABLE, text), text)
