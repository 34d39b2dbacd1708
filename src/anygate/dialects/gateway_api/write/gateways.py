"""Gateways with their listeners, and the policies for their clients."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from anygate.dialects.gateway_api.write.clients import write_client
from anygate.dialects.gateway_api.write.findings import LISTENER, SETTING
from anygate.dialects.gateway_api.write.objects import Document, clean
from anygate.dialects.gateway_api.write.words import given
from anygate.dialects.gateway_api.write.writing import Writing, namespace_of
from anygate.model.listener import Gateway, Listener, Server
from anygate.model.route import Forward
from anygate.model.route_table import intersect
from anygate.model.tls import ServerTls

_PROTOCOLS = {
    "http": "HTTP",
    "https": "HTTPS",
    "tls_passthrough": "TLS",
    "tls_terminate": "TLS",
    "tcp": "TCP",
    "udp": "UDP",
}
_MOST_PARENTS = 32
_GROUP = "gateway.networking.k8s.io"


@dataclass(eq=False)
class Place:
    """A listener as it is written: `section` is its name in the Gateway, `hostname` what it is for (empty: any).

    `certificate` is shown to all backends. A server with several certificates is as many listeners.
    """

    gateway: Document
    section: str
    listener: Listener
    server: Server
    hostname: str = ""
    certificate: str = ""
    namespaces: set[str] = field(default_factory=set)


def write_gateways(writing: Writing) -> list[Place]:
    """Write every Gateway and its ClientTrafficPolicies; routes are attached to the places later."""
    places: list[Place] = []
    for gateway in writing.model.gateways:
        places += _write_gateway(writing, gateway)
    return places


def write_parents(places: Sequence[Place], hostnames: Sequence[str], namespace: str) -> list[dict[str, Any]]:
    """References of a route to its listeners; to all of a port where they would be too many."""
    wanted = [
        place
        for place in places
        if not hostnames or any(intersect(place.hostname, one) is not None for one in hostnames)
    ]
    by_port = len(wanted) > _MOST_PARENTS
    found: list[dict[str, Any]] = []
    for place in wanted:
        made = given(
            name=place.gateway.name,
            namespace=place.gateway.namespace if place.gateway.namespace != namespace else None,
            section_name=None if by_port else place.section,
            port=place.listener.port if by_port else None,
        )
        if made not in found:
            found.append(made)
    return found


def finish_gateways(places: Sequence[Place]) -> None:
    """Let routes of other namespaces attach where there are some."""
    for place in places:
        if place.namespaces - {place.gateway.namespace}:
            listeners: list[dict[str, Any]] = place.gateway.body["spec"]["listeners"]
            entry = next(one for one in listeners if one["name"] == place.section)
            entry["allowedRoutes"] = {"namespaces": {"from": "All"}}


def _write_gateway(writing: Writing, gateway: Gateway) -> list[Place]:
    namespace = namespace_of(gateway.origin)
    name = gateway.origin.name if gateway.name.endswith(gateway.origin.name) else gateway.name
    certificate = _find_certificate(writing, gateway)
    spec: dict[str, Any] = {"gatewayClassName": writing.options.gateway_class, "listeners": []}
    if gateway.addresses:
        spec["addresses"] = [{"type": "IPAddress", "value": one} for one in gateway.addresses]
    if certificate:
        reference = writing.secret(certificate, "Gateway", namespace)
        spec["tls"] = {"backend": {"clientCertificateRef": reference}}
    document = writing.objects.add("Gateway", namespace, name, {"spec": spec}, [gateway.origin])
    places = []
    policies: list[tuple[str, dict[str, Any]]] = []
    for listener in gateway.listeners:
        for server in _keep_servers(writing, listener):
            _name_separation(writing, server)
            for hostname, tls in _list_doors(_demand_certificates(server)):
                door = msgspec.structs.replace(server, hostname=hostname, tls=tls)
                section = _name_section(door, listener, [one["name"] for one in spec["listeners"]])
                spec["listeners"].append(_write_listener(writing, section, listener, door, namespace))
                places.append(Place(document, section, listener, server, hostname, certificate))
                policies.append((section, write_client(writing, door, listener.connection, namespace)))
            if server.origin not in document.sources:
                document.sources.append(server.origin)
    _write_policies(writing, document, policies)
    return places


def _demand_certificates(server: Server) -> Server:
    """A server that wants a certificate of every client where single requests had to have one: no route can ask."""
    validation = server.tls.client_validation if server.tls is not None else None
    matches = (match for route in server.routes for rule in route.rules for match in rule.matches)
    if server.tls is None or validation is None or all(match.client_certificate is None for match in matches):
        return server
    tls = msgspec.structs.replace(server.tls, client_validation=msgspec.structs.replace(validation, required=True))
    return msgspec.structs.replace(server, tls=tls)


def _name_separation(writing: Writing, server: Server) -> None:
    """Say that names which shared connections have listeners of their own from now on."""
    if sum(len(one.server_names) for one in server.named_tls) > 1:
        text = (
            "a connection that was made for one host no longer takes requests for another: they are answered with 421"
        )
        writing.losses.add(SETTING, server.origin, text)


def _list_doors(server: Server) -> list[tuple[str, ServerTls | None]]:
    """The hostnames of a server with their TLS."""
    if not server.named_tls:
        return [(server.hostname, server.tls)]
    return [(name, one.tls) for one in server.named_tls for name in one.server_names]


def _find_certificate(writing: Writing, gateway: Gateway) -> str:
    """The certificate that is shown to every backend that asks for TLS, if there is one."""
    found = {tls.certificate for tls in _backend_tls(writing, gateway)}
    return found.pop() if len(found) == 1 else ""


def _backend_tls(writing: Writing, gateway: Gateway) -> list[Any]:
    names = [
        target.backend
        for listener in gateway.listeners
        for server in listener.servers
        for route in server.routes
        for rule in route.rules
        if isinstance(rule.action, Forward)
        for target in rule.action.targets
    ]
    found = [writing.backends[name].tls for name in dict.fromkeys(names) if name in writing.backends]
    return [tls for tls in found if tls is not None and not tls.insecure]


def _keep_servers(writing: Writing, listener: Listener) -> list[Server]:
    """The servers that can share a port: those with TLS where there are both kinds."""
    plain = [one for one in listener.servers if one.protocol == "http"]
    if plain and len(plain) < len(listener.servers):
        text = f"port {listener.port} no longer takes plaintext beside TLS"
        writing.losses.add(LISTENER, plain[0].origin, text)
        return [one for one in listener.servers if one.protocol != "http"]
    return list(listener.servers)


def _name_section(server: Server, listener: Listener, taken: Sequence[str]) -> str:
    base = clean(f"{server.name}-{server.hostname}" if server.named_tls else server.name)
    found = base if base not in taken else f"{base}-{listener.port}"
    number = 1
    while found in taken:
        number += 1
        found = f"{base}-{listener.port}-{number}"
    return found


def _write_listener(
    writing: Writing, section: str, listener: Listener, server: Server, namespace: str
) -> dict[str, Any]:
    tls: dict[str, Any] | None = None
    if server.protocol == "tls_passthrough":
        tls = {"mode": "Passthrough"}
    elif server.tls is not None:
        tls = {"certificateRefs": [writing.secret(one, "Gateway", namespace) for one in server.tls.certificates]}
    return given(
        name=section,
        port=listener.port,
        protocol=_PROTOCOLS[server.protocol],
        hostname=server.hostname or None,
        tls=tls,
    )


def _write_policies(writing: Writing, gateway: Document, policies: Sequence[tuple[str, dict[str, Any]]]) -> None:
    """One policy for the Gateway where all listeners agree, else one for those that do."""
    target = {"group": _GROUP, "kind": "Gateway", "name": gateway.name}
    found: list[tuple[dict[str, Any], list[str]]] = []
    for section, spec in policies:
        known = next((sections for other, sections in found if other == spec), None)
        if known is None:
            found.append((spec, [section]))
        else:
            known.append(section)
    for spec, sections in found:
        if not spec:
            continue
        targets = [target] if len(found) == 1 else [{**target, "sectionName": one} for one in sections]
        body = {"spec": {"targetRefs": targets, **spec}}
        writing.objects.add("ClientTrafficPolicy", gateway.namespace, gateway.name, body, gateway.sources[:1])
