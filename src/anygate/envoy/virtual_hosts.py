"""Route configurations: the table of one way in, as RDS resources.

Reference: envoy/config/route/v3/route.proto (RouteConfiguration) and route_components.proto (VirtualHost).
"""

from collections.abc import Callable, Sequence

from anygate.envoy.api import bool_value, build, serialise, uint32
from anygate.envoy.checked import Refusal, refusals
from anygate.envoy.names import misdirected_name, virtual_host_name
from anygate.envoy.routes import RouteSheet
from anygate.envoy.wire import part
from anygate.model.listener import Server
from anygate.model.route_table import VirtualHost, virtual_hosts

_CONFIGURATION = "envoy.config.route.v3.RouteConfiguration"
_VIRTUAL_HOST = "envoy.config.route.v3.VirtualHost"
_HOSTS = 2
_MISDIRECTED = 421
_DEFAULT_BODY_LIMIT = 4096

SheetOf = Callable[[Server], tuple[RouteSheet, RouteSheet]]
"""The sheets of a server: for rules without and with security settings."""


def build_route_configuration(
    name: str, servers: Sequence[Server], neighbours: Sequence[Server], sheets: SheetOf
) -> tuple[bytes, list[Refusal]]:
    """Build a serialised RouteConfiguration for servers that share one way in.

    Clusters are not validated: a route to a cluster that was refused has to answer 500, not to take down all others.
    """
    found: list[Refusal] = []
    hosts: list[bytes] = []
    longest = 0
    for host in virtual_hosts(servers, neighbours):
        body, size = _build_virtual_host(host, sheets, found)
        longest = max(longest, size)
        if body is not None:
            hosts.append(part(_HOSTS, body))
    head = build(
        _CONFIGURATION,
        name=name,
        validate_clusters=bool_value(False),
        ignore_port_in_host_matching=True,
        max_direct_response_body_size_bytes=uint32(longest) if longest > _DEFAULT_BODY_LIMIT else None,
    )
    return serialise(head) + b"".join(hosts), found


def _build_virtual_host(host: VirtualHost, sheets: SheetOf, found: list[Refusal]) -> tuple[bytes | None, int]:
    if host.misdirected:
        return _build_misdirected(host), 0
    name = virtual_host_name(host.domain)
    head = build(_VIRTUAL_HOST, name=name, domains=[host.domain])
    wrong = refusals(head, host.server.origin, name)
    if wrong:
        found.extend(wrong)
        return None, 0
    plain, secured = sheets(host.server)
    parts = [serialise(head)]
    longest = 0
    for row in host.rows:
        built = (plain if row.rule.security is None else secured).built(row)
        parts.append(built.body)
        if built.refused:
            found.extend(built.refused)
        if built.body_size > longest:
            longest = built.body_size
    return b"".join(parts), longest


def _build_misdirected(host: VirtualHost) -> bytes:
    """Refuse a host of another HTTPS server, so that a client that reused a connection opens its own.

    https://www.rfc-editor.org/rfc/rfc9110#name-421-misdirected-request
    """
    return serialise(
        build(
            _VIRTUAL_HOST,
            name=misdirected_name(host.domain),
            domains=[host.domain],
            routes=[{"match": {"prefix": "/"}, "direct_response": {"status": _MISDIRECTED}}],
        )
    )
