"""The way in: which listener takes a connection, and which server, hostname and rows answer on it."""

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from operator import itemgetter
from typing import NamedTuple

from anygate.explain.request import Request
from anygate.model.listener import Gateway, Listener, Server
from anygate.model.root import Model
from anygate.model.route import StreamRoute
from anygate.model.route_table import (
    ANY_HOST,
    VirtualHost,
    covers,
    find_domain,
    intersect,
    specificity,
    virtual_hosts,
)

LIFT = 10_000
"""What is added to a port below 1024 on a laptop, where such ports need privileges."""
PRIVILEGED = 1024

_SCHEMES = {"http": ("http",), "https": ("https", "tls_passthrough", "tls_terminate")}
_SPOKEN = {
    "http": "http",
    "https": "https",
    "tls_passthrough": "tls (passed through)",
    "tls_terminate": "tls",
    "tcp": "tcp",
    "udp": "udp",
}


class Door(NamedTuple):
    """A listener that has the request's port, as it was written or as it is bound here."""

    listener: Listener
    bound: int
    gateway: Gateway

    @property
    def protocols(self) -> str:
        """What is spoken there, for people."""
        return ", ".join(dict.fromkeys(_SPOKEN[server.protocol] for server in self.listener.servers)) or "nothing"


def bound_port(listener: Listener, ports: Mapping[str, int]) -> int:
    """The port at which a listener is bound here: as `ports` says, else lifted where it is privileged."""
    if listener.name in ports:
        return ports[listener.name]
    if listener.local_port:
        return listener.local_port
    return listener.port + LIFT if listener.port < PRIVILEGED else listener.port


def find_doors(model: Model, request: Request, ports: Mapping[str, int]) -> list[Door]:
    """The listeners that may take the request, best first: by port, by scheme, by host."""
    doors = [
        Door(listener, bound_port(listener, ports), gateway)
        for gateway in model.gateways
        for listener in gateway.listeners
        if listener.transport == "tcp" and request.port in (listener.port, bound_port(listener, ports))
    ]

    host = request.host.lower()

    def worth(door: Door) -> tuple[bool, bool, tuple[int, int], tuple[int, int]]:
        speaking = servers_for(door.listener, request.scheme)
        naming = [specificity(server.hostname) for server in speaking if covers(server.hostname, host)]
        exact = door.bound == request.port and door.listener.name in ports
        # A sidecar has two ways in at one port: for the services that it calls, and for itself.
        known = [name for server in speaking for route in server.routes for name in route.hostnames]
        routed = [specificity(name) for name in known if covers(name, host)]
        return exact, bool(speaking), max(naming, default=(-1, 0)), max(routed, default=(-1, 0))

    return sorted(doors, key=worth, reverse=True)


def servers_for(listener: Listener, scheme: str) -> list[Server]:
    """The servers of a listener that speak a scheme; plain bytes carry any."""
    wanted = (*_SCHEMES[scheme], "tcp")
    return [server for server in listener.servers if server.protocol in wanted]


def choose_server(servers: Sequence[Server], host: str) -> Server | None:
    """The server that a TLS connection for a host gets: the most specific. An address has no name."""
    name = "" if _is_address(host) else host.lower()
    fitting = [
        (specificity(wanted), server)
        for server in servers
        for wanted in server_names(server)
        if wanted == ANY_HOST or (name and find_domain((wanted,), name) is not None)
    ]
    return max(fitting, key=itemgetter(0))[1] if fitting else None


def server_names(server: Server) -> tuple[str, ...]:
    """The names that TLS connections may ask a server for."""
    if server.named_tls:
        return tuple(name for one in server.named_tls for name in one.server_names)
    return (server.hostname or ANY_HOST,)


def choose_stream(server: Server, host: str) -> StreamRoute | None:
    """The stream route for a host: the most specific hostname within the server's own, then the oldest."""
    name = "" if _is_address(host) else host.lower()
    best: tuple[tuple[int, int], StreamRoute] | None = None
    for route in sorted(server.streams, key=lambda route: (route.created or "9999", route.name, route.rule)):
        for hostname in route.hostnames or ("",):
            within = intersect(hostname, server.hostname)
            if within is None or find_domain((within,), name) is None:
                continue
            if best is None or specificity(within) > best[0]:
                best = specificity(within), route
    return best[1] if best else None


def lay_table(listener: Listener, server: Server | None) -> dict[str, VirtualHost]:
    """The virtual hosts by domain: of one HTTPS server, or of all plain HTTP servers of the port."""
    if server is not None:
        others = [each for each in listener.servers if each.protocol == "https" and each is not server]
        hosts = virtual_hosts((server,), others)
    else:
        hosts = virtual_hosts([each for each in listener.servers if each.protocol == "http"])
    return {host.domain: host for host in hosts}


def moved_ports(door: Door, port: int, ports: Mapping[str, int]) -> dict[int, int]:
    """The ports of a gateway that clients find elsewhere; none for a request to the port as it was written."""
    if port == door.listener.port != door.bound:
        return {}
    return {
        listener.port: bound_port(listener, ports)
        for listener in door.gateway.listeners
        if listener.transport == "tcp" and listener.port != bound_port(listener, ports)
    }


def _is_address(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
