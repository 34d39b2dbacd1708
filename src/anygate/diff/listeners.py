"""Ports of both sides: how they are spoken to, and what their servers do with what comes in."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import NamedTuple

import msgspec

from anygate.diff.answer import Aspect, Difference, Place, change_of
from anygate.diff.aspects import compare_facts, compare_plain
from anygate.diff.facts import Facts, answered
from anygate.diff.names import render_value
from anygate.diff.side import Side, open_door
from anygate.diff.tables import TableComparison, concrete_host
from anygate.diff.titles import describe_place
from anygate.explain.entrance import choose_server, choose_stream, server_names
from anygate.model.listener import Gateway, HttpServer, Listener, Server
from anygate.model.origin import Origin
from anygate.model.route import StreamRoute
from anygate.model.route_table import find_domain, route_hostnames
from anygate.model.tls import ServerTls

_CLOSED = answered("closed")


class Port(NamedTuple):
    """A listener with its gateway."""

    gateway: Gateway
    listener: Listener


Pair = tuple[Port | None, Port | None]


def pair_ports(old: Side, new: Side) -> Iterator[Pair]:
    """The ports of both sides, side by side.

    Those of one number are told by the names of their gateways as far as both sides have them, then by their order.
    """
    ports = _by_number(old), _by_number(new)
    for number in sorted({*ports[0], *ports[1]}):
        before, after = ports[0].get(number, []), ports[1].get(number, [])
        for name_of in (_full_name, _last_name):
            for one in [*before]:
                other = next((each for each in after if name_of(each) == name_of(one)), None)
                if other is not None:
                    before.remove(one)
                    after.remove(other)
                    yield one, other
        yield from zip_longest(before, after)


def _by_number(side: Side) -> dict[tuple[int, str], list[Port]]:
    found: dict[tuple[int, str], list[Port]] = {}
    for gateway in side.model.gateways:
        for listener in gateway.listeners:
            found.setdefault((listener.port, listener.transport), []).append(Port(gateway, listener))
    return found


def _full_name(port: Port) -> str:
    return port.gateway.name


def _last_name(port: Port) -> str:
    return port.gateway.name.rpartition("/")[2]


class PortComparison:
    """Compares one port that both sides have, or says that only one has it."""

    def __init__(self, sides: tuple[Side, Side], *, strict: bool) -> None:
        self._sides = sides
        self._strict = strict
        self.notes: list[str] = []

    def run(self, pair: Pair) -> Iterator[Difference]:
        """The differences of a port."""
        old, new = pair
        if old is None or new is None:
            only = old or new
            assert only is not None
            yield _describe_only(only, is_new=old is None)
            return
        yield from self._compare_port(old, new)
        plain = [[one for one in port.listener.servers if one.protocol == "http"] for port in (old, new)]
        if plain[0] and plain[1]:
            yield from self._compare_http(old.listener, new.listener)
        speaking = [[one for one in port.listener.servers if one.protocol != "http"] for port in (old, new)]
        if speaking[0] or speaking[1]:
            yield from self._compare_names(old, new, speaking[0], speaking[1])

    def _compare_port(self, old: Port, new: Port) -> Iterator[Difference]:
        """What holds for all of a port: addresses, protocols, and how connections are taken."""
        aspects = []
        for name, before, after in (
            ("addresses", sorted(old.gateway.addresses), sorted(new.gateway.addresses)),
            ("protocols", _protocols(old.listener), _protocols(new.listener)),
        ):
            if before != after:
                aspects.append(Aspect(name=name, old=render_value(tuple(before)), new=render_value(tuple(after))))
        aspects += self._compare(old.listener.connection, new.listener.connection)
        yield from _listener(f":{old.listener.port}", old.listener.origin, new.listener.origin, aspects)

    def _compare_http(
        self, old: Listener, new: Listener, before: Server | None = None, after: Server | None = None, name: str = ""
    ) -> Iterator[Difference]:
        """What answers HTTP: how it is spoken, then which rule takes which request. With TLS `name` leads there."""
        doors = open_door(old, before), open_door(new, after)
        aspects = self._compare(_with_all_changes(doors[0].http), _with_all_changes(doors[1].http))
        if before and after and not before.named_tls and not after.named_tls:
            aspects += self._compare(before.tls, after.tls, "tls")
        scheme = "https" if before else "http"
        title = describe_place(before.hostname, old.port, scheme) if before else f":{old.port}"
        places = (before or old).origin, (after or new).origin
        yield from _listener(title, *places, aspects)
        tables = TableComparison(self._sides, doors, name, strict=self._strict)
        yield from tables.run()
        self.notes += tables.notes

    def _compare_names(
        self, old: Port, new: Port, before: Sequence[Server], after: Sequence[Server]
    ) -> Iterator[Difference]:
        """What a connection gets for each name that it may be for."""
        met: set[tuple[int, int]] = set()
        names = _names(before, after)
        for name in names:
            host = concrete_host(name, names)
            servers = choose_server(before, host), choose_server(after, host)
            if servers == (None, None):
                continue
            one, other = servers
            if one is None or other is None or one.protocol != other.protocol:
                yield from _describe_server(name, old, new, one, other, met)
            elif one.protocol != "https":
                yield from self._compare_streams(host, old.listener.port, one, other, met)
            else:
                if one.named_tls or other.named_tls:
                    shown = _tls_for(one, host), _tls_for(other, host)
                    aspects = self._compare(*shown, "tls")
                    title = describe_place(name, old.listener.port, "https")
                    yield from _listener(title, (shown[0] or one).origin, (shown[1] or other).origin, aspects)
                if (id(one), id(other)) not in met:
                    met.add((id(one), id(other)))
                    yield from self._compare_http(old.listener, new.listener, one, other, host)

    def _compare_streams(
        self, host: str, port: int, old: Server, new: Server, met: set[tuple[int, int]]
    ) -> Iterator[Difference]:
        if (id(old), id(new)) not in met:
            met.add((id(old), id(new)))
            aspects = self._compare(old.tls, new.tls, "tls")
            yield from _listener(describe_place(old.hostname, port, ""), old.origin, new.origin, aspects)
        routes = choose_stream(old, host), choose_stream(new, host)
        if (id(routes[0]), id(routes[1])) in met:
            return
        met.add((id(routes[0]), id(routes[1])))
        facts = [self._tell(side, route) for side, route in zip(self._sides, routes, strict=True)]
        aspects = compare_facts(facts[0], facts[1])
        if aspects:
            places = [_place(route.origin) if route else None for route in routes]
            names = [hostname for route in routes if route for hostname in route.hostnames] or [""]
            yield Difference(
                kind="route",
                change=change_of(*places),
                title=f"{describe_place(names[0], port, '')} ({old.protocol.replace('_', ' ')})",
                old=places[0],
                new=places[1],
                aspects=tuple(aspects),
            )

    def _tell(self, side: Side, route: StreamRoute | None) -> Facts:
        return _CLOSED if route is None else side.teller.tell_stream(route)

    def _compare(self, old: object, new: object, name: str = "") -> list[Aspect]:
        """Compare nodes of the model, either of which may be absent."""
        before, after = self._sides[0].names.plain(old), self._sides[1].names.plain(new)
        if isinstance(before, dict) and isinstance(after, dict):
            return compare_plain(before, after, name)
        return compare_plain({name: before}, {name: after})


def _protocols(listener: Listener) -> list[str]:
    return sorted({server.protocol.replace("_", " ") for server in listener.servers})


def _names(before: Sequence[Server], after: Sequence[Server]) -> list[str]:
    """The server names that decide anything, and one that nobody names."""
    found: dict[str, None] = {}
    for server in (*before, *after):
        found |= dict.fromkeys(server_names(server))
        for route in server.streams:
            found |= dict.fromkeys(route.hostnames)
    return [*found, *([] if "*" in found else ["*"])]


def _tls_for(server: Server, host: str) -> ServerTls | None:
    """The TLS of a server for connections that ask for a host."""
    known = {name: one.tls for one in server.named_tls for name in one.server_names}
    domain = find_domain(tuple(known), host)
    return server.tls if domain is None else known[domain]


def _place(origin: Origin) -> Place:
    return Place(object=origin.object, place=origin.place)


def _with_all_changes(http: HttpServer) -> HttpServer:
    return msgspec.structs.replace(http, early_request_headers=http.incoming_changes, caller_headers=())


def _listener(title: str, old: Origin, new: Origin, aspects: Sequence[Aspect]) -> Iterator[Difference]:
    if aspects:
        yield Difference(
            kind="listener",
            change="changed",
            title=title,
            old=_place(old),
            new=_place(new),
            aspects=tuple(aspects),
        )


def _describe_only(port: Port, *, is_new: bool) -> Difference:
    """A port that only one side has; what its routes do goes without saying."""
    listener = port.listener
    hosts = {
        hostname or "*"
        for server in listener.servers
        for route in server.routes
        for hostname in route_hostnames(route, server)
    }
    served = f"{', '.join(_protocols(listener))}" + (f" for {', '.join(sorted(hosts))}" if hosts else "")
    place = _place(listener.origin)
    return Difference(
        kind="listener",
        change="added" if is_new else "removed",
        title=f":{listener.port} ({served})",
        old=None if is_new else place,
        new=place if is_new else None,
    )


def _describe_server(
    name: str, old: Port, new: Port, before: Server | None, after: Server | None, met: set[tuple[int, int]]
) -> Iterator[Difference]:
    """A server name that is served on one side only, or is spoken to otherwise."""
    if (id(before), id(after)) in met:
        return
    met.add((id(before), id(after)))
    spoken = [server.protocol.replace("_", " ") if server else "nothing" for server in (before, after)]
    places = [_place(server.origin) if server else None for server in (before, after)]
    yield Difference(
        kind="listener",
        change=change_of(*places),
        title=describe_place(name, (old if before else new).listener.port, "https"),
        old=places[0],
        new=places[1],
        aspects=(Aspect(name="protocol", old=spoken[0], new=spoken[1]),),
    )
