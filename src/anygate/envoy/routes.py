"""Rows of the route table as serialised Envoy Routes.

A Route is made of two halves that are serialised apart: what a match asks for, and what its rule does. The second is
the same for all matches of a rule, so ten thousand routes cost little, and a row whose parts did not change since the
last build is not built again (`RouteSheet`).

Reference: envoy/config/route/v3/route_components.proto (Route).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from anygate.envoy.actions import Variant, Way, build_variants, failing
from anygate.envoy.api import any_of, build, serialise
from anygate.envoy.checked import Refusal, refusals
from anygate.envoy.edits import build_header_fields
from anygate.envoy.filters import FILTERS
from anygate.envoy.filters.filter import Scope
from anygate.envoy.matches import build_route_match
from anygate.envoy.names import ORIGIN, match_name, rule_name, share_name
from anygate.envoy.refusal import CannotBuild
from anygate.envoy.wire import part, text_struct
from anygate.model.match import HttpMatch, PathMatch
from anygate.model.route import HttpRoute, HttpRule
from anygate.model.route_table import Row

_ROUTE = "envoy.config.route.v3.Route"
_MATCH, _METADATA, _NAME = 1, 4, 14
_PREFIX_EDITS = "prefix"


class RouteContext(NamedTuple):
    """What a row's Envoy routes depend on besides the row itself."""

    way: Way
    scope: Scope


class BuiltRow(NamedTuple):
    """The Envoy routes of one row, each serialised, with what was refused and the longest fixed body."""

    row: Row
    bodies: tuple[bytes, ...]
    refused: tuple[Refusal, ...] = ()
    body_size: int = 0


class RouteSheet:
    """The built rows of one context.

    Rows are found again by the identity of their parts, which the sheet keeps alive, so an identity is never reused
    while it counts. The nodes are immutable, hence the same parts always give the same bytes.
    """

    def __init__(self, context: RouteContext, before: "RouteSheet | None" = None) -> None:
        self._context = context
        self._before: Mapping[tuple[int, int, int], BuiltRow] = before._rows if before else {}
        self._rows: dict[tuple[int, int, int], BuiltRow] = {}
        self._actions: dict[tuple[int, PathMatch | None], _Action] = {}

    def built(self, row: Row) -> BuiltRow:
        """The Envoy routes of a row, from the last build where nothing about it changed."""
        key = (id(row.route), id(row.rule), id(row.match))
        found = self._rows.get(key) or self._before.get(key)
        if found is None:
            found = self._build(row)
        self._rows[key] = found
        return found

    def seal(self) -> None:
        """Let go of what only an earlier build used."""
        self._before = {}
        self._actions = {}

    def _build(self, row: Row) -> BuiltRow:
        index = next(at for at, rule in enumerate(row.route.rules) if rule is row.rule)
        name = rule_name(row.route, row.rule, index)
        matched = 0
        if row.match is not None:
            matched = next(at for at, match in enumerate(row.rule.matches) if match is row.match)
        path = row.match.path if row.match else None
        key = (id(row.rule), path if _depends_on_path(row.rule) else None)
        action = self._actions.get(key)
        if action is None:
            action = self._actions[key] = _build_action(name, row.rule, path, self._context)
        return _join(row, match_name(name, matched), action, index, matched)


class _Action(NamedTuple):
    halves: tuple[tuple[Variant, bytes], ...]
    refused: tuple[Refusal, ...]


def _depends_on_path(rule: HttpRule) -> bool:
    rewrites = [rule.rewrite, *(target.rewrite for target in getattr(rule.action, "targets", ()))]
    redirects = [rule.action, *(target.redirect for target in getattr(rule.action, "targets", ()))]
    paths = [getattr(edit, "path", None) for edit in (*rewrites, *redirects)]
    return any(path is not None and path.kind == _PREFIX_EDITS for path in paths)


def _build_action(name: str, rule: HttpRule, path: PathMatch | None, context: RouteContext) -> _Action:
    """Build and check the half of a Route that says what happens; a rule that cannot be built answers 500."""
    refused: list[Refusal] = []
    try:
        around = {
            **build_header_fields(rule.request_headers, "request", rule.origin),
            **build_header_fields(rule.response_headers, "response", rule.origin),
            "typed_per_filter_config": _build_filter_settings(rule, context.scope),
        }
        variants = build_variants(rule, path, context.way)
        built = [build(_ROUTE, **_together(around, variant)) for variant in variants]
    except CannotBuild as problem:
        refused.append(Refusal(problem.origin, name, problem.text))
    else:
        for half in built:
            refused.extend(refusals(_with_placeholder(half), rule.origin, name))
    if refused:
        variants = [failing()]
        built = [build(_ROUTE, **variants[0].fields)]
    halves = tuple((variant, serialise(half)) for variant, half in zip(variants, built, strict=True))
    return _Action(halves, tuple(refused))


def _together(around: dict[str, Any], variant: Variant) -> dict[str, Any]:
    """Join what a rule and its action set; a rule's edits of the answer follow the action's own."""
    joined = {**around, **variant.fields}
    for side in ("request_headers_to_add", "response_headers_to_add"):
        both = [*variant.fields.get(side, ()), *around.get(side, ())]
        if both:
            joined[side] = both
    return joined


def _with_placeholder(half: Any) -> Any:
    """A copy of the half that is complete enough to be checked."""
    whole = type(half)()
    whole.CopyFrom(half)
    whole.match.prefix = "/"
    return whole


def _build_filter_settings(rule: HttpRule, scope: Scope) -> dict[str, Any]:
    return {name: any_of(config) for each in FILTERS for name, config in each.route(rule, scope).items()}


def _join(row: Row, name: str, action: _Action, index: int, matched: int) -> BuiltRow:
    """Join both halves. A match that Envoy would refuse is left out: what it would have taken is unknown."""
    place = row.match.origin if row.match else row.rule.origin
    try:
        match = build_route_match(row.match)
    except CannotBuild as problem:
        return BuiltRow(row, (), (Refusal(problem.origin, name, problem.text),))
    wrong = refusals(match, place, name)
    if wrong:
        return BuiltRow(row, (), (*wrong, *action.refused))
    metadata = _metadata(row.route, row.match, row.rule, index, matched)
    condition = serialise(match)
    bodies = []
    for position, (variant, half) in enumerate(action.halves):
        narrower = serialise(build("envoy.config.route.v3.RouteMatch", **variant.narrower)) if variant.narrower else b""
        full = name if len(action.halves) == 1 else share_name(name, position)
        bodies.append(part(_NAME, full.encode()) + part(_MATCH, condition + narrower) + half + metadata)
    size = max((variant.body_size for variant, _ in action.halves), default=0)
    return BuiltRow(row, tuple(bodies), action.refused if matched == 0 else (), size)


def _metadata(route: HttpRoute, match: HttpMatch | None, rule: HttpRule, index: int, matched: int) -> bytes:
    """Encode `metadata.filter_metadata["anygate"]`, by which a log line or a dump leads back to a file."""
    origin = match.origin if match else rule.origin
    values = {
        "object": route.origin.object,
        "path": origin.path,
        "place": origin.place,
        "rule": rule.name or str(index),
        "match": str(matched),
    }
    return part(_METADATA, part(1, part(1, ORIGIN.encode()) + part(2, text_struct(values))))
