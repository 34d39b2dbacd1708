"""HTTPRoutes and GRPCRoutes with the policies that hold for them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from anygate.dialects.gateway_api.write.backends import Backends
from anygate.dialects.gateway_api.write.conditions import (
    Positive,
    Unsayable,
    Values,
    Wanted,
    read_match,
    write_path,
)
from anygate.dialects.gateway_api.write.connections import write_connection
from anygate.dialects.gateway_api.write.cors import answers_preflights
from anygate.dialects.gateway_api.write.filters import Filters, is_for_grpc
from anygate.dialects.gateway_api.write.findings import BACKENDS, CONDITION, MODELS, ORDER, PREFIX, SETTING
from anygate.dialects.gateway_api.write.gateways import write_parents
from anygate.dialects.gateway_api.write.objects import Document, clean
from anygate.dialects.gateway_api.write.order import Entry, Order, each_group, fill_holes, settle
from anygate.dialects.gateway_api.write.ranks import asks_for_grpc, rank_grpc, rank_http, read_call, without_type
from anygate.dialects.gateway_api.write.route_policies import RoutePolicies
from anygate.dialects.gateway_api.write.sessions import write_session
from anygate.dialects.gateway_api.write.shares import split_targets
from anygate.dialects.gateway_api.write.tables import Table, not_found
from anygate.dialects.gateway_api.write.words import given, span
from anygate.dialects.gateway_api.write.writing import Writing, namespace_of
from anygate.dialects.guest_routes import Line
from anygate.model.backend import Backend, Connection
from anygate.model.edit import PathRewrite, Respond
from anygate.model.match import HttpMatch, PathMatch
from anygate.model.origin import Origin
from anygate.model.route import BackendTarget, Continue, Forward, HttpRule

_MOST_RULES = 16
_MOST_MATCHES = 64
_MOST_MATCHES_OF_ROUTE = 128
_MOST_HOSTNAMES = 16
_GRPC_PREFIX = "application/grpc"


@dataclass(frozen=True)
class _Rule:
    """A rule about to be written: rows that agree in all but their conditions."""

    entries: tuple[Entry, ...]


class HttpRoutes:
    """Writes the routes of tables."""

    def __init__(self, writing: Writing, backends: Backends, policies: RoutePolicies) -> None:
        self._writing = writing
        self._backends = backends
        self._filters = Filters(writing, backends)
        self._policies = policies

    def write(self, table: Table) -> None:
        """Write the routes of a table; what cannot be said is left out and named."""
        entries = self._read(table)
        if not entries:
            return
        is_grpc = all(_is_call(entry) for entry in entries)
        order = settle(entries, rank_grpc if is_grpc else rank_http)
        self._name_unsettled(order)
        for _, group in each_group(order):
            self._write_group(table, group, "GRPCRoute" if is_grpc else "HTTPRoute")

    def _read(self, table: Table) -> list[Entry]:
        rows: list[tuple[Entry, Positive]] = []
        for line in table.lines:
            if line.rule.inference is not None or line.rule.mcp is not None:
                text = f"{line.rule.name or 'a rule'} is for AI models or MCP servers, and is left out"
                self._writing.losses.add(MODELS, line.rule.origin, text)
                continue
            if isinstance(line.rule.action, Continue):
                text = "routes behind this one ask for what cannot be put together with it; it is left out"
                self._writing.losses.add(CONDITION, line.rule.origin, text)
                continue
            if answers_preflights(line.rule, line.match):
                text = "OPTIONS requests that are no preflights go on to the backend"
                self._writing.losses.add(SETTING, line.rule.origin, text)
                continue
            stem = _stem_of(line, self._align(line))
            near = (stem, line) if stem is not None else (line,)
            rows += [row for one in near if (row := self._read_line(one, table.scheme)) is not None]
        if not rows:
            return []
        found = fill_holes(rows, not_found(table.lines[-1].route))
        if found is not None:
            return found
        for entry, positive in rows:
            if positive.holes:
                text = "an inverted condition cannot be said here; the row is left out"
                self._writing.losses.add(CONDITION, entry.origin, text)
        return [entry for entry, positive in rows if not positive.holes]

    def _read_line(self, line: Line, scheme: str) -> tuple[Entry, Positive] | None:
        match = self._align(line)
        origin = match.origin if match is not None else line.rule.origin
        try:
            positive = read_match(match, scheme)
        except Unsayable as problem:
            self._writing.losses.add(CONDITION, origin, f"{problem} cannot be said; the row is left out")
            return None
        if positive is None:
            return None
        group = f"{namespace_of(line.route.origin)}/{line.route.origin.name}/{line.route.name}"
        door = match.path if match is not None else None
        return Entry(group, positive.wanted, line.rule, origin, door), positive

    def _align(self, line: Line) -> HttpMatch | None:
        """A match whose prefix is one of whole elements, unless it has to stay exactly what it is."""
        match = line.match
        path = match.path if match is not None else None
        if match is None or path is None or path.kind != "string_prefix" or path.value == "/":
            return match
        if self._writing.options.exact or not path.value.startswith("/"):
            return match
        aligned = PathMatch(kind="prefix", value=path.value.rstrip("/"), ignore_case=path.ignore_case)
        is_call = line.route.kind == "GRPCRoute" or any(
            one.name == "content-type" and one.value.startswith(_GRPC_PREFIX) for one in match.headers
        )
        if is_call and path.value.endswith("/"):
            # Every call has a method behind its service: both kinds of prefix take the same, and one is a service.
            return match
        stem = aligned.value
        text = f"{path.value} becomes {stem} and what is below it: {stem}x is no longer taken"
        if path.value.endswith("/"):
            text = f"{path.value} becomes {stem}, which takes {stem} without the slash as well"
        if not path.value.endswith("/") or not _takes_stem(line.rule, match):
            self._writing.losses.add(PREFIX, match.origin, text, "convert with --exact to keep it as it is")
        return msgspec.structs.replace(match, path=aligned)

    def _name_unsettled(self, order: Order) -> None:
        for one, other in order.unsettled:
            text = f"{one.rule.origin.object} is asked before {other.rule.origin.object} ({other.origin.place}), and "
            text += "the Gateway API asks them the other way round"
            self._writing.losses.add(ORDER, one.origin, text)

    def _write_group(self, table: Table, entries: list[Entry], kind: str) -> None:
        first = entries[0].group.split("/", 2)
        rules = list(_join_rules(entries))
        parts = list(_split(rules))
        hostnames = [
            table.hostnames[at : at + _MOST_HOSTNAMES] for at in range(0, len(table.hostnames), _MOST_HOSTNAMES)
        ]
        for named in hostnames or [()]:
            base = first[1]
            if self._writing.objects.find(kind, first[0], clean(base)) is not None and named:
                base = f"{base}-{named[0]}"
            for number, part in enumerate(parts, 1):
                name = f"{base}-{number:02}" if len(parts) > 1 else base
                self._write_route(table, named, kind, first[0], name, part)

    def _write_route(
        self, table: Table, hostnames: Sequence[str], kind: str, namespace: str, name: str, rules: Sequence[_Rule]
    ) -> None:
        objects = self._writing.objects
        name = objects.free(kind, namespace, name)
        spec: dict[str, Any] = given(
            parent_refs=write_parents(table.places, hostnames, namespace), hostnames=list(hostnames) or None
        )
        document = objects.add(kind, namespace, name, {"spec": spec}, _sources(rules))
        for place in table.places:
            place.namespaces.add(namespace)
        taken: set[str] = set()
        written = []
        for rule in rules:
            called = _free_name(clean(rule.entries[0].rule.name), taken)
            written.append(self._write_rule(document, rule, called, table.places[0].certificate))
        spec["rules"] = written

    def _write_rule(self, route: Document, rule: _Rule, name: str, certificate: str) -> dict[str, Any]:
        entry, found = rule.entries[0], rule.entries[0].rule
        is_grpc = route.kind == "GRPCRoute"
        filters = self._filters.of_rule(entry, route.kind, route.namespace, f"{route.name}-{name}")
        backends: list[dict[str, Any]] = []
        if isinstance(found.action, Forward):
            backends = self._write_targets(route, entry, found.action, certificate)
            if not backends:
                reason = next((one.reason for one in found.action.targets if one.reason), "nothing to forward to")
                respond = Respond(origin=found.action.origin, status=500, reason=reason)
                answer = msgspec.structs.replace(found, action=respond, mirrors=(), rewrite=None)
                filters = self._filters.of_rule(
                    replace(entry, rule=answer), route.kind, route.namespace, f"{route.name}-{name}"
                )
        self._policies.add(route, name, found, find_connection(self._writing, found), is_grpc)
        write = _write_call if is_grpc else _write_match
        times = found.timeouts
        attempt = times.attempt
        if attempt is not None and times.request:
            attempt = min(attempt, times.request)
        timeouts = None if is_grpc else given(request=span(times.request), backend_request=span(attempt))
        return given(
            name=name,
            matches=[write(one) for one in rule.entries],
            filters=filters or None,
            backend_refs=backends or None,
            timeouts=timeouts,
            session_persistence=write_session(found.session) if found.session else None,
        )

    def _write_targets(self, route: Document, entry: Entry, action: Forward, certificate: str) -> list[dict[str, Any]]:
        found = []
        usable = [one for one in action.targets if one.backend in self._writing.backends]
        lost = [one for one in action.targets if one not in usable and one.weight]
        if usable and lost:
            text = "the share of a backend that could not be resolved goes to the others, and is not answered with 500"
            self._writing.losses.add(BACKENDS, lost[0].origin, text)
        for target in split_targets(self._writing, usable):
            reference = self._backends.refer(target.backend, route.kind, route.namespace, certificate)
            filters = self._filters.of_target(target, entry, route.kind, route.namespace)
            weight = target.weight if target.weight != 1 else None
            found.append({**reference, **given(weight=weight, filters=filters or None)})
        return found


def find_connection(writing: Writing, rule: HttpRule) -> Connection:
    """The connection settings of a rule's backends; those of the first where they differ."""
    targets: tuple[BackendTarget, ...] = rule.action.targets if isinstance(rule.action, Forward) else ()
    found = [(one, writing.backends[one.backend].connection) for one in targets if one.backend in writing.backends]
    for target, connection in found:
        if connection != found[0][1] and not _agree(connection, found[0][1]):
            first, other = (_label(writing.backends[one.backend]) for one in (found[0][0], target))
            text = f"{other} has its connections as {first} has them: one policy holds for both"
            writing.losses.add(BACKENDS, target.origin, text)
    return found[0][1] if found else Connection()


def _label(backend: Backend) -> str:
    return f"{backend.service}{'.' if backend.namespace else ''}{backend.namespace}:{backend.port}"


def _is_call(entry: Entry) -> bool:
    """Whether a GRPCRoute could say it."""
    wanted = entry.wanted
    return (
        (entry.rule.origin.kind == "GRPCRoute" or asks_for_grpc(wanted))
        and not (wanted.method or wanted.query or wanted.cookies)
        and read_call(wanted.path) is not None
        and is_for_grpc(entry.rule)
    )


def _takes_stem(rule: HttpRule, match: HttpMatch) -> bool:
    """Whether a rule takes a prefix without its last slash too."""
    stem = match.path.value.rstrip("/") if match.path else ""
    return any(one.path is not None and one.path.value == stem for one in rule.matches)


def _stem_of(line: Line, aligned: HttpMatch | None) -> Line | None:
    """The line for the prefix alone where its new one ends with a slash, which the Gateway API leaves out there."""
    rewrite, match = line.rule.rewrite, line.match
    if match is None or match.path is None or aligned is match or rewrite is None or rewrite.path is None:
        return None
    value, path = rewrite.path.value, match.path
    if rewrite.path.kind != "prefix" or not value.rstrip("/") or not value.endswith("/"):
        return None
    if path.value.endswith("/") and not _takes_stem(line.rule, match):
        return None
    stem = PathMatch(kind="exact", value=path.value.rstrip("/"), ignore_case=path.ignore_case)
    exact = msgspec.structs.replace(match, path=stem)
    whole = msgspec.structs.replace(rewrite, path=PathRewrite(kind="full", value=value))
    return Line(line.route, msgspec.structs.replace(line.rule, rewrite=whole), exact)


def _agree(one: Connection, other: Connection) -> bool:
    """Whether connections differ only in what no policy says."""
    return write_connection(one) == write_connection(other)


def _join_rules(entries: Sequence[Entry]) -> Iterator[_Rule]:
    """Rows that follow each other and differ in their conditions only are one rule."""
    found: list[Entry] = []
    for entry in entries:
        if found and not _may_join(found[-1], entry, len(found)):
            yield _Rule(tuple(found))
            found = []
        found.append(entry)
    if found:
        yield _Rule(tuple(found))


def _may_join(one: Entry, other: Entry, count: int) -> bool:
    return (
        one.rule is other.rule
        and not one.is_moving
        and one.wanted.cookies == other.wanted.cookies
        and count < _MOST_MATCHES
    )


def _split(rules: Sequence[_Rule]) -> Iterator[list[_Rule]]:
    """Rules in as many routes as the limits ask for."""
    part: list[_Rule] = []
    for rule in rules:
        matches = sum(len(one.entries) for one in part) + len(rule.entries)
        if part and (len(part) == _MOST_RULES or matches > _MOST_MATCHES_OF_ROUTE):
            yield part
            part = []
        part.append(rule)
    if part:
        yield part


def _free_name(base: str, taken: set[str]) -> str:
    found, number = base, 1
    while found in taken:
        number += 1
        found = f"{base[:58]}-{number}"
    taken.add(found)
    return found


def _sources(rules: Sequence[_Rule]) -> list[Origin]:
    return [origin for rule in rules for one in rule.entries for origin in (one.origin, one.rule.origin)]


def _write_match(entry: Entry) -> dict[str, Any]:
    wanted: Wanted = entry.wanted
    path = write_path(wanted.path, entry.longer_than)
    return given(
        path={"type": path.type, "value": path.value},
        method=wanted.method or None,
        headers=write_values(wanted.headers),
        query_params=write_values(wanted.query),
    )


def _write_call(entry: Entry) -> dict[str, Any]:
    call = read_call(entry.wanted.path)
    assert call is not None
    kind, service, method = call
    named = given(type=kind, service=service or None, method=method or None) if service or method else None
    return given(method=named, headers=write_values(without_type(entry.wanted).headers))


def write_values(found: Values) -> list[dict[str, Any]] | None:
    """Conditions on headers or parameters of the query; None for none."""
    types = {"exact": "Exact", "regex": "RegularExpression"}
    return [{"type": types[one.kind], "name": one.name, "value": one.value} for one in found] or None
