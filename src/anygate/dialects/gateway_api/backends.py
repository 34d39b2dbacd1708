"""References to backends, resolved to `Backend`s of the model.

Follows the Gateway API reference for BackendObjectReference, ReferenceGrant and BackendTLSPolicy, and Envoy
Gateway's Backend. A reference that cannot be resolved is a `Fault`; its share of the traffic fails.
"""

from difflib import get_close_matches
from typing import NamedTuple

import msgspec

from anygate.diagnostics import ObjectRef, Rule, Severity
from anygate.dialects.derived import DerivedBackend, LostReference
from anygate.dialects.endpoints import find_endpoints
from anygate.dialects.gateway_api.backend_tls import BackendTls
from anygate.dialects.gateway_api.context import ENVOY_GATEWAY, Context, Fault, origin, ref_of
from anygate.dialects.gateway_api.envoy_backend import read_envoy_backend
from anygate.dialects.gateway_api.findings import BACKEND_NOT_FOUND, INVALID_KIND
from anygate.dialects.gateway_api.kinds.envoy_gateway.backend import Backend as EnvoyBackend
from anygate.dialects.gateway_api.kinds.references import BackendObjectReference
from anygate.dialects.gateway_api.permission import check_grant
from anygate.manifests.core import Service, ServicePort
from anygate.manifests.kind import Kind
from anygate.model.backend import Backend
from anygate.model.tls import ClientTls

NO_ENDPOINTS = Rule(
    "no-endpoints",
    Severity.NOTE,
    what="A Service that routes use has no endpoints in the manifests.",
    why="Outside a cluster nothing says where its pods are, so its requests are answered with 503.",
    wrong="""
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web}
    spec: {gatewayClassName: envoy, listeners: [{name: http, port: 80, protocol: HTTP}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop}
    spec: {ports: [{port: 8080}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {name: shop}
    spec: {parentRefs: [{name: web}], rules: [{backendRefs: [{name: shop, port: 8080}]}]}
    """,
    right="""
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web}
    spec: {gatewayClassName: envoy, listeners: [{name: http, port: 80, protocol: HTTP}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop}
    spec: {ports: [{port: 8080}]}
    ---
    apiVersion: discovery.k8s.io/v1
    kind: EndpointSlice
    metadata: {name: shop-1, labels: {kubernetes.io/service-name: shop}}
    addressType: IPv4
    ports: [{port: 8080}]
    endpoints: [{addresses: [127.0.0.1]}]
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {name: shop}
    spec: {parentRefs: [{name: web}], rules: [{backendRefs: [{name: shop, port: 8080}]}]}
    """,
)

_HTTP2 = ("kubernetes.io/h2c", "grpc", "h2c", "http2", "gateway.envoyproxy.io/h2c")
_WEBSOCKET = (
    "kubernetes.io/ws",
    "kubernetes.io/wss",
    "gateway.envoyproxy.io/ws",
    "gateway.envoyproxy.io/wss",
)


class Resolved(NamedTuple):
    """A reference that leads to a backend of the model."""

    backend: str


class Wanted(NamedTuple):
    """All that the resolution of a reference depends on besides the other objects."""

    group: str
    kind: str
    namespace: str
    target: ObjectRef
    port: int | None
    protocol: str


def want(reference: BackendObjectReference, source: ObjectRef, protocol: str) -> Wanted:
    """What a reference made by `source` wants."""
    target = ref_of(reference, source.namespace, "", "Service")
    return Wanted(source.group, source.kind, source.namespace, target, reference.port, protocol)


class Backends:
    """Resolves references; every backend that something refers to is registered in the context once."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._tls = BackendTls(context)
        self._known: dict[Wanted, Resolved | Fault] = {}

    def resolve(self, reference: BackendObjectReference, source: ObjectRef, protocol: str = "") -> Resolved | Fault:
        """Resolve a reference made by `source`.

        `protocol` overrides what the Service says: `http2` for gRPC routes, `tcp` and `udp` for streams.
        """
        return self.resolve_wanted(want(reference, source, protocol))

    def resolve_wanted(self, wanted: "Wanted") -> Resolved | Fault:
        """Resolve what a reference wants, which does not change as long as the reference does not."""
        found = self._known.get(wanted)
        if found is None:
            # Whether a reference may leave its namespace depends on the kind and the namespace that it is made in.
            source = ObjectRef(wanted.group, wanted.kind, wanted.namespace, "")
            found = self._known[wanted] = self._resolve(wanted.target, wanted.port, source, wanted.protocol)
        return found

    def _resolve(self, target: ObjectRef, port: int | None, source: ObjectRef, protocol: str) -> Resolved | Fault:
        stand_in = self._context.index.stand_in(target)
        if stand_in is None and (target.group, target.kind) not in (("", "Service"), (ENVOY_GATEWAY, "Backend")):
            text = f"a {target.kind} of group {target.group or 'core'} cannot be a backend"
            return Fault(INVALID_KIND, "InvalidKind", text, "use a Service or an Envoy Gateway Backend")
        fault = check_grant(self._context, target, source)
        if fault is not None:
            return fault
        if isinstance(stand_in, DerivedBackend):
            return self._register_stand_in(stand_in, target)
        item = self._context.index.get(*target)
        if item is None:
            known = self._context.index.all(target.group, target.kind)
            names = [one.name for one in known if one.namespace == target.namespace]
            close = get_close_matches(target.name, names, 1)
            hint = f'did you mean "{close[0]}"?' if close else ""
            return Fault(BACKEND_NOT_FOUND, "BackendNotFound", f"there is no {target}", hint)
        if target.kind == "Backend":
            return self._register_backend(item, protocol)
        assert isinstance(item, Service)
        return self._register_service(item, port or 0, protocol)

    def _register_service(self, item: Service, port: int, protocol: str) -> Resolved | Fault:
        ref = item.manifest.ref
        entry = next((one for one in item.spec.ports if one.port == port), None)
        if entry is None:
            ports = ", ".join(str(one.port) for one in item.spec.ports)
            text = f"{ref} has no port {port}"
            return Fault(BACKEND_NOT_FOUND, "BackendNotFound", text, f"its ports are {ports}" if ports else "")
        said = entry.app_protocol or ""
        spoken = protocol or ("http2" if said in _HTTP2 else "http1")
        name = f"{ref.kind}/{ref.namespace}/{ref.name}/{port}"
        if (protocol == "http2" and said not in _HTTP2) or protocol in ("tcp", "udp"):
            name += f"/{protocol}"
        if name in self._context.backends:
            return Resolved(name)
        tls = self._tls.find(ref, entry.name or "")
        if isinstance(tls, Fault):
            return tls
        backend, is_found = self._read_service(item, entry, name, spoken, tls)
        if not is_found:
            self._context.add(
                NO_ENDPOINTS,
                f"{ref} has no endpoints here; its requests are answered with 503",
                item.manifest,
                ("metadata", "name"),
                hint=f"run with --stub, or with --resolve {ref.name}=127.0.0.1:PORT",
            )
        self._context.backends[name] = backend
        return Resolved(name)

    def _read_service(
        self, item: Service, entry: ServicePort, name: str, protocol: str, tls: ClientTls | None
    ) -> tuple[Backend, bool]:
        """The backend that a Service is, and whether it has endpoints; the last one while all it is made of stands."""
        index, ref = self._context.index, item.manifest.ref
        parts = (item, index.endpoints(ref.namespace, ref.name), *index.endpoint_slices(ref.namespace, ref.name))
        key = ("service", name, protocol, tls, *map(id, parts))
        found = self._context.cache.get(key)
        if found is None:
            groups = find_endpoints(index, item, entry)
            backend = Backend(
                origin=origin(item.manifest),
                name=name,
                service=ref.name,
                namespace=ref.namespace,
                port=entry.port,
                protocol=protocol,  # type: ignore[arg-type]
                websocket=(entry.app_protocol or "") in _WEBSOCKET,
                groups=groups or (),
                tls=tls,
            )
            # The parts are stored too, so that their ids stay taken.
            found = (backend, groups is not None, parts)
            self._context.cache.put(key, found)
        made: tuple[Backend, bool] = found[:2]
        return made

    def _register_stand_in(self, item: DerivedBackend, target: ObjectRef) -> Resolved | Fault:
        if isinstance(item.lost, LostReference):
            return Fault(item.lost.rule, "BackendNotFound", item.lost.message, item.lost.hint)
        backend: Backend = item.backend
        policy = self._tls.find(target, "")
        if isinstance(policy, Fault):
            return policy
        if policy is not None:
            backend = msgspec.structs.replace(backend, tls=policy)
        self._context.backends.setdefault(backend.name, backend)
        return Resolved(backend.name)

    def _register_backend(self, item: Kind, protocol: str) -> Resolved | Fault:
        ref = item.manifest.ref
        name = f"{ref.kind}/{ref.namespace}/{ref.name}" + (f"/{protocol}" if protocol else "")
        if name not in self._context.backends:
            policy = self._tls.find(ref, "")
            if isinstance(policy, Fault):
                return policy
            assert isinstance(item, EnvoyBackend)
            backend = read_envoy_backend(self._context, item, name, protocol, policy)
            if isinstance(backend, Fault):
                return backend
            self._context.backends[name] = backend
        return Resolved(name)
