"""One of the two models, with what is worked out about it only once."""

from typing import NamedTuple

import msgspec

from anygate.diff.facts import FORWARDED, Facts, Teller, answered, refused
from anygate.diff.lookup import Lookup
from anygate.diff.names import Names, Plain
from anygate.explain.conditions import header_holds
from anygate.explain.entrance import choose_server, lay_table, servers_for
from anygate.explain.inference import enter, reserved_headers
from anygate.explain.request import Request
from anygate.explain.seen import SeenRequest, Turned, see_request
from anygate.explain.stages import find_stage, lay_stage, send_on
from anygate.explain.upstream import Way
from anygate.model.listener import HttpServer, Listener, Server
from anygate.model.match import HttpMatch
from anygate.model.root import Model
from anygate.model.route import Continue
from anygate.model.route_table import Row, VirtualHost, find_domain

_UNSERVED = answered("404")
_MISDIRECTED = answered("421")


class Side:
    """A model that is compared."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.names = Names(model)
        self.teller = Teller(self.names)
        self._stages: dict[str, dict[str, VirtualHost]] = {}
        self._lookups: dict[tuple[str, str], Lookup] = {}

    def ask_stage(self, name: str, seen: SeenRequest) -> Row | None:
        """The row of a stage that takes a request."""
        table = self._table(name)
        domain = find_domain(table, seen.domain)
        if domain is None:
            return None
        if (name, domain) not in self._lookups:
            self._lookups[name, domain] = Lookup(table[domain].rows)
        return self._lookups[name, domain].find(seen)

    def rows_behind(self, row: Row) -> tuple[Row, ...]:
        """The rows of a stage that may take what a row sends on."""
        action, rewrite, edit = row.rule.action, row.rule.rewrite, row.rule.request_headers
        if not isinstance(action, Continue):
            return ()
        table = self._table(action.stage)
        domain = find_domain(table, rewrite.host) if rewrite and rewrite.host else None
        hosts = [table[domain]] if domain is not None else [*table.values()]
        given = {name.lower(): value for name, value in edit.set if isinstance(value, str)} if edit else {}
        return tuple(one for host in hosts for one in host.rows if _may_take(one.wanted, given))

    def _table(self, name: str) -> dict[str, VirtualHost]:
        if name not in self._stages:
            stage = find_stage(self.model, name)
            self._stages[name] = lay_stage(stage) if stage else {}
        return self._stages[name]


class Door(NamedTuple):
    """Where HTTP requests come in that are decided by one table: the servers of a port without TLS, or one with it."""

    listener: Listener
    server: Server | None
    http: HttpServer
    reserved: tuple[str, ...]
    table: dict[str, VirtualHost]

    def is_for(self, host: str) -> bool:
        """Whether a client that asks for a host comes in here."""
        servers = servers_for(self.listener, "https")
        return self.server is None or choose_server(servers, host) is self.server


def open_door(listener: Listener, server: Server | None) -> Door:
    """The way in through a server with TLS, or through all of a port without.

    What the gateway says of callers is believed: by that the requests are told that have rules of their own.
    """
    servers = [server] if server else [one for one in listener.servers if one.protocol == "http"]
    http = msgspec.structs.replace(servers[0].http, caller_headers=())
    return Door(listener, server, http, reserved_headers(servers), lay_table(listener, server))


class Met(NamedTuple):
    """The row that takes a request, if any, as what it sees it, and the row that clients meet first.

    `ending` is there where it ends before any row decides.
    """

    row: Row | None
    entry: Row | None
    seen: SeenRequest | None = None
    ending: Facts | None = None


class Desk:
    """Where requests for one virtual host of one side are decided."""

    def __init__(self, side: Side, door: Door, host: VirtualHost | None) -> None:
        self.rows = () if host is None or host.misdirected else host.rows
        self._side = side
        self._way = Way(door.listener.port)
        self._door = door
        self._misdirected = host is not None and host.misdirected
        self._lookup = Lookup(self.rows)

    def signature(self) -> list[Plain]:
        """What decides, in order; two desks that have the same one do the same."""
        found: list[Plain] = [self._misdirected, bool(self._door.reserved)]
        return [*found, *((row.role, row.preflight, self.asked(row), self.done(row)) for row in self.rows)]

    def asked(self, row: Row) -> Plain:
        """The conditions of a row."""
        wanted = self._side.names.plain(row.wanted) if row.wanted else {}
        return {name: value for name, value in wanted.items() if name != "rank"}

    def done(self, row: Row) -> Plain:
        """What a row does with requests that satisfy its conditions."""
        return {name: value for name, value in self._side.names.plain(row.rule).items() if name != "matches"}

    def rows_behind(self, row: Row) -> tuple[Row, ...]:
        """The rows that may take what a row sends on."""
        return self._side.rows_behind(row)

    def see(self, request: Request) -> SeenRequest | Turned:
        """A request as routing sees it."""
        return see_request(request, self._door.http, self._door.reserved)

    def meet(self, request: Request, seen: SeenRequest | Turned) -> Met:
        """Find what decides a request, as Envoy would."""
        if self._misdirected:
            return Met(None, None, ending=_MISDIRECTED)
        if isinstance(seen, Turned):
            return Met(None, None, ending=refused(seen))
        row = self._lookup.find(seen)
        for role in ("entrance", "reading"):
            if row is not None and row.role == role:
                seen, _ = enter(row, request, seen)
                row = self._lookup.find(seen)
        return Met(None, None, ending=_UNSERVED) if row is None else self._follow(row, seen)

    def meet_row(self, row: Row, request: Request) -> Met:
        """What a row would see of a request, whether or not it would take it."""
        seen = self.see(request)
        return Met(None, None, ending=refused(seen)) if isinstance(seen, Turned) else self._follow(row, seen)

    def tell(self, met: Met) -> Facts:
        """What becomes of a request."""
        if met.ending is not None or met.row is None or met.seen is None:
            return met.ending or _UNSERVED
        before = met.entry.rule if met.entry is not None and met.entry is not met.row else None
        return self._side.teller.tell(met.row, met.seen, self._way, before)

    def _follow(self, row: Row, seen: SeenRequest) -> Met:
        action = row.rule.action
        if not isinstance(action, Continue):
            return Met(row, row, seen)
        facts = self._side.teller.tell(row, seen, self._way)
        if facts.answer != FORWARDED:
            return Met(row, row, seen, facts)
        onward = send_on(row, action.stage, seen)
        if onward.doubt:
            return Met(row, row, ending=answered(onward.doubt))
        second = self._side.ask_stage(action.stage, onward.seen)
        return Met(row, row, ending=_UNSERVED) if second is None else Met(second, row, onward.seen)


def _may_take(wanted: HttpMatch | None, given: dict[str, str]) -> bool:
    """Whether conditions may hold for requests that have these headers."""
    named = {value.name.lower(): value for value in wanted.headers} if wanted else {}
    return all(name not in named or header_holds(named[name], (value,)) is not False for name, value in given.items())
