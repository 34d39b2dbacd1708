"""The model as a snapshot of everything that Envoy is to be given.

Pure: the same model and placement always give the same bytes, with or without a cache.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from anygate.envoy.actions import Way
from anygate.envoy.api import serialise
from anygate.envoy.checked import Refusal, serialised
from anygate.envoy.clusters import (
    ClusterShape,
    build_cluster,
    build_cluster_shape,
    cluster_shape,
    has_endpoint_discovery,
)
from anygate.envoy.constraints import check
from anygate.envoy.egress import build_egress, build_services, has_translation
from anygate.envoy.endpoints import build_load_assignment
from anygate.envoy.filters.filter import Scope
from anygate.envoy.filters.handover import hands_over
from anygate.envoy.inference_variants import Providers, gather_providers
from anygate.envoy.listeners import build_listeners, plain_servers, rules_of, secure_servers
from anygate.envoy.mcp.gateway import build_mcp_cluster, has_mcp
from anygate.envoy.names import (
    EGRESS,
    MCP_GATEWAY,
    SANDBOX,
    SERVICES,
    adapter_cluster_name,
    cluster_name,
    routes_name,
    stage_name,
)
from anygate.envoy.placement import AS_WRITTEN, Placement
from anygate.envoy.refusal import CannotBuild
from anygate.envoy.routes import NO_PROVIDERS, RouteContext, RouteSheet
from anygate.envoy.secrets import build_secret
from anygate.envoy.snapshot import CLUSTER, ENDPOINTS, LISTENER, ROUTES, SECRET, Resource, Snapshot, resource
from anygate.envoy.stages import build_stage_cluster, build_stage_listener
from anygate.envoy.streams import merge_targets
from anygate.envoy.tls import Secrets, Trust
from anygate.envoy.tracing import default_trace
from anygate.envoy.upstream.adapter import build_adapter_cluster, translated_backends
from anygate.envoy.upstream.proxy import without_lookup
from anygate.envoy.upstream.setting import Setting, survey
from anygate.envoy.virtual_hosts import build_route_configuration
from anygate.model.backend import Backend
from anygate.model.body_rows import asks_for_bodies
from anygate.model.listener import Gateway, Listener, Server, Stage
from anygate.model.origin import Origin
from anygate.model.root import Model
from anygate.model.telemetry import Trace
from anygate.model.tls import Secret, SocketSecret

_NOWHERE = Origin("anygate", "", "envoy")
"""The origin of what no manifest asks for by name."""


class Built(NamedTuple):
    """The snapshot, and what was left out of it because Envoy would refuse it."""

    snapshot: Snapshot
    refused: tuple[Refusal, ...]


class _SheetKey(NamedTuple):
    way: Way
    server: Server
    secrets: tuple[Secret, ...]
    switched: bool
    providers: Providers
    told: bool
    trace: Trace | None


class _BackendKey(NamedTuple):
    secrets: frozenset[str | SocketSecret]
    system_authorities: str
    preserve_case: bool
    setting: Setting
    adapters: tuple[str, ...]
    translated: frozenset[str]


class _BuiltBackend(NamedTuple):
    backend: Backend
    resources: tuple[Resource, ...]
    refused: tuple[Refusal, ...]


class BuildCache:
    """What the last build made, for the next build of a model that shares nodes with the last one.

    It holds only what the last build used, and changes how long a build takes, never what it makes. Nodes are found
    again by name and taken when they are equal: a reader that keeps unchanged nodes gains most.
    """

    def __init__(self) -> None:
        self.sheets: dict[_SheetKey, RouteSheet] = {}
        self.backends: dict[str, _BuiltBackend] = {}
        self.backend_key: _BackendKey | None = None


def build(model: Model, placement: Placement = AS_WRITTEN, cache: BuildCache | None = None) -> Built:
    """Build the snapshot of a model."""
    return _Build(model, placement, cache or BuildCache()).run()


class _Build:
    """One build: the parts gathered so far, and the sheets and backends that the next build may use again."""

    def __init__(self, model: Model, placement: Placement, cache: BuildCache) -> None:
        self._model = model
        self._placement = placement
        self._cache = cache
        self._providers = gather_providers(model.backends, placement.credentials)
        self._secrets: Secrets = {secret.name: secret for secret in model.secrets}
        self._sheets: dict[_SheetKey, RouteSheet] = {}
        self._resources: dict[tuple[str, str], Resource] = {}
        self._refused: list[Refusal] = []

    def run(self) -> Built:
        """Build everything, then keep for the next build what this one used."""
        for secret in self._model.secrets:
            if isinstance(secret, SocketSecret):
                continue
            body = serialised(build_secret(secret), secret.origin, secret.name, self._refused)
            self._add(SECRET, secret.name, body, secret.origin)
        for gateway in self._model.gateways:
            for listener in gateway.listeners:
                self._add_listener(gateway, listener)
            for stage in gateway.stages:
                self._add_stage(gateway, stage)
        self._add_backends()
        self._add_companions()
        for sheet in self._sheets.values():
            sheet.seal()
        self._cache.sheets = self._sheets
        return Built(Snapshot(self._resources.values()), tuple(dict.fromkeys(self._refused)))

    def _add(self, type_url: str, name: str, body: bytes | None, origin: Origin) -> None:
        if body is not None:
            self._keep(resource(type_url, name, body), origin)

    def _keep(self, made: Resource, origin: Origin) -> None:
        """Take a resource; of two with one name the first holds, since Envoy takes only one."""
        if self._resources.setdefault((made.type_url, made.name), made) is not made:
            self._refused.append(Refusal(origin, made.name, "the name is taken already"))

    def _add_listener(self, gateway: Gateway, listener: Listener) -> None:
        built, refused = build_listeners(listener, self._placement, self._secrets)
        self._refused.extend(refused)
        for each in built:
            body = serialised(each, listener.origin, each.name, self._refused)
            self._add(LISTENER, each.name, body, listener.origin)
        plain, secure = plain_servers(listener), secure_servers(listener)
        ways: list[tuple[str, list[Server], list[Server]]] = []
        if plain:
            ways.append((routes_name(listener), plain, []))
        for server in secure:
            neighbours = [other for other in secure if other is not server]
            ways.append((routes_name(listener, server), [server], neighbours))
        moved = self._moved_ports(gateway)
        for name, servers, neighbours in ways:
            rules = rules_of(servers)
            switched = any(rule.inference for rule in rules) or hands_over(rules) or asks_for_bodies(rules)
            sheets = {
                id(server): self._sheets_of(server, Way(_scheme(server), listener.port, moved), switched)
                for server in servers
            }
            body, refused = build_route_configuration(name, servers, neighbours, sheets)
            self._refused.extend(refused)
            self._add(ROUTES, name, body, listener.origin)

    def _add_stage(self, gateway: Gateway, stage: Stage) -> None:
        name, server = stage_name(stage.name), stage.server
        rules = rules_of([server])
        built: dict[str, Any] = {CLUSTER: build_stage_cluster(stage)}
        try:
            built[LISTENER] = build_stage_listener(stage, rules, self._placement.recorded)
        except CannotBuild as problem:
            self._refused.append(Refusal(problem.origin, name, problem.text))
        for type_url, each in built.items():
            self._add(type_url, name, serialised(each, stage.origin, name, self._refused), stage.origin)
        way = Way("http", 0, self._moved_ports(gateway))
        sheets = {id(server): self._sheets_of(server, way, any(rule.inference for rule in rules))}
        body, refused = build_route_configuration(name, [server], [], sheets)
        self._refused.extend(refused)
        self._add(ROUTES, name, body, stage.origin)

    def _moved_ports(self, gateway: Gateway) -> tuple[tuple[int, int], ...]:
        """Which ports of a gateway clients find elsewhere, so that redirects between them lead somewhere."""
        places = {
            listener.port: self._placement.socket(listener).port
            for listener in gateway.listeners
            if listener.transport == "tcp"
        }
        return tuple((written, bound) for written, bound in sorted(places.items()) if written != bound)

    def _sheets_of(self, server: Server, way: Way, switched: bool) -> tuple[RouteSheet, RouteSheet]:
        """The sheets of a server; only rules with security settings are built anew when a secret changes."""
        bare = msgspec.structs.replace(server, routes=(), streams=())
        providers = self._providers if switched else NO_PROVIDERS
        told = bool(self._placement.services) and server.spans is not None
        trace = default_trace(rules_of([server]), self._placement.traced) if told and switched else None
        plain = _SheetKey(way, bare, (), switched, providers, told, trace)
        return self._sheet(plain), self._sheet(plain._replace(secrets=self._model.secrets))

    def _sheet(self, key: _SheetKey) -> RouteSheet:
        found = self._sheets.get(key)
        if found is None:
            scope = Scope(key.server, {secret.name: secret for secret in key.secrets}, key.switched)
            context = RouteContext(key.way, scope, key.providers, key.told, key.trace)
            found = RouteSheet(context, self._cache.sheets.get(key))
            self._sheets[key] = found
        return found

    def _add_backends(self) -> None:
        key = self._backend_key()
        shapes = _ClusterShapes(Trust(self._secrets, self._placement.system_authorities), key)
        known = self._cache.backends if self._cache.backend_key == key else {}
        used: dict[str, _BuiltBackend] = {}
        for backend in (*self._model.backends, *self._merged_backends()):
            made = known.get(backend.name)
            if made is None or (made.backend is not backend and made.backend != backend):
                made = _build_backend(backend, shapes, key)
            used[backend.name] = made
            self._refused.extend(made.refused)
            for each in made.resources:
                self._keep(each, backend.origin)
        self._cache.backends, self._cache.backend_key = used, key

    def _add_companions(self) -> None:
        """Add what the processes beside Envoy need of it, where there are such processes."""
        has_gateway = bool(self._placement.mcp) and has_mcp(self._model)
        if has_gateway:
            body = serialised(build_mcp_cluster(self._placement.mcp), _NOWHERE, MCP_GATEWAY, self._refused)
            self._add(CLUSTER, MCP_GATEWAY, body, _NOWHERE)
        if self._placement.egress and (has_gateway or has_translation(self._model)):
            body = serialised(build_egress(self._placement.egress), _NOWHERE, EGRESS, self._refused)
            self._add(LISTENER, EGRESS, body, _NOWHERE)
        if self._placement.services:
            body = serialised(build_services(self._placement.services), _NOWHERE, SERVICES, self._refused)
            self._add(CLUSTER, SERVICES, body, _NOWHERE)
        if self._placement.sandbox:
            body = serialised(build_services(self._placement.sandbox, SANDBOX), _NOWHERE, SANDBOX, self._refused)
            self._add(CLUSTER, SANDBOX, body, _NOWHERE)

    def _backend_key(self) -> _BackendKey:
        """What all backends depend on besides themselves; without model providers that is little."""
        served = [backend for backend in self._model.backends if backend.provider]
        return _BackendKey(
            frozenset(one if isinstance(one, SocketSecret) else name for name, one in self._secrets.items()),
            self._placement.system_authorities,
            self._preserves_case(),
            survey(served, self._placement.credentials),
            self._placement.adapters,
            translated_backends(self._model) if served and self._placement.adapters else frozenset(),
        )

    def _merged_backends(self) -> Iterator[Backend]:
        backends = {backend.name: backend for backend in self._model.backends}
        for listener in (each for gateway in self._model.gateways for each in gateway.listeners):
            for server in listener.servers if listener.transport == "udp" else ():
                for stream in server.streams:
                    merged = merge_targets(stream, backends)
                    if merged is not None and (CLUSTER, merged.name) not in self._resources:
                        yield merged

    def _preserves_case(self) -> bool:
        """Whether any server keeps the case of header names: answers pass the cluster's codec first."""
        listeners = (listener for gateway in self._model.gateways for listener in gateway.listeners)
        return any(server.http.http1_preserve_case for listener in listeners for server in listener.servers)


def _scheme(server: Server) -> str:
    return "https" if server.protocol == "https" else "http"


class _ClusterShapes:
    """The shapes of this build's clusters, each built and checked once."""

    def __init__(self, trust: Trust, key: _BackendKey) -> None:
        self._trust = trust
        self._key = key
        self._built: dict[ClusterShape, tuple[bytes, tuple[str, ...]]] = {}

    def of(self, backend: Backend) -> tuple[bytes, tuple[str, ...]]:
        """The serialised shape of a backend's cluster, and what Envoy would refuse about it."""
        shape = cluster_shape(backend, preserve_case=self._key.preserve_case, setting=self._key.setting)
        found = self._built.get(shape)
        if found is None:
            found = self._built[shape] = self._build(shape, backend.origin)
        return found

    def _build(self, shape: ClusterShape, origin: Origin) -> tuple[bytes, tuple[str, ...]]:
        try:
            built = build_cluster_shape(shape, origin, self._trust)
        except CannotBuild as problem:
            return b"", (problem.text,)
        built.name = "shape"  # enough of a name for the check
        wrong = tuple(f"{each.path} {each.text}" for each in check(built))
        built.ClearField("name")
        return serialise(built), wrong


def _build_backend(backend: Backend, shapes: _ClusterShapes, key: _BackendKey) -> _BuiltBackend:
    name, given = cluster_name(backend), backend
    backend = without_lookup(backend)
    shape, wrong = shapes.of(backend)
    refused = [Refusal(backend.origin, name, text) for text in wrong]
    own = serialised(build_cluster(backend), backend.origin, name, refused)
    made = [resource(CLUSTER, name, shape + own)] if own is not None else []
    if has_endpoint_discovery(backend):
        endpoints = build_load_assignment(name, backend)
        assignment = serialised(endpoints, backend.origin, name, refused)
        made += [resource(ENDPOINTS, name, assignment)] if assignment is not None else []
    if backend.provider and backend.name in key.translated:
        name = adapter_cluster_name(backend.name)
        body = serialised(build_adapter_cluster(backend, key.adapters, key.setting), backend.origin, name, refused)
        made += [resource(CLUSTER, name, body)] if body is not None else []
    return _BuiltBackend(given, () if refused else tuple(made), tuple(refused))
