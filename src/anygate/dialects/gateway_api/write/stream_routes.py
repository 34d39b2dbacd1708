"""TCPRoutes, UDPRoutes and TLSRoutes."""

from typing import Any

from anygate.dialects.gateway_api.write.backends import Backends
from anygate.dialects.gateway_api.write.findings import BACKENDS
from anygate.dialects.gateway_api.write.gateways import Place, write_parents
from anygate.dialects.gateway_api.write.route_policies import RoutePolicies
from anygate.dialects.gateway_api.write.shares import split_targets
from anygate.dialects.gateway_api.write.words import given
from anygate.dialects.gateway_api.write.writing import Writing, namespace_of
from anygate.model.route import StreamRoute


class StreamRoutes:
    """Writes routes for streams; one that is attached to several listeners is one object."""

    def __init__(self, writing: Writing, backends: Backends, policies: RoutePolicies) -> None:
        self._writing = writing
        self._backends = backends
        self._policies = policies

    def write(self, places: list[Place]) -> None:
        """Write the stream routes of all listeners."""
        found: dict[tuple[object, ...], tuple[StreamRoute, list[Place]]] = {}
        for place in places:
            for route in place.server.streams:
                key = (route.origin, route.targets, route.hostnames, id(place.gateway))
                found.setdefault(key, (route, []))[1].append(place)
        for route, near in found.values():
            self._write(route, near)

    def _write(self, route: StreamRoute, places: list[Place]) -> None:
        protocol = places[0].server.protocol
        kind = "UDPRoute" if protocol == "udp" else "TCPRoute" if protocol == "tcp" else "TLSRoute"
        if kind == "TLSRoute" and route.kind == "TCPRoute":
            kind = "TCPRoute"
        namespace = namespace_of(route.origin)
        if route.allowed_sources or route.denied_sources:
            # It is named as what it is; without its sources it would be open to everybody.
            return
        usable = [one for one in route.targets if one.backend in self._writing.backends]
        if not usable:
            text = "nothing is left to send this to; connections are refused, as no route takes them"
            self._writing.losses.add(BACKENDS, route.origin, text)
            return
        if len(usable) < len(route.targets):
            text = "the share of a backend that could not be resolved goes to the others, and is not refused"
            self._writing.losses.add(BACKENDS, route.origin, text)
        references: list[dict[str, Any]] = [
            {
                **self._backends.refer(one.backend, kind, namespace),
                **({"weight": one.weight} if one.weight != 1 else {}),
            }
            for one in split_targets(self._writing, usable)
        ]
        spec = given(
            parent_refs=write_parents(places, route.hostnames, namespace),
            hostnames=list(route.hostnames) or None if kind == "TLSRoute" else None,
            rules=[{"backendRefs": references}],
        )
        document = self._writing.objects.add(kind, namespace, route.origin.name, {"spec": spec}, [route.origin])
        for place in places:
            place.namespaces.add(namespace)
        connection = self._writing.backends[usable[0].backend].connection
        self._policies.add_stream(document, connection, route.origin)
