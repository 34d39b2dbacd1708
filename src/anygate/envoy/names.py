"""The names of everything that Envoy is given: readable, stable, and leading back to what somebody wrote.

The xDS protocol identifies a resource by its type and name, so a name that moves with unrelated edits would drain
listeners and connection pools for nothing.
"""

from anygate.model.backend import Backend
from anygate.model.listener import Listener, Server
from anygate.model.route import HttpRoute, HttpRule, StreamRoute

ORIGIN = "anygate"
"""The metadata namespace under which every route, listener and cluster carries where it comes from."""

UNRESOLVED = "anygate/unresolved"
"""A cluster that never exists: what is sent there is refused."""

PLAIN = "plain"
"""The filter chain that every unencrypted HTTP server of a port shares."""


def listener_name(listener: Listener) -> str:
    """The listener, such as `default/web/80` or `default/dns/53/udp`."""
    return listener.name


def quic_name(listener: Listener) -> str:
    """The HTTP/3 side of a listener: the same port on UDP."""
    return f"{listener.name}/quic"


def chain_name(server: Server, stream: StreamRoute | None = None) -> str:
    """The filter chain of one server, or of one stream route behind it."""
    return f"{server.name}/{stream_name(stream)}" if stream else server.name


def routes_name(listener: Listener, server: Server | None = None) -> str:
    """The route configuration: the listener's own for plain HTTP, one for each HTTPS server."""
    return f"{listener.name}/{server.name}" if server else listener.name


def virtual_host_name(domain: str) -> str:
    """The virtual host: its domain."""
    return domain


def misdirected_name(domain: str) -> str:
    """The virtual host that refuses what belongs to another server."""
    return f"misdirected/{domain}"


def rule_name(route: HttpRoute, rule: HttpRule, index: int) -> str:
    """One rule, such as `HTTPRoute/default/web/rule/0`."""
    return f"{route.origin.object}/rule/{rule.name or index}"


def match_name(rule: str, index: int) -> str:
    """One match of a rule, such as `HTTPRoute/default/web/rule/0/match/1`."""
    return f"{rule}/match/{index}"


def preflight_name(match: str) -> str:
    """What takes the CORS preflights of a match."""
    return f"{match}/preflight"


def share_name(match: str, index: int) -> str:
    """One target's share of a match that had to be split."""
    return f"{match}/target/{index}"


def stream_name(stream: StreamRoute) -> str:
    """A stream route, such as `TCPRoute/default/db` with its rule where it has one."""
    return f"{stream.origin.object}/rule/{stream.rule}" if stream.rule else stream.origin.object


def cluster_name(backend: Backend) -> str:
    """The cluster and its endpoints: the backend's own name."""
    return backend.name


def merged_name(stream: StreamRoute) -> str:
    """The cluster that joins the targets of a UDP route."""
    return f"{stream_name(stream)}/targets"
