"""Listeners with their attached routes and policies, put together as the model's gateways."""

import msgspec

from anygate.diagnostics import ObjectRef
from anygate.dialects.gateway_api.backend_policy import BackendPolicies
from anygate.dialects.gateway_api.backends import Backends
from anygate.dialects.gateway_api.certificates import read_certificate
from anygate.dialects.gateway_api.client_traffic import (
    find_unread_client_fields,
    read_client_connection,
    read_http_server,
)
from anygate.dialects.gateway_api.context import GATEWAY_API, Context, Fault, origin
from anygate.dialects.gateway_api.effects import Effects, Places
from anygate.dialects.gateway_api.findings import NOT_HONOURED
from anygate.dialects.gateway_api.listener_tls import apply_client_tls
from anygate.dialects.gateway_api.listeners import GatewayDraft, ListenerDraft
from anygate.dialects.gateway_api.merged_backend import merge_targets
from anygate.dialects.gateway_api.policies import ROUTE_KINDS, Attached, Policies, read_policies
from anygate.model.listener import ClientConnection, Gateway, HttpServer, Listener, Server
from anygate.model.route import Forward, HttpRoute, HttpRule, StreamRoute


class Assembly:
    """Makes the model's gateways from drafts."""

    def __init__(self, context: Context, backends: Backends) -> None:
        self._context = context
        self._client = read_policies(context, "ClientTrafficPolicy", ("Gateway", "ListenerSet"))
        traffic = read_policies(context, "BackendTrafficPolicy", ("Gateway", *ROUTE_KINDS))
        security = read_policies(context, "SecurityPolicy", ("Gateway", "HTTPRoute", "GRPCRoute", "TCPRoute"))
        self._effects = Effects(context, backends, traffic, security)
        self._backend_policies = BackendPolicies(context)
        # Asked for each rule; every backend that a rule forwards to is known by now.
        self._has_fallbacks = context.fallbacks
        _note_unread(context, self._client)

    def build_gateway(self, draft: GatewayDraft) -> Gateway:
        """One gateway with the listeners that may serve."""
        certificate = self._backend_certificate(draft)
        ports: dict[tuple[int, str], list[ListenerDraft]] = {}
        for listener in draft.listeners:
            if listener.valid:
                ports.setdefault((listener.spec.port, listener.transport), []).append(listener)
        listeners = []
        for (port, transport), members in sorted(ports.items()):
            servers, connection = [], ClientConnection()
            for member in members:
                server, own = self._build_server(draft, member, certificate)
                if server is not None:
                    servers.append(server)
                    connection = own if own != ClientConnection() else connection
            if servers:
                listeners.append(
                    Listener(
                        origin=servers[0].origin,
                        name=f"{draft.name}/{port}" + ("/udp" if transport == "udp" else ""),
                        port=port,
                        transport=transport,  # type: ignore[arg-type]
                        servers=tuple(servers),
                        connection=connection,
                    )
                )
        return Gateway(
            origin=origin(draft.manifest),
            name=draft.name,
            listeners=tuple(listeners),
            addresses=tuple(one.value for one in draft.gateway.spec.addresses if one.type == "IPAddress" and one.value),
        )

    def _backend_certificate(self, draft: GatewayDraft) -> str:
        """The certificate that the Gateway shows to backends (GEP-3155)."""
        tls = draft.gateway.spec.tls
        backend = (tls.backend if tls else None) or draft.gateway.spec.backend_tls
        if backend is None or backend.client_certificate_ref is None:
            return ""
        found = read_certificate(self._context, backend.client_certificate_ref, draft.manifest.ref)
        if isinstance(found, str):
            return found
        path = ("spec", "tls", "backend", "clientCertificateRef")
        section = self._context.status.object(draft.manifest.ref)
        self._context.refuse(section, "ResolvedRefs", found, draft.manifest, path)
        return ""

    def _build_server(
        self, draft: GatewayDraft, listener: ListenerDraft, certificate: str
    ) -> tuple[Server | None, ClientConnection]:
        policy = self._client.effective(_listener_places(draft, listener))
        http, connection, tls = HttpServer(), ClientConnection(), listener.tls
        if policy is not None:
            item = policy.item
            if item is None:
                # The policy cannot be read; it may have asked for client certificates.
                listener.invalidate()
                return None, connection
            http = read_http_server(item.spec)  # type: ignore[attr-defined]
            connection = read_client_connection(item)  # type: ignore[arg-type]
            wanted = item.spec.tls  # type: ignore[attr-defined]
            if wanted is not None and tls is not None:
                found = apply_client_tls(self._context, tls, wanted, policy.manifest)
                if isinstance(found, Fault):
                    path = ("spec", "tls", "clientValidation")
                    self._context.refuse(policy.section, "Accepted", found, policy.manifest, path)
                    listener.invalidate()
                    return None, connection
                tls = found
        server = Server(
            origin=origin(listener.owner, listener.path),
            name=listener.server_name,
            protocol=_protocol(listener),  # type: ignore[arg-type]
            hostname=listener.spec.hostname or "",
            tls=tls,
            http=http,
            routes=tuple(self._specialise(draft, listener, one, certificate) for one in listener.routes),
            streams=tuple(self._specialise_stream(draft, listener, one, connection) for one in listener.streams),
        )
        return server, connection

    def _specialise(
        self, draft: GatewayDraft, listener: ListenerDraft, route: HttpRoute, certificate: str
    ) -> HttpRoute:
        """A route as it is on one listener: the same value when no policy changes it."""
        changed = False
        rules = []
        ref = _route_ref(route.kind, route.name)
        manifest = None
        for number, rule in enumerate(route.rules):
            wanted = rule
            if self._backend_policies:
                wanted = self._backend_policies.apply(wanted, route.name)
            if self._effects.any:
                places = [(ref, rule.name), (ref, ""), *_listener_places(draft, listener)]
                wanted = self._effects.apply(wanted, places)
            if certificate:
                wanted = self._with_certificate(wanted, draft, certificate)
            if wanted.session is not None or self._has_fallbacks:
                manifest = manifest or self._context.index.get(*ref).manifest  # type: ignore[union-attr]
                wanted = merge_targets(self._context, wanted, manifest, ("spec", "rules", number))
            changed = changed or wanted is not rule
            rules.append(wanted)
        return msgspec.structs.replace(route, rules=tuple(rules)) if changed else route

    def _with_certificate(self, rule: HttpRule, draft: GatewayDraft, certificate: str) -> HttpRule:
        """A rule whose TLS backends see the Gateway's certificate."""
        if not isinstance(rule.action, Forward):
            return rule
        known = self._context.backends
        targets = []
        for target in rule.action.targets:
            backend = known.get(target.backend)
            if backend is None or backend.tls is None or backend.tls.certificate:
                targets.append(target)
                continue
            name = f"{target.backend}+{draft.name}"
            tls = msgspec.structs.replace(backend.tls, certificate=certificate)
            known.setdefault(name, msgspec.structs.replace(backend, name=name, tls=tls))
            targets.append(msgspec.structs.replace(target, backend=name))
        action = msgspec.structs.replace(rule.action, targets=tuple(targets))
        return msgspec.structs.replace(rule, action=action)

    def _specialise_stream(
        self, draft: GatewayDraft, listener: ListenerDraft, route: StreamRoute, connection: ClientConnection
    ) -> StreamRoute:
        """A stream route with the policies that hold for it; one that is not valid leaves it no backend."""
        ref = _route_ref(route.kind, route.name)
        places = [(ref, route.rule), (ref, ""), *_listener_places(draft, listener)]
        targets = route.targets
        for found in (self._effects.security(places), self._effects.traffic(places)):
            if isinstance(found, Fault):
                targets = tuple(msgspec.structs.replace(one, backend="", reason=found.message) for one in targets)
        traffic = self._effects.traffic(places)
        if traffic is not None and not isinstance(traffic, Fault):
            targets = tuple(
                msgspec.structs.replace(one, backend=self._effects.variant(one.backend, traffic)) for one in targets
            )
        security = self._effects.security(places)
        if security is not None and not isinstance(security, Fault) and security.security is not None:
            targets = tuple(
                msgspec.structs.replace(one, backend="", reason="a SecurityPolicy cannot protect raw streams")
                for one in targets
            )
            item = self._context.index.get(*ref)
            if item is not None:
                text = "a SecurityPolicy on streams is not supported; connections are refused"
                self._context.add(NOT_HONOURED, text, item.manifest)
        idle = connection.tcp_idle_timeout
        return msgspec.structs.replace(route, targets=targets, idle_timeout=idle or route.idle_timeout)


def assemble(context: Context, drafts: list[GatewayDraft], backends: Backends) -> tuple[Gateway, ...]:
    """All gateways, in the order of their names."""
    assembly = Assembly(context, backends)
    built = [assembly.build_gateway(draft) for draft in drafts]
    return tuple(sorted((one for one in built if one.listeners), key=lambda one: one.name))


def _route_ref(kind: str, name: str) -> ObjectRef:
    namespace, _, own = name.partition("/")
    return ObjectRef(GATEWAY_API, kind, namespace, own)


def _listener_places(draft: GatewayDraft, listener: ListenerDraft) -> Places:
    """Where a policy for a listener may stand, the most specific first."""
    owner = listener.owner.ref
    own = [(owner, listener.spec.name), (owner, "")]
    gateway = draft.manifest.ref
    return own if owner == gateway else [*own, (gateway, "")]


def _protocol(listener: ListenerDraft) -> str:
    if listener.protocol == "TLS":
        return "tls_passthrough" if listener.passthrough else "tls_terminate"
    return listener.protocol.lower()


def _note_unread(context: Context, policies: Policies) -> None:
    seen: set[int] = set()
    for attached in policies.all():
        item: Attached = attached
        if item.item is None or id(item.item) in seen:
            continue
        seen.add(id(item.item))
        for path, text in find_unread_client_fields(item.item.spec):  # type: ignore[attr-defined]
            context.add(NOT_HONOURED, text, item.manifest, path)
