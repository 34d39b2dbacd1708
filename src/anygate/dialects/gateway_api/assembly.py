"""Listeners with their attached routes and policies, put together as the model's gateways."""

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from anygate.dialects.gateway_api.backend_policy import BackendPolicies
from anygate.dialects.gateway_api.backends import Backends
from anygate.dialects.gateway_api.certificates import read_certificate
from anygate.dialects.gateway_api.client_traffic import (
    find_unread_client_fields,
    read_client_connection,
    read_http_server,
)
from anygate.dialects.gateway_api.context import Context, Fault, origin
from anygate.dialects.gateway_api.effects import Effects, note_unread
from anygate.dialects.gateway_api.findings import NOT_HONOURED
from anygate.dialects.gateway_api.listener_tls import apply_client_tls
from anygate.dialects.gateway_api.listeners import GatewayDraft, ListenerDraft
from anygate.dialects.gateway_api.policies import Place, read_policies
from anygate.dialects.gateway_api.policy_targets import ROUTE_KINDS
from anygate.dialects.gateway_api.specialise import Specialiser
from anygate.dialects.gateway_api.status import note
from anygate.model.listener import ClientConnection, Gateway, HttpServer, Listener, Server
from anygate.model.route import StreamRoute


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
        note_unread(context, self._client, find_unread_client_fields)

    def build_gateway(self, draft: GatewayDraft) -> Gateway:
        """One gateway with the listeners that may serve."""
        certificate = self._backend_certificate(draft)
        specialiser = Specialiser(self._context, self._effects, self._backend_policies, draft.name, certificate)
        ports: dict[tuple[int, str], list[ListenerDraft]] = {}
        for listener in draft.listeners:
            if listener.valid:
                ports.setdefault((listener.spec.port, listener.transport), []).append(listener)
        listeners = []
        for (port, transport), members in sorted(ports.items()):
            servers: list[Server] = []
            connection = ClientConnection()
            for member in members:
                server, own = self._build_server(draft, member, specialiser)
                if server is not None:
                    self._note_shared(member, server, own, servers, connection)
                    servers.append(server)
                    connection = connection if connection != ClientConnection() else own
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

    def _note_shared(
        self,
        member: ListenerDraft,
        server: Server,
        own: ClientConnection,
        earlier: Sequence[Server],
        connection: ClientConnection,
    ) -> None:
        """Say where a listener's own settings give way to those of another on its port.

        A connection is taken before anything tells which listener it is for, and without TLS so is its HTTP.
        """
        plain = next((one for one in earlier if one.protocol == server.protocol == "http"), None)
        if connection != ClientConnection() and own != connection:
            text = f"listeners of port {member.spec.port} share their connection settings: the first policy holds"
            self._context.add(NOT_HONOURED, text, member.owner, member.path)
        if plain is not None and plain.http != server.http:
            text = f"HTTP listeners of port {member.spec.port} share their settings: those of {plain.name} hold"
            self._context.add(NOT_HONOURED, text, member.owner, member.path)

    def finish(self) -> None:
        """Complete the conditions of policies."""
        self._client.note_overridden()
        self._effects.note_overridden()

    def _backend_certificate(self, draft: GatewayDraft) -> str:
        """The certificate that the Gateway shows to backends (GEP-3155)."""
        tls = draft.gateway.spec.tls
        backend = (tls.backend if tls else None) or draft.gateway.spec.backend_tls
        if backend is None or backend.client_certificate_ref is None:
            return ""
        found = read_certificate(self._context, backend.client_certificate_ref, draft.manifest.ref)
        section = self._context.status.object(draft.manifest.ref)
        if isinstance(found, str):
            note(section, "ResolvedRefs", True, "ResolvedRefs")
            return found
        base = ("spec", "tls", "backend") if tls and tls.backend else ("spec", "backendTLS")
        if found.reason != "RefNotPermitted":
            found = replace(found, reason="InvalidClientCertificateRef")
        self._context.refuse(section, "ResolvedRefs", found, draft.manifest, (*base, "clientCertificateRef"))
        return ""

    def _build_server(
        self, draft: GatewayDraft, listener: ListenerDraft, specialiser: Specialiser
    ) -> tuple[Server | None, ClientConnection]:
        places = _listener_places(draft, listener)
        policy = self._client.effective(places)
        http, connection, tls = HttpServer(), ClientConnection(), listener.tls
        if policy is not None:
            item = policy.item
            if item is None:
                # The policy cannot be read; it may have asked for client certificates.
                listener.invalidate()
                return None, connection
            http = read_http_server(item.spec)
            connection = read_client_connection(item)  # type: ignore[arg-type]
            wanted = item.spec.tls
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
            routes=tuple(specialiser.http(one, places) for one in listener.routes),
            streams=tuple(_with_idle(specialiser.stream(one, places), connection) for one in listener.streams),
        )
        return server, connection


def assemble(context: Context, drafts: list[GatewayDraft], backends: Backends) -> tuple[Gateway, ...]:
    """All gateways, in the order of their names."""
    assembly = Assembly(context, backends)
    built = [assembly.build_gateway(draft) for draft in drafts]
    assembly.finish()
    return tuple(sorted((one for one in built if one.listeners), key=lambda one: one.name))


def _listener_places(draft: GatewayDraft, listener: ListenerDraft) -> tuple[Place, ...]:
    """Where a policy for a listener may stand, the most specific first."""
    owner = listener.owner.ref
    own = ((owner, listener.spec.name), (owner, ""))
    gateway = draft.manifest.ref
    return own if owner == gateway else (*own, (gateway, ""))


def _protocol(listener: ListenerDraft) -> str:
    if listener.protocol == "TLS":
        return "tls_passthrough" if listener.passthrough else "tls_terminate"
    return listener.protocol.lower()


def _with_idle(route: StreamRoute, connection: ClientConnection) -> StreamRoute:
    idle = connection.tcp_idle_timeout
    return route if idle is None else msgspec.structs.replace(route, idle_timeout=idle)
