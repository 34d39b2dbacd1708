"""What becomes of a request on one side: facts by name, from the row that takes it and from where it is sent."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from anygate.diff.names import Names, Plain
from anygate.explain.answer import Decision, Share
from anygate.explain.outcome import decide, decide_stream
from anygate.explain.seen import Headers, SeenRequest, Turned, edit_headers
from anygate.explain.upstream import UNKNOWN, Way
from anygate.model.backend import Backend
from anygate.model.edit import HeaderEdit, Redirect, Respond
from anygate.model.folded_authorization import fold_authorization
from anygate.model.origin import NOWHERE
from anygate.model.root import Model
from anygate.model.route import BackendTarget, Forward, HttpRule, StreamRoute, list_backends
from anygate.model.route_table import Row
from anygate.model.text import Text

_PROBE = "\x00"
_BARE = HttpRule(origin=NOWHERE, name="", action=Forward(origin=NOWHERE))
FORWARDED = "forwarded"
_EVALUATED = frozenset(("type", "host", "host_header", "host_from_backend", "path"))
_ON_THE_WAY = frozenset(
    (
        *("timeouts", "retry", "session", "hash_policies", "hashes_targets", "mirrors"),
        *("request_buffer", "inject", "upgrades"),
    )
)
"""What only matters to requests that are sent on."""
_ELSEWHERE = frozenset(("type", "matches", "action", "rewrite", "request_headers", "response_headers"))


class Facts(NamedTuple):
    """The answer in words; what holds for all such requests; by destination the share it gets and what it gets."""

    answer: str
    body: str
    rule: dict[str, Plain]
    shares: dict[str, float]
    sent: dict[str, dict[str, Plain]]


def answered(answer: str) -> Facts:
    """The facts of a request that no rule takes."""
    return Facts(answer, "", {}, {}, {})


UNTOLD = answered("unknown")
"""What cannot be told."""


class Teller:
    """Tells facts of one model; what does not depend on the request is worked out once for each rule."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._models: dict[int, tuple[HttpRule, Model]] = {}
        self._rules: dict[int, tuple[HttpRule, dict[str, Plain]]] = {}
        self._unset = self._rule(_BARE)

    def tell(self, row: Row, seen: SeenRequest, way: Way, before: HttpRule | None = None) -> Facts:
        """The facts of a request that a row takes, with those of the rule that has sent it on to this one."""
        rule = row.rule
        outcome = decide(self._model(rule), row, seen, way)
        if row.role:
            # What AI rules answer to what none of them takes is said in words of the request.
            return answered(_answer(outcome.decision))
        targets = rule.action.targets if isinstance(rule.action, Forward) else ()
        known = {(target.backend, target.origin.place): target for target in targets}
        shares: dict[str, float] = {}
        sent: dict[str, dict[str, Plain]] = {}
        for share in outcome.shares:
            if share.percent <= 0 and not share.priority:
                continue
            target = known.get((share.name, share.place))
            for where, percent in self._where(share):
                shares[where] = round(shares.get(where, 0.0) + percent, 2)
                sent.setdefault(where, self._sent(share, (before, rule), target))
        found = self.rule(rule)
        if before is not None:
            found = _merge(self.rule(before), found, self._unset)
        if not shares:
            found = {name: value for name, value in found.items() if name not in _ON_THE_WAY}
        return Facts(_answer(outcome.decision), outcome.decision.body, found, shares, sent)

    def tell_stream(self, route: StreamRoute) -> Facts:
        """The facts of a connection whose bytes are passed on."""
        model = Model(backends=tuple(self._backends(target.backend for target in route.targets)))
        outcome = decide_stream(model, route)
        shares: dict[str, float] = {}
        for share in outcome.shares:
            if share.percent > 0:
                where = self._names.reach(share.name) if not share.reason else "nothing"
                shares[where] = shares.get(where, 0.0) + share.percent
        idle = {"idle_timeout": self._names.plain(route.idle_timeout)}
        return Facts(FORWARDED if outcome.decision.kind == "forward" else "closed", "", idle, shares, {})

    def rule(self, rule: HttpRule) -> dict[str, Plain]:
        """What holds for all requests of a rule, wherever they are sent."""
        known = self._rules.get(id(rule))
        if known is None:
            known = self._rules[id(rule)] = (rule, self._rule(rule))
        return known[1]

    def _rule(self, rule: HttpRule) -> dict[str, Plain]:
        if rule.security is not None:
            # Whether checks let some in or keep all others out is no difference.
            rule = msgspec.structs.replace(rule, security=fold_authorization(rule.security))
        found = {name: value for name, value in self._names.plain(rule).items() if name not in _ELSEWHERE}
        # No limit is what Envoy is told where there is none; and a try is bounded in either of two places.
        timeouts, retry = dict(found["timeouts"]), found["retry"] and dict(found["retry"])
        timeouts["request"] = timeouts["request"] or "0s"
        if timeouts["attempt_idle"] == timeouts["stream_idle"]:
            # Silence on the stream is silence within its attempt, too.
            timeouts["attempt_idle"] = None
        if retry:
            timeouts["attempt"] = retry.pop("per_try_timeout") or timeouts["attempt"]
        found |= {"timeouts": timeouts, "retry": retry, "answer_headers": _effects([rule.response_headers])}
        found["hidden_headers"] = dict(sorted(self._hidden(rule)))
        return found | {f"answer_{name}": self._names.plain(value) for name, value in _unspoken(rule.action)}

    def _hidden(self, rule: HttpRule) -> Iterator[tuple[str, Plain]]:
        """What the secrets in the values of headers hold, by header."""
        for side, edit in (("request", rule.request_headers), ("answer", rule.response_headers)):
            for name, value in (*edit.set, *edit.add) if edit else ():
                if isinstance(value, Text) and value.secrets:
                    yield f"{name.lower()} of the {side}", tuple(map(self._names.held, value.secrets))

    def _model(self, rule: HttpRule) -> Model:
        """The backends of a rule, all of which are taken to have endpoints, as in a cluster."""
        known = self._models.get(id(rule))
        if known is None:
            model = Model(backends=tuple(self._backends(list_backends(rule))))
            known = self._models[id(rule)] = (rule, model)
        return known[1]

    def _backends(self, names: Iterable[str]) -> list[Backend]:
        known = self._names.backends
        return [msgspec.structs.replace(known[name], stub=True) for name in dict.fromkeys(names) if name in known]

    def _where(self, share: Share) -> list[tuple[str, float]]:
        """Where a share goes, which may be several places, and how much of all requests that is."""
        if share.upstream is None:
            where = f"a redirect to {share.location}" if share.location else f"an answer {share.status}"
            return [(where, share.percent)]
        return [
            (f"{part.reach}{' when others fail' if part.priority else ''}", share.percent * part.share)
            for part in self._names.parts(share.name)
        ]

    def _sent(self, share: Share, rules: Iterable[HttpRule | None], target: BackendTarget | None) -> dict[str, Plain]:
        """What one destination gets."""
        if share.upstream is None or target is None:
            return {}
        rewrites = [one for one in (*(rule.rewrite for rule in rules if rule), target.rewrite) if one]
        kept = [{k: v for k, v in self._names.plain(one).items() if k not in _EVALUATED} for one in rewrites]
        unknown = share.upstream.path.startswith(UNKNOWN)
        found: dict[str, Plain] = {
            "path": tuple(self._names.plain(one.path) for one in rewrites) if unknown else share.upstream.path,
            "rewrite": tuple(one for one in kept if any(one.values())),
            "host": share.upstream.host or "the name of the endpoint",
            "request_headers": _effects([*(rule.request_headers for rule in rules if rule), target.request_headers]),
            "response_headers": _effects([target.response_headers]),
            "mirrors": self._names.plain(target.mirrors),
            "priority": share.priority,
            "translated": target.translated,
        }
        backend = self._names.backends[share.name]
        if backend.provider is not None:
            found["provider"] = self._names.plain(backend.provider)
        return found


def refused(turned: Turned) -> Facts:
    """The facts of a request that gets no further than the connection manager."""
    return answered(f"{turned.status} to {turned.location}" if turned.location else str(turned.status))


def _merge(first: dict[str, Plain], second: dict[str, Plain], unset: dict[str, Plain]) -> dict[str, Plain]:
    """What holds of two rules that a request passes: the second one's word, or else the first one's."""
    return {
        name: _merge(first[name], value, unset[name])
        if all(isinstance(one, dict) and one for one in (first[name], value, unset[name]))
        else first[name]
        if value == unset[name]
        else value
        for name, value in second.items()
    }


def _answer(decision: Decision) -> str:
    if decision.kind == "forward":
        return FORWARDED
    if decision.location:
        return f"{decision.status} to {decision.location}"
    return f"{decision.status} {decision.content_type}".rstrip()


def _effects(edits: Iterable[HeaderEdit | None]) -> dict[str, str]:
    """What edits, one after the other, do to each header; how they are split up does not matter by itself."""
    made = [edit for edit in edits if edit is not None]
    names = {name.lower() for edit in made for name in (*edit.remove, *(name for name, _ in (*edit.set, *edit.add)))}
    headers: Headers = dict.fromkeys(names, (_PROBE,))
    for edit in made:
        headers = edit_headers(headers, edit)
    return {name: _effect(headers.get(name, ())) for name in sorted(names)}


def _effect(values: tuple[str, ...]) -> str:
    if not values:
        return "removed"
    kept = values[0] == _PROBE
    return f"{'added' if kept else 'set to'} {' and '.join(map(str, values[1:] if kept else values))}"


def _unspoken(action: object) -> Iterator[tuple[str, object]]:
    """What an answer of the gateway has that its words do not show: texts with variables."""
    if isinstance(action, Respond):
        yield "text", action.text
    elif isinstance(action, Redirect) and action.path is not None:
        yield "path_text", action.path.text
