"""The rows of tables that a guest writes in kinds of another API, and what is done for it here."""

from collections.abc import Mapping, Sequence
from typing import Any

from anygate.diagnostics import Rule
from anygate.dialects.gateway_api.write.backends import Backends
from anygate.dialects.gateway_api.write.conditions import Unsayable, Wanted, read_match
from anygate.dialects.gateway_api.write.findings import CONDITION, ORDER
from anygate.dialects.gateway_api.write.gateways import write_parents
from anygate.dialects.gateway_api.write.http_routes import find_connection, write_values
from anygate.dialects.gateway_api.write.objects import Document
from anygate.dialects.gateway_api.write.route_policies import RoutePolicies
from anygate.dialects.gateway_api.write.tables import Table
from anygate.dialects.gateway_api.write.writing import Writing
from anygate.dialects.guest_routes import Guest, Line
from anygate.model.backend import Backend
from anygate.model.inference_rows import may_hold
from anygate.model.match import HttpMatch
from anygate.model.origin import Origin
from anygate.model.route import HttpRule
from anygate.model.tls import Secret


class Guests:
    """Gives a guest its rows, table by table."""

    def __init__(self, guest: Guest | None, writing: Writing, backends: Backends, policies: RoutePolicies) -> None:
        self._guest = guest
        self._writing = writing
        self._backends = backends
        self._policies = policies
        self._routes: dict[tuple[str, str], Document] = {}

    def take(self, table: Table) -> Table:
        """A table without the guest's rows, which are written, but for those that the guest gives back."""
        if self._guest is None:
            return table
        mine = {at for at, line in enumerate(table.lines) if self._guest.is_for(line, self._writing.backends)}
        if not mine:
            return table
        before: list[Line] = []
        places = []
        for at, line in enumerate(table.lines):
            if at not in mine:
                before.append(line)
            elif not any(self._stands_before(one, line) for one in before):
                places.append(at)
        taken = self._guest.write(self._open(table), table.hostnames, [table.lines[at] for at in places])
        instead: dict[int, Line | None] = dict.fromkeys(mine) | dict(zip(places, taken, strict=True))
        lines = (instead.get(at, line) for at, line in enumerate(table.lines))
        return table._replace(lines=tuple(line for line in lines if line is not None))

    def _stands_before(self, one: Line, other: Line) -> bool:
        """Whether a row leaves nothing to one of the guest's behind it; where it takes some of it, that is named.

        A guest's rows are asked first, but for those of the host that name a whole path.
        """
        match = one.match
        path = other.match.path if other.match is not None else None
        if match is None or path is None:
            return match is None
        if not may_hold(match.path, path.value):
            return False
        is_certain = match.path is None or match.path.kind != "regex"
        if is_certain and match == HttpMatch(origin=match.origin, path=match.path, rank=match.rank):
            return True
        if match.path is None or match.path.kind != "exact":
            text = (
                f"{one.rule.origin.object} is asked before {other.rule.origin.object} ({other.rule.origin.place}), and "
            )
            self._writing.losses.add(ORDER, match.origin, f"{text}is asked behind it now")
        return False

    def finish(self) -> None:
        """Have the guest write what its tables have in common."""
        if self._guest is not None:
            self._guest.finish(self._open(None))

    def _open(self, table: Table | None) -> "GuestHost":
        return GuestHost(table, self._writing, self._backends, self._policies, self._routes)


class GuestHost:
    """What a guest may ask for while one table is written, or at the end, without one."""

    def __init__(
        self,
        table: Table | None,
        writing: Writing,
        backends: Backends,
        policies: RoutePolicies,
        routes: dict[tuple[str, str], Document],
    ) -> None:
        self._table = table
        self._writing = writing
        self._backends = backends
        self._policies = policies
        self._routes = routes

    @property
    def backends(self) -> Mapping[str, Backend]:
        """The model's backends by name."""
        return self._writing.backends

    @property
    def secrets(self) -> Mapping[str, Secret]:
        """The model's secrets by name."""
        return self._writing.secrets

    def add(self, kind: str, namespace: str, name: str, body: dict[str, Any], sources: Sequence[Origin]) -> str:
        """Write an object; the name that it got, with a number where it was taken."""
        return self._writing.objects.add(kind, namespace, name, body, sources).name

    def write_parents(self, namespace: str) -> list[dict[str, Any]]:
        """References of a route of this namespace to the listeners of the table that is being written."""
        assert self._table is not None
        for place in self._table.places:
            place.namespaces.add(namespace)
        return write_parents(self._table.places, self._table.hostnames, namespace)

    def write_headers(self, match: HttpMatch) -> list[dict[str, str]] | None:
        """The headers that a match asks for; None where it cannot be said, or asks for more, which is then named."""
        assert self._table is not None
        try:
            positive = read_match(match, self._table.scheme)
        except Unsayable as problem:
            self._name_unsayable(match, str(problem))
            return None
        if positive is None:
            return None
        if positive.holes or positive.wanted != Wanted(headers=positive.wanted.headers):
            self._name_unsayable(match, "a condition that is none on headers")
            return None
        return write_values(positive.wanted.headers) or []

    def _name_unsayable(self, match: HttpMatch, problem: str) -> None:
        self._writing.losses.add(CONDITION, match.origin, f"{problem} cannot be said; the row is left out")

    def refer_backend(self, name: str, kind: str, namespace: str) -> dict[str, Any]:
        """A reference to Envoy Gateway's Backend, which is written, made by an object of `kind`."""
        return self._backends.refer_as_backend(name, kind, namespace)

    def allow(self, kind: str, namespace: str, target: str, target_namespace: str, name: str) -> None:
        """Let objects of a kind in one namespace refer to an object in another."""
        self._writing.allow(kind, namespace, target, target_namespace, name)

    def refer_secret(self, name: str, kind: str, namespace: str, key: str) -> dict[str, Any]:
        """A reference to the Secret that holds a secret of the model, or that people have to make with this key."""
        return self._writing.secret(name, kind, namespace, key)

    def add_policies(self, namespace: str, route: str, section: str, rule: HttpRule) -> None:
        """Have policies for an HTTPRoute of this name carry what a rule asks for that is no part of routes."""
        stand_in = self._routes.setdefault((namespace, route), Document("HTTPRoute", namespace, route, {}))
        self._policies.add(stand_in, section, rule, find_connection(self._writing, rule), is_grpc=False)

    def lose(self, rule: Rule, origin: Origin, message: str, hint: str = "") -> None:
        """Name what is lost."""
        self._writing.losses.add(rule, origin, message, hint)

    def leave(self, thing: str, text: str, origin: Origin) -> None:
        """Leave something to people."""
        self._writing.objects.leave(thing, text, origin)
