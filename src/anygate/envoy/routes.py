"""Rows of the route table as serialised Envoy Routes.

A Route is made of two halves that are serialised apart: what a match asks for, and what its rule does. The second is
the same for all matches of a rule, so ten thousand routes cost little, and a rule that did not change since the last
build is not built again (`RouteSheet`).

Reference: envoy/config/route/v3/route_components.proto (Route).
"""

from typing import Any, NamedTuple

import msgspec

from anygate.envoy.actions import Variant, Way, build_variants, failing
from anygate.envoy.api import any_of, build, serialise
from anygate.envoy.checked import Refusal, refusals
from anygate.envoy.filters import FILTERS
from anygate.envoy.filters.body_reading import reading_entries
from anygate.envoy.filters.filter import Scope
from anygate.envoy.inference_routes import build_answer, build_entrance, lua_metadata, own_metadata
from anygate.envoy.inference_variants import Providers, split_variants
from anygate.envoy.matches import build_route_match
from anygate.envoy.metering import metering_metadata, path_entry
from anygate.envoy.names import (
    ORIGIN,
    UNRESOLVED,
    match_name,
    outside_name,
    preflight_name,
    reading_name,
    rule_name,
    share_name,
    special_name,
)
from anygate.envoy.refusal import CannotBuild
from anygate.envoy.sampling import split_traces
from anygate.envoy.switch import switches
from anygate.envoy.wire import part, text_entry
from anygate.envoy.wordings import wording_metadata
from anygate.model.edit import Respond
from anygate.model.inference_rows import asked_match
from anygate.model.match import HttpMatch, PathMatch
from anygate.model.outside import find_outside
from anygate.model.route import Forward, HttpRoute, HttpRule
from anygate.model.route_table import Attachment, Row, needs_preflight, preflight_match
from anygate.model.telemetry import Trace

_ROUTE = "envoy.config.route.v3.Route"
_ROUTE_MATCH = "envoy.config.route.v3.RouteMatch"
_MATCH, _METADATA, _NAME = 1, 4, 14
_ROUTES_OF_VIRTUAL_HOST = 3
_NAMESPACE = part(1, ORIGIN.encode())


NO_PROVIDERS = Providers()


class RouteContext(NamedTuple):
    """What a row's Envoy routes depend on besides the row itself.

    Spans are made where there is somebody `told` of them; of AI rules that say nothing about it as `trace` says.
    """

    way: Way
    scope: Scope
    providers: Providers = NO_PROVIDERS
    told: bool = False
    trace: Trace | None = None

    def trace_of(self, rule: HttpRule) -> Trace | None:
        """Which requests of a rule have spans by the choice of its route."""
        return (rule.trace or (self.trace if rule.inference else None)) if self.told else None


class BuiltRow(NamedTuple):
    """The Envoy routes of one row, as `virtual_hosts.routes` fields, with what was refused and the longest body."""

    body: bytes
    refused: tuple[Refusal, ...] = ()
    body_size: int = 0


_RowKey = tuple[int, int, bool]
_Rows = dict[_RowKey, BuiltRow]
"""The rows of a route by the identities of their rule and match, and whether they are for preflights."""


class _BuiltRoute(NamedTuple):
    """A route with its rows. It keeps the nodes alive, so that their identities are not used again."""

    route: HttpRoute
    rows: _Rows


class BuiltHost(NamedTuple):
    """A serialised VirtualHost with what it was built of, what was refused of it and its longest body."""

    attached: tuple[Attachment, ...]
    body: bytes | None
    refused: tuple[Refusal, ...]
    body_size: int


class RouteSheet:
    """The built routes of one context, and the virtual hosts that were put together from them.

    A route that equals the one of its name in the last build is not built again. The nodes are immutable, so equal
    nodes always give the same bytes.
    """

    def __init__(self, context: RouteContext, before: "RouteSheet | None" = None) -> None:
        self._context = context
        self._routes: dict[int, _BuiltRoute] = {}
        self._entries: dict[int, tuple[HttpRule, list[str]]] = {}
        known = before._routes.values() if before else ()
        self._before = {each.route.origin.object: each for each in known}
        self._hosts: dict[str, BuiltHost] = {}
        self._hosts_before = before._hosts if before else {}

    def find_host(self, domain: str, attached: tuple[Attachment, ...]) -> BuiltHost | None:
        """The virtual host of the last build if it was built of equal routes."""
        found = self._hosts_before.get(domain)
        if found is None or found.attached != attached:
            return None
        self._hosts[domain] = found
        return found

    def keep_host(self, domain: str, host: BuiltHost) -> None:
        """Remember a virtual host for the next build."""
        self._hosts[domain] = host

    def keep_routes(self, attached: tuple[Attachment, ...]) -> None:
        """Keep the routes of a virtual host that is not built again, for when it is."""
        for _, _, route in attached:
            before = self._find(route)
            if before is not None:
                self._routes[id(route)] = before

    def built(self, row: Row) -> BuiltRow:
        """The Envoy routes of a row."""
        if row.role == "reading":
            return _build_reading(row, self._optional(row), self._context)
        if row.role:
            return _build_special(row, self._optional(row), self._context)
        route = row.route
        found = self._routes.get(id(route))
        if found is None:
            found = self._find(route) or _BuiltRoute(route, _build_route(route, self._context))
            self._routes[id(route)] = found
        return found.rows[id(row.rule), id(row.match), row.preflight]

    def _optional(self, row: Row) -> list[str]:
        """The entries of filters that the rules behind an entrance use; a rule that cannot be built uses none."""
        names: list[str] = []
        for rule in row.followers:
            if id(rule) not in self._entries:
                self._entries[id(rule)] = rule, _entries_of(rule, self._context.scope)
            names += self._entries[id(rule)][1]
        return names

    def seal(self) -> None:
        """Let go of what only the last build used."""
        self._entries = {}
        self._before, self._hosts_before = {}, {}

    def _find(self, route: HttpRoute) -> _BuiltRoute | None:
        """What the last build made of an equal route."""
        before = self._before.get(route.origin.object)
        if before is not None and before.route is route:
            return before
        if before is not None and before.route == route:
            same = zip(_rows_of(route), _rows_of(before.route), strict=True)
            return _BuiltRoute(route, {new: before.rows[old] for new, old in same})
        return None


def _rows_of(route: HttpRoute) -> list[_RowKey]:
    return [
        (id(rule), id(match), preflight)
        for rule in route.rules
        for match in (rule.matches or (None,))
        for preflight in ((False, True) if needs_preflight(rule, match) else (False,))
    ]


class _Action(NamedTuple):
    """What a rule does: one half of a Route for each variant."""

    halves: tuple[tuple[Variant, bytes], ...]
    refused: tuple[Refusal, ...]
    body_size: int
    metadata: "_Metadata"


class _Metadata(NamedTuple):
    """What a route says about itself besides its place: in our own namespace, and in others; both serialised."""

    own: bytes = b""
    others: bytes = b""


_NO_METADATA = _Metadata()
_NOT_FOUND = _Action(
    ((Variant({}, {}), serialise(build(_ROUTE, direct_response={"status": 404}))),), (), 0, _NO_METADATA
)
"""The answer to requests whose rewritten path would be out of order."""


def _build_route(route: HttpRoute, context: RouteContext) -> _Rows:
    rows: _Rows = {}
    for index, rule in enumerate(route.rules):
        _build_rule(route, rule, rule_name(route, rule, index), context, rows)
    return rows


def _build_rule(route: HttpRoute, rule: HttpRule, name: str, context: RouteContext, rows: _Rows) -> None:
    by_path: dict[PathMatch | None, _Action] = {}
    paths_differ = _rewrites_prefix(rule)
    for position, match in enumerate(rule.matches or (None,)):
        path = match.path if match is not None and paths_differ else None
        action = by_path.get(path)
        if action is None:
            action = by_path[path] = _build_action(name, route, rule, path, context)
        full = match_name(name, position)
        row = _build_row(rule, asked_match(rule, match), action, full)
        outside = find_outside(rule, match)
        if outside is not None:
            left = _build_row(rule, asked_match(rule, outside), _NOT_FOUND, outside_name(full))
            row = BuiltRow(left.body + row.body, (*left.refused, *row.refused), row.body_size)
        rows[id(rule), id(match), False] = row
        if needs_preflight(rule, match):
            wanted = preflight_match(rule, match)
            answering = _build_preflight(rule, action, context)
            rows[id(rule), id(match), True] = _build_row(rule, wanted, answering, preflight_name(full))


def _rewrites_prefix(rule: HttpRule) -> bool:
    """Whether what the rule does depends on the path that a match asks for."""
    edits: list[Any] = [rule.rewrite]
    if isinstance(rule.action, Forward):
        for target in rule.action.targets:
            edits += (target.rewrite, target.redirect)
    else:
        edits.append(rule.action)
    paths = (getattr(edit, "path", None) for edit in edits)
    return any(path is not None and path.kind == "prefix" for path in paths)


def _build_action(
    name: str, route: HttpRoute, rule: HttpRule, path: PathMatch | None, context: RouteContext
) -> _Action:
    """Build and check the half of a Route that says what happens; a rule that cannot be built answers 500."""
    refused: list[Refusal] = []
    built: list[Any] = []
    others = lua_metadata(rule) + wording_metadata(rule) + metering_metadata(rule, route)
    metadata = _Metadata(own_metadata(rule), others)
    try:
        settings = _build_filter_settings(rule, context.scope)
        if context.scope.switched:
            metadata = metadata._replace(own=metadata.own + switches(settings or ()))
        variants = split_variants(build_variants(rule, path, context.way), rule, context.providers)
        variants = split_traces(variants, context.trace_of(rule))
        built = [_build_half(settings, variant) for variant in variants]
    except CannotBuild as problem:
        refused.append(Refusal(problem.origin, name, problem.text))
    for half in built:
        half.match.prefix = "/"  # enough of a match for the check
        refused.extend(refusals(half, rule.origin, name))
        half.ClearField("match")
    if refused:
        variants = [failing()]
        built = [build(_ROUTE, **variants[0].fields)]
    halves = tuple((variant, serialise(half)) for variant, half in zip(variants, built, strict=True))
    return _Action(halves, tuple(refused), max(variant.body_size for variant in variants), metadata)


def _build_half(settings: dict[str, Any] | None, variant: Variant) -> Any:
    merged = {**(settings or {}), **variant.settings}
    wanted = {name: config for name, config in merged.items() if config is not None}
    return build(_ROUTE, typed_per_filter_config=wanted or None, **variant.fields)


def _build_special(row: Row, optional: list[str], context: RouteContext) -> BuiltRow:
    """Build a row that AI rules bring with them. What is wrong about its policy is told where the policy's rule is."""
    path = row.match.path.value if row.match and row.match.path else ""
    metadata = _Metadata(own_metadata(row.rule, row.role), metering_metadata(row.rule, row.route))
    fields = build_answer(row)
    settings: dict[str, Any] = {}
    try:
        # Its policy only: nothing is sent on, and no answer of a model has to be looked at.
        guarding = msgspec.structs.replace(row.rule, inference=None)
        settings = _build_filter_settings(guarding, context.scope) or {}
    except CannotBuild:
        fields = failing().fields
    metadata = metadata._replace(own=metadata.own + switches(settings))
    if row.role == "entrance":
        settings = {name: any_of(config) for name, config in build_entrance(row, optional).items()}
    body_size = len(build(_ROUTE, **fields).direct_response.body_format.text_format_source.inline_string)
    # Whether a request has a span is decided by the route that it meets first.
    variants = split_traces([Variant(fields, {})], context.trace_of(row.rule))
    halves = tuple((variant, serialise(_build_half(settings, variant))) for variant in variants)
    return _build_row(row.rule, row.match, _Action(halves, (), body_size, metadata), special_name(path, row.role))


def _build_reading(row: Row, optional: list[str], context: RouteContext) -> BuiltRow:
    """Build a row that has bodies looked at, and turns on what the rules behind it may want."""
    assert row.match is not None
    assert isinstance(row.rule.action, Respond)
    settings = {name: any_of(config) for name, config in reading_entries(row.followers, optional).items()}
    answer = Variant({"direct_response": {"status": row.rule.action.status}}, {})
    variants = split_traces([answer], context.trace_of(row.followers[0]) if row.followers else None)
    halves = tuple((variant, serialise(_build_half(settings, variant))) for variant in variants)
    action = _Action(halves, (), 0, _NO_METADATA)
    path = row.match.path.value if row.match.path else ""
    return _build_row(row.rule, row.match, action, reading_name(path, row.match.method))


def _build_preflight(rule: HttpRule, action: _Action, context: RouteContext) -> _Action:
    """Build what takes a preflight: it would forward, for the CORS filter leaves other routes alone, but the
    filter answers first. A rule that cannot be built has no policy to answer by either."""
    if action.refused:
        return _Action((), (), 0, _NO_METADATA)
    settings = _build_filter_settings(rule, context.scope)
    route = {"cluster": UNRESOLVED, "cluster_not_found_response_code": "INTERNAL_SERVER_ERROR"}
    half = serialise(build(_ROUTE, typed_per_filter_config=settings, route=route))
    return _Action(((Variant({}, {}), half),), (), 0, action.metadata)


def _build_filter_settings(rule: HttpRule, scope: Scope) -> dict[str, Any] | None:
    found = {name: any_of(config) for each in FILTERS for name, config in each.route(rule, scope).items()}
    return found or None


def _entries_of(rule: HttpRule, scope: Scope) -> list[str]:
    try:
        return list(_build_filter_settings(rule, scope) or ())
    except CannotBuild:
        return []


def _build_row(rule: HttpRule, match: HttpMatch | None, action: _Action, name: str) -> BuiltRow:
    """Join both halves. A match that Envoy would refuse is left out: what it would have taken is unknown."""
    origin = match.origin if match is not None else rule.origin
    try:
        built = build_route_match(match)
    except CannotBuild as problem:
        return BuiltRow(b"", (*action.refused, Refusal(problem.origin, name, problem.text)))
    if built.wrong:
        wrong = (Refusal(origin, name, f"{each.path} {each.text}") for each in built.wrong)
        return BuiltRow(b"", (*action.refused, *wrong))
    # By this a log line and a config dump lead back to a line that somebody wrote. Object, rule and match stand in
    # the name: said again here they were a third of the bytes of a large table.
    own = text_entry("place", origin.place) + path_entry(rule, match) + action.metadata.own
    metadata = part(_METADATA, part(1, _NAMESPACE + part(2, own)) + action.metadata.others)
    body = b""
    for at, (variant, half) in enumerate(action.halves):
        narrower = serialise(build(_ROUTE_MATCH, **variant.narrower)) if variant.narrower else b""
        full = name if len(action.halves) == 1 else share_name(name, at)
        route = part(_NAME, full.encode()) + part(_MATCH, built.body + narrower) + half + metadata
        body += part(_ROUTES_OF_VIRTUAL_HOST, route)
    return BuiltRow(body, action.refused, action.body_size)
