"""What the rule that decided does with the request: forward it by shares, redirect it or answer it."""

from typing import NamedTuple

from anygate.explain.answer import Applied, Decision, Share, Step
from anygate.explain.applied import (
    cors_notes,
    describe_edit,
    describe_mirror,
    describe_rewrite,
    describe_rule,
    early_answer,
    preflight_answer,
)
from anygate.explain.conditions import check_match
from anygate.explain.inference import ask_provider, describe_provider, provider_text, refuse
from anygate.explain.seen import SeenRequest
from anygate.explain.stages import Onward, send_on
from anygate.explain.upstream import UNKNOWN, Way, build_location, build_upstream
from anygate.model.backend import Backend
from anygate.model.edit import HeaderEdit, Redirect, Respond, Rewrite
from anygate.model.outside import find_outside
from anygate.model.root import Model
from anygate.model.route import BackendTarget, Continue, Forward, HttpRule, StreamRoute
from anygate.model.route_table import Row

_NO_TARGET = 500
_NOT_FOUND = 404
_NO_ENDPOINT = 503


class Outcome(NamedTuple):
    """The end of the way: the decision, the shares it is made by, and what applies; or that it goes `onward`."""

    decision: Decision
    steps: tuple[Step, ...] = ()
    applied: tuple[Applied, ...] = ()
    shares: tuple[Share, ...] = ()
    notes: tuple[str, ...] = ()
    onward: Onward | None = None


def decide(model: Model, row: Row, seen: SeenRequest, way: Way) -> Outcome:
    """Return what a row's rule does with a request."""
    rule = row.rule
    applied = describe_rule(rule)
    notes = cors_notes(rule.cors, seen)
    outside = find_outside(rule, row.match)
    if outside is not None and all(condition.holds for condition in check_match(outside, seen)):
        reason = "rewritten, the path would lead out of what its prefix becomes"
        return Outcome(Decision(kind="respond", status=_NOT_FOUND, reason=reason), applied=applied)
    refused = _unbuildable(rule)
    if refused:
        reason = f"the header {refused} cannot be changed by a header edit"
        return Outcome(Decision(kind="respond", status=_NO_TARGET, reason=reason), applied=applied)
    if row.preflight:
        return Outcome(preflight_answer(), applied=applied, notes=notes)
    early = early_answer(rule, seen)
    if isinstance(rule.action, Respond) and row.role:
        return Outcome(early or refuse(row, rule.action, seen), applied=applied)
    if isinstance(rule.action, Respond):
        action = rule.action
        decision = Decision(
            kind="respond",
            status=action.status,
            reason=action.reason or f"a fixed answer ({action.origin.place})",
            body=str(action.text) if action.text else action.body,
            content_type=action.content_type,
        )
        return Outcome(early or decision, applied=applied, notes=notes)
    if isinstance(rule.action, Redirect):
        return Outcome(early or _redirect(rule.action, row, seen, way), applied=applied, notes=notes)
    if isinstance(rule.action, Continue):
        onward = None if early else send_on(row, rule.action.stage, seen)
        return Outcome(early or Decision(kind="forward"), applied=applied, notes=notes, onward=onward)
    shares = _shares(model, row, rule.action, seen, way)
    steps = tuple(_share_step(share) for share in shares if share.percent > 0 or share.priority)
    return Outcome(early or _forward(rule.action, shares), steps, applied, shares, (*notes, *_doubts(shares)))


def decide_stream(model: Model, route: StreamRoute) -> Outcome:
    """Return the shares of a stream route; what is sent is not looked at."""
    total = sum(target.weight for target in route.targets)
    backends = {backend.name: backend for backend in model.backends}
    shares = []
    for target in route.targets:
        backend = backends.get(target.backend)
        shares.append(
            Share(
                name=target.backend or target.reason or "not resolved",
                percent=_percent(target.weight, total),
                place=target.origin.place,
                endpoints=_endpoints(backend),
                reason=target.reason if backend is None else "",
            )
        )
    steps = tuple(_share_step(share) for share in shares if share.percent > 0)
    if not any(target.weight and target.backend in backends for target in route.targets):
        return Outcome(
            Decision(kind="none", reason="no usable backend: the connection is closed"), shares=tuple(shares)
        )
    return Outcome(Decision(kind="forward", reason="bytes are passed on as they are"), steps, shares=tuple(shares))


def _redirect(redirect: Redirect, row: Row, seen: SeenRequest, way: Way) -> Decision:
    path = row.match.path if row.match else None
    return Decision(
        kind="redirect",
        status=redirect.status,
        location=build_location(redirect, path, seen, way),
        reason=f"a redirect ({redirect.origin.place})",
    )


def _forward(forward: Forward, shares: tuple[Share, ...]) -> Decision:
    """Sum up: what all shares have in common is the decision."""
    sent = [share for share in shares if share.percent > 0]
    if not sent:
        reason = "all targets have weight 0" if forward.targets else "the rule has no backends"
        return Decision(kind="respond", status=_NO_TARGET, reason=reason)
    if all(share.location for share in sent) and len(sent) == 1:
        return Decision(kind="redirect", status=sent[0].status, location=sent[0].location, reason="a redirect")
    if all(share.upstream is None and not share.location for share in sent) and _agree(sent):
        return Decision(kind="respond", status=sent[0].status, reason=sent[0].reason)
    return Decision(kind="forward")


def _agree(shares: list[Share]) -> bool:
    return len({share.status for share in shares}) == 1


def _shares(model: Model, row: Row, forward: Forward, seen: SeenRequest, way: Way) -> tuple[Share, ...]:
    backends = {backend.name: backend for backend in model.backends}
    return tuple(
        _share(target, backends, total, row, seen, way) for target, total in _in_order(forward.targets, row.rule)
    )


def _in_order(targets: tuple[BackendTarget, ...], rule: HttpRule) -> list[tuple[BackendTarget, int]]:
    """The targets with the weight that each has a share of; 0 for those that come into play when others fail."""
    usable = [target for target in targets if target.weight > 0]
    if rule.mcp is not None:
        # The MCP gateway asks each of its servers, so that none of them has a share of the requests.
        return [(target, target.weight) for target in usable]
    if rule.inference is None or len({target.priority for target in usable}) < 2:
        total = sum(target.weight for target in targets)
        return [(target, total) for target in targets]
    # A target that is not there is left out of its group.
    known = [target for target in usable if target.backend]
    first = min((target.priority for target in known), default=0)
    total = sum(target.weight for target in known if target.priority == first)
    ordered = sorted(known, key=lambda target: target.priority)
    return [(target, total if target.priority == first else 0) for target in ordered]


def _share(
    target: BackendTarget, backends: dict[str, Backend], total: int, row: Row, seen: SeenRequest, way: Way
) -> Share:
    path = row.match.path if row.match else None
    percent = _percent(target.weight, total)
    place = target.origin.place
    if target.redirect:
        where = build_location(target.redirect, path, seen, way)
        name = target.backend or "redirect"
        return Share(name=name, percent=percent, place=place, status=target.redirect.status, location=where)
    backend = backends.get(target.backend)
    if backend is None:
        reason = target.reason or f"backend {target.backend or 'reference'} is not known"
        name = target.backend or "not resolved"
        return Share(name=name, percent=percent, place=place, status=_NO_TARGET, reason=reason)
    if not backend.dynamic and not backend.stub and not _endpoints(backend):
        reason = "the backend has no endpoints"
        return Share(name=backend.name, percent=percent, place=place, status=_NO_ENDPOINT, reason=reason)
    edits = (row.rule.request_headers, target.request_headers)
    rewrite = _merged(row.rule.rewrite, target.rewrite)
    if row.rule.inference is not None and not (rewrite and _rewrites_host(rewrite)):
        rewrite = Rewrite(host_from_backend=True, path=rewrite.path if rewrite else None)
    upstream = build_upstream(seen, path, rewrite, edits, backend)
    if row.rule.inference is not None and backend.provider is not None:
        upstream = ask_provider(upstream, backend.provider, row.rule.inference, seen, translated=target.translated)
    return Share(
        name=backend.name,
        percent=percent,
        place=place,
        endpoints=_endpoints(backend),
        upstream=upstream,
        notes=_target_notes(target),
        priority=target.priority if row.rule.inference else 0,
        provider=describe_provider(backend.provider, translated=target.translated) if backend.provider else None,
    )


def _rewrites_host(rewrite: Rewrite) -> bool:
    return bool(rewrite.host or rewrite.host_header or rewrite.host_from_backend)


def _merged(rule: Rewrite | None, target: Rewrite | None) -> Rewrite | None:
    """A target's rewrite holds over its rule's, for host and path apart."""
    if rule is None or target is None:
        return target or rule
    host = target if _rewrites_host(target) else rule
    return Rewrite(
        host=host.host,
        host_header=host.host_header,
        host_from_backend=host.host_from_backend,
        path=target.path or rule.path,
        method=target.method or rule.method,
        query=target.query or rule.query,
    )


def _target_notes(target: BackendTarget) -> tuple[Applied, ...]:
    place = target.origin.place
    return (
        *describe_edit("request headers", target.request_headers, place),
        *describe_rewrite(target.rewrite, place),
        *(describe_mirror(mirror) for mirror in target.mirrors),
        *describe_edit("response headers", target.response_headers, place),
    )


def _share_step(share: Share) -> Step:
    said = [] if share.percent == 100 else [f"{share.percent:.4g}%"]
    if share.priority and not share.percent:
        said = [f"priority {share.priority}, after a failed try,"]
    if share.provider:
        said.append(provider_text(share.provider))
    if share.reason:
        said.append(f"answers {share.status}: {share.reason}" if share.status else share.reason)
    elif share.location:
        said.append(f"redirects to {share.location}")
    elif share.endpoints:
        shown = ", ".join(share.endpoints[:3])
        more = len(share.endpoints) - 3
        said.append(shown + (f" and {more} more" if more > 0 else ""))
    return Step(kind="backend", name=share.title, place=share.place, text=" ".join(said))


def _percent(weight: int, total: int) -> float:
    return round(100 * weight / total, 4) if total else 0.0


def _endpoints(backend: Backend | None) -> tuple[str, ...]:
    if backend is None:
        return ()
    return tuple(
        end.unix or f"{end.host}:{end.port}" for group in backend.groups for end in group.endpoints if not end.draining
    )


def _doubts(shares: tuple[Share, ...]) -> tuple[str, ...]:
    unknown = [share for share in shares if share.upstream and share.upstream.path.startswith(UNKNOWN)]
    translated = [share for share in unknown if share.provider and share.provider.translated]
    doubts = []
    if translated:
        doubts.append("the path of a translated request is chosen with its conversion")
    if len(translated) < len(unknown):
        doubts.append("the path rewrite uses an expression that cannot be evaluated here")
    return tuple(doubts)


def _unbuildable(rule: HttpRule) -> str:
    """The name of a header that Envoy does not let an edit change; such a rule answers 500."""
    edits = [rule.request_headers, rule.response_headers]
    if isinstance(rule.action, Forward):
        for target in rule.action.targets:
            edits += [target.request_headers, target.response_headers] if target.weight > 0 else []
    return next((name for edit in edits if edit for name in _edited(edit) if _is_routing(name)), "")


def _edited(edit: HeaderEdit) -> tuple[str, ...]:
    return (*(name for name, _ in (*edit.set, *edit.add)), *edit.remove)


def _is_routing(name: str) -> bool:
    return name.startswith(":") or name.lower() == "host"
