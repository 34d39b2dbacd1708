"""Route configurations: the table of one way in, as RDS resources.

Reference: envoy/config/route/v3/route.proto (RouteConfiguration) and route_components.proto (VirtualHost).
"""

from collections.abc import Mapping, Sequence

from anygate.envoy.api import bool_value, build, serialise, uint32
from anygate.envoy.checked import Refusal, refusals
from anygate.envoy.draws import draw_headers
from anygate.envoy.names import misdirected_name, virtual_host_name
from anygate.envoy.routes import BuiltHost, RouteSheet
from anygate.envoy.wire import part
from anygate.model.listener import Server
from anygate.model.route_table import VirtualHost, virtual_hosts

_CONFIGURATION = "envoy.config.route.v3.RouteConfiguration"
_VIRTUAL_HOST = "envoy.config.route.v3.VirtualHost"
_HOSTS = 2
_MISDIRECTED = 421
_DEFAULT_BODY_LIMIT = 4096

Sheets = Mapping[int, tuple[RouteSheet, RouteSheet]]
"""The sheets of servers by their identity: for rules without and with security settings."""


def build_route_configuration(
    name: str, servers: Sequence[Server], neighbours: Sequence[Server], sheets: Sheets
) -> tuple[bytes, list[Refusal]]:
    """Build a serialised RouteConfiguration for servers that share one way in.

    Clusters are not validated: a route to a cluster that was refused has to answer 500, not to take down all others.
    """
    found: list[Refusal] = []
    hosts: list[bytes] = []
    longest = 0
    for host in virtual_hosts(servers, neighbours):
        built = _find_virtual_host(host, sheets)
        longest = max(longest, built.body_size)
        found.extend(built.refused)
        if built.body is not None:
            hosts.append(built.body)
    head = build(
        _CONFIGURATION,
        name=name,
        validate_clusters=bool_value(False),
        ignore_port_in_host_matching=True,
        request_headers_to_remove=draw_headers(rule for one in servers for route in one.routes for rule in route.rules),
        max_direct_response_body_size_bytes=uint32(longest) if longest > _DEFAULT_BODY_LIMIT else None,
    )
    return serialise(head) + b"".join(hosts), found


def _find_virtual_host(host: VirtualHost, sheets: Sheets) -> BuiltHost:
    """A domain's VirtualHost as a field of its RouteConfiguration: the one of the last build if its routes are equal.

    It is kept in the sheet for rules with security settings, whose context is all that any of its routes depends on.
    """
    if host.misdirected:
        return BuiltHost((), part(_HOSTS, _build_misdirected(host)), (), 0)
    plain, secured = sheets[id(host.server)]
    known = secured.find_host(host.domain, host.attached)
    if known is not None:
        plain.keep_routes(host.attached)
        if secured is not plain:
            secured.keep_routes(host.attached)
        return known
    built = _build_virtual_host(host, plain, secured)
    secured.keep_host(host.domain, built)
    return built


def _build_virtual_host(host: VirtualHost, plain: RouteSheet, secured: RouteSheet) -> BuiltHost:
    name = virtual_host_name(host.domain)
    head = build(_VIRTUAL_HOST, name=name, domains=[host.domain])
    wrong = refusals(head, host.server.origin, name)
    if wrong:
        return BuiltHost(host.attached, None, tuple(wrong), 0)
    parts = [serialise(head)]
    found: list[Refusal] = []
    longest = 0
    for row in host.rows:
        # What an entrance turns on depends on the security of the rules behind it.
        built = (plain if row.rule.security is None and not row.role else secured).built(row)
        parts.append(built.body)
        if built.refused:
            found.extend(built.refused)
        if built.body_size > longest:
            longest = built.body_size
    return BuiltHost(host.attached, part(_HOSTS, b"".join(parts)), tuple(found), longest)


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
