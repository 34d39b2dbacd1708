"""A rule of an AIGatewayRoute: what it asks for, its backends, its limits of time, and what policies say of it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec

from anygate.dialects.envoy_ai.refine import FIRST_BYTE, RETRY_ON, RETRY_STATUSES, UNSERVED
from anygate.dialects.envoy_ai.write.costs import keep_limits
from anygate.dialects.envoy_ai.write.findings import MODEL_PATHS, MODEL_ROUTING, MODEL_SETTING
from anygate.dialects.envoy_ai.write.groups import Group, Share
from anygate.dialects.envoy_ai.write.providers import Providers
from anygate.dialects.envoy_ai.write.words import given, span
from anygate.dialects.guest_routes import Host
from anygate.model.edit import Respond, Rewrite
from anygate.model.match import HttpMatch
from anygate.model.retry import Retry
from anygate.model.route import BackendTarget, Forward, HttpRule, Timeouts
from anygate.providers.paths import ENDPOINT_PATHS

PATHS = frozenset(path for paths in ENDPOINT_PATHS.values() for path in paths)
_NEVER = timedelta(0)
_LOST: Mapping[str, str] = {
    "request_headers": "changes of requests' headers have no place in an AIGatewayRoute",
    "response_headers": "changes of answers' headers have no place in an AIGatewayRoute",
    "mirrors": "copies of requests have no place in an AIGatewayRoute",
    "cors": "what browsers may ask for from other origins has no place in an AIGatewayRoute",
    "cors_headers": "what browsers may ask for from other origins has no place in an AIGatewayRoute",
    "session": "sessions have no place in an AIGatewayRoute",
    "prompts": "changes of prompts have no place in an AIGatewayRoute",
}
_MOVED: Mapping[str, str] = {
    "inject": "a credential that the rule puts on requests has no place in an AIGatewayRoute",
}
_OF_TARGET = ("request_headers", "response_headers", "mirrors")
_SAME = ("timeouts", "retry", "security", "faults", "request_buffer")

CARRIED = frozenset(
    (
        *("BackendTarget.priority", "BackendTarget.tries", "Timeouts.attempt_idle", "LimitRule.backends"),
        *(f"HttpRule.{name}" for name in (*_LOST, *_MOVED)),
        *(f"Rewrite.{name}" for name in ("path", "method", "query")),
    )
)
"""The fields of the model that are written here, or named where they cannot be."""


class RuleWords:
    """Writes rules."""

    def __init__(self, host: Host, providers: Providers) -> None:
        self._host = host
        self._providers = providers

    def write_matches(self, group: Group) -> dict[HttpMatch, list[dict[str, str]]]:
        """The conditions of a rule with the headers that they are written as; those that have no words are named."""
        found = {}
        for match, paths in group.paths.items():
            strange = sorted(paths.keys() - PATHS)
            if strange:
                text = f"models are asked for at {', '.join(strange)}, where an AIGatewayRoute takes nothing"
                self._host.lose(MODEL_ROUTING, match.origin, text)
            more = [path for path in sorted(PATHS) if path not in paths]
            headers = self._host.write_headers(match) if len(strange) < len(paths) else None
            if headers is None:
                continue
            if more:
                self._host.lose(MODEL_PATHS, match.origin, f"requests are also taken at {', '.join(more)}")
            found[match] = headers
        if not group.is_whole:
            text = (
                "a share of the requests goes to what is no model, which an AIGatewayRoute cannot say: models get all"
            )
            self._host.lose(MODEL_ROUTING, group.origin, text)
        return found

    def write(self, group: Group, headers: Sequence[list[dict[str, str]]], namespace: str, name: str) -> dict[str, Any]:
        """A rule without what is said of the models in it."""
        shares = group.list_shares()
        targets = list(self._join(shares))
        references = [self._refer(one, namespace) for one in targets]
        rule = shares[0].rule
        self._name_lost(shares)
        asked = [{"headers": one} for one in headers if one]
        return {
            "name": name,
            **given(
                {
                    "matches": asked if len(asked) == len(headers) else None,
                    "backendRefs": references,
                    "timeouts": self._write_timeouts(rule.timeouts, rule.retry),
                    "streamIdleTimeout": span(rule.timeouts.attempt_idle),
                }
            ),
        }

    def ask_policies(self, group: Group, rule: HttpRule, namespace: str, route: str, name: str) -> None:
        """Have policies say what the rule itself does not."""
        targets = tuple(self._join(group.list_shares(), silent=True))
        retry = _write_retry(rule.retry, targets)
        times = Timeouts(stream_idle=rule.timeouts.stream_idle, max_stream=rule.timeouts.max_stream)
        action = Forward(origin=rule.origin, targets=targets)
        asked = msgspec.structs.replace(rule, action=action, retry=retry, timeouts=times, matches=())
        self._host.add_policies(namespace, route, name, asked)

    def _join(self, shares: Sequence[Share], *, silent: bool = False) -> Iterator[BackendTarget]:
        """The targets of all shares: the first of each by weight, and then what stands in for that of the largest."""
        main = _targets(shares[0].rule)
        if len(shares) == 1:
            yield from main
            return
        for share in shares:
            first = [one for one in _targets(share.rule) if one.priority == 0]
            yield from (msgspec.structs.replace(one, weight=share.weight * one.weight) for one in first)
        yield from (one for one in main if one.priority > 0)
        if not silent and any(one.priority for share in shares for one in _targets(share.rule)):
            text = "what stands in for the largest share of the requests stands in for all of them"
            self._host.lose(MODEL_SETTING, shares[0].rule.origin, text)

    def _refer(self, target: BackendTarget, namespace: str) -> dict[str, Any]:
        backend = self._host.backends[target.backend]
        made = self._providers.refer(self._host, backend, namespace)
        weight = target.weight if target.weight != 1 else None
        return {**made, **given({"weight": weight, "priority": target.priority or None})}

    def _write_timeouts(self, found: Timeouts, retry: Retry | None) -> dict[str, Any]:
        """What says nothing that does not hold by itself is left out."""
        attempt, request = found.attempt, found.request
        if attempt == FIRST_BYTE and not request and (retry is None or retry.per_try_timeout is None):
            return {}
        if attempt is not None and request:
            attempt = min(attempt, request)
        silent = attempt is not None and not request
        return given({"request": None if silent else span(request), "backendRequest": span(attempt)})

    def _name_lost(self, shares: Sequence[Share]) -> None:
        for share in shares:
            for endpoint, rule in share.rules:
                self._name_difference(endpoint, rule, share.rule)
            rule = share.rule
            for name, text in (*_LOST.items(), *_MOVED.items()):
                if getattr(rule, name):
                    self._host.lose(MODEL_ROUTING if name in _MOVED else MODEL_SETTING, rule.origin, text)
            for target in _targets(rule):
                for name in _OF_TARGET:
                    if getattr(target, name):
                        self._host.lose(MODEL_SETTING, target.origin, _LOST[name])
            moved = msgspec.structs.replace(rule.rewrite or Rewrite(), host_from_backend=False)
            if moved != Rewrite():
                text = "another host, path or query towards the provider has no place in an AIGatewayRoute"
                self._host.lose(MODEL_ROUTING, rule.origin, text)
        if not any(_targets(share.rule) for share in shares):
            text = "the rule has no backend that can be used, and is written without one"
            self._host.lose(MODEL_ROUTING, shares[0].rule.origin, text)

    def _reached(self, rule: HttpRule) -> set[str]:
        """The backends of a rule as they are written."""
        backends = (self._host.backends[one.backend] for one in _targets(rule))
        return {repr(self._providers.refer(self._host, one, "")) for one in backends}

    def _name_difference(self, endpoint: str, rule: HttpRule, chosen: HttpRule) -> None:
        """Name what is otherwise for requests of one endpoint than for those of the one that is written."""
        targets = _targets(rule)
        if isinstance(rule.action, Respond) and UNSERVED not in rule.action.body:
            self._host.lose(MODEL_PATHS, rule.origin, "what no provider serves is refused in other words")
        if rule is chosen or not targets:
            return
        if not self._reached(rule) <= self._reached(chosen):
            text = f"requests for {endpoint} go to the same backends as all others, and not to their own"
            self._host.lose(MODEL_ROUTING, rule.origin, text)
        fewer = len(targets) < len(_targets(chosen))
        if keep_limits(rule) != keep_limits(chosen):
            self._host.lose(MODEL_SETTING, rule.origin, f"limits of requests for {endpoint} are those of all others")
        for name in _SAME:
            if getattr(rule, name) != getattr(chosen, name) and not (name == "retry" and fewer):
                text = f"{name.replace('_', ' ')} of requests for {endpoint} are those of all others"
                self._host.lose(MODEL_SETTING, rule.origin, text)


def _targets(rule: HttpRule) -> tuple[BackendTarget, ...]:
    return rule.action.targets if isinstance(rule.action, Forward) else ()


def _write_retry(found: Retry | None, targets: Sequence[BackendTarget]) -> Retry | None:
    """The tries of a rule: none where what an AIGatewayRoute does by itself is what is wanted."""
    if found is None:
        return None
    priorities = {one.priority for one in targets}
    usual = Retry(origin=found.origin, attempts=len(priorities) - 1, triggers=RETRY_ON, statuses=RETRY_STATUSES)
    if len(priorities) > 1 and found == usual:
        return None
    tries = max((one.tries for one in targets), default=1)
    return msgspec.structs.replace(found, attempts_per_priority=tries) if tries > 1 and len(priorities) > 1 else found
