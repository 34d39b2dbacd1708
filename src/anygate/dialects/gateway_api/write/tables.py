"""The route tables of listeners: which rows decide for which hostnames, in which order."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from anygate.dialects.gateway_api.write.findings import PREFIX
from anygate.dialects.gateway_api.write.gateways import Place
from anygate.dialects.gateway_api.write.losses import Losses
from anygate.dialects.guest_routes import Line
from anygate.model.edit import Respond
from anygate.model.route import HttpRoute, HttpRule
from anygate.model.route_table import ANY_HOST, VirtualHost, covers, is_loose, specificity, virtual_hosts


class Table(NamedTuple):
    """Rows for some hostnames (none: every one) of some listeners, which all speak one scheme or both."""

    places: tuple[Place, ...]
    hostnames: tuple[str, ...]
    lines: tuple[Line, ...]
    scheme: str


def list_tables(places: Sequence[Place], losses: Losses) -> list[Table]:
    """Every table, the equal ones of several hostnames and listeners as one.

    The rows of wider hostnames that may decide after a hostname's own stand in its table too, since not every
    implementation tries them; where the source does not, what is left is not found.
    """
    hosts: dict[tuple[object, ...], tuple[Place, list[str], tuple[Line, ...]]] = {}
    for place, host, lines in _each_host(places, losses):
        hosts.setdefault((id(place), _identity(lines)), (place, [], lines))[1].append(host)
    found: dict[tuple[object, ...], tuple[list[Place], tuple[str, ...], tuple[Line, ...]]] = {}
    for place, names, lines in hosts.values():
        # A condition on the scheme is settled by the listener, so only then do they need tables of their own.
        scheme = place.server.protocol if _asks_for_scheme(lines) else ""
        named = () if ANY_HOST in names else tuple(names)
        key = (id(place.gateway), scheme, named, _identity(lines))
        found.setdefault(key, ([], named, lines))[0].append(place)
    return [Table(tuple(near), named, lines, near[0].server.protocol) for near, named, lines in found.values()]


def _identity(lines: Sequence[Line]) -> tuple[object, ...]:
    """What makes two tables equal; what is not found is so wherever it stands."""
    return tuple((line.rule.name if line.match is None else id(line.rule), line.match) for line in lines)


def _each_host(places: Sequence[Place], losses: Losses) -> Iterator[tuple[Place, str, tuple[Line, ...]]]:
    """Every hostname of every listener with its rows."""
    done: set[int] = set()
    for place in places:
        if id(place) in done or place.server.protocol not in ("http", "https"):
            continue
        shared = [one for one in places if _shares_table(place, one)]
        done.update(id(one) for one in shared)
        by_server = {id(one.server): one for one in shared}
        hosts = virtual_hosts([one.server for one in shared])
        rows = {host.domain: _lines(host, hosts) for host in hosts}
        for host in hosts:
            owner = by_server[id(host.server)]
            lines = rows[host.domain]
            if not is_loose(host.domain):
                if lines and not _is_hidden(host.domain, owner, [name for name, found in rows.items() if found]):
                    yield owner, host.domain, lines
                continue
            text = f"names that end in {host.domain[1:]} in the middle of a label are no longer served"
            losses.add(PREFIX, next(line.route.origin for line in lines), text)
            below = f"*.{host.domain[1:]}"
            if below not in rows:
                yield owner, below, lines


def _is_hidden(domain: str, place: Place, domains: Sequence[str]) -> bool:
    """Whether a listener is for one hostname only, and another table is nearer to that one.

    On such a listener both would be for the same hostname, and their names would say which is asked first.
    """
    if not place.hostname or not covers(domain, place.hostname):
        return False
    near = [one for one in domains if not is_loose(one) and covers(one, place.hostname)]
    return domain != max(near, key=specificity)


def _shares_table(one: Place, other: Place) -> bool:
    """Plain HTTP listeners of a port share a table; one with TLS has its own."""
    return one is other or (one.listener is other.listener and one.server.protocol == other.server.protocol == "http")


def _lines(host: VirtualHost, hosts: Sequence[VirtualHost]) -> tuple[Line, ...]:
    rows = [row for row in host.rows if not row.preflight and not row.role]
    lines = [Line(row.route, row.rule, row.match) for row in rows]
    wider = any(other is not host and other.rows and covers(other.domain, host.domain) for other in hosts)
    if lines and wider and not host.server.host_fallback:
        last = lines[-1].route
        lines.append(Line(last, not_found(last), None))
    return tuple(lines)


def not_found(route: HttpRoute) -> HttpRule:
    """The rule for what no other takes."""
    return HttpRule(origin=route.origin, name="not-found", action=Respond(origin=route.origin, status=404))


def _asks_for_scheme(lines: Sequence[Line]) -> bool:
    return any(line.match is not None and any(one.name == ":scheme" for one in line.match.headers) for line in lines)
