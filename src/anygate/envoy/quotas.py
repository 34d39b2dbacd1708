"""Backends whose quota is used up, and who answers in their place.

The rate-limit service says which quotas a request finds used up, in dynamic metadata. The route table is asked once
more after that, and has for each set of such quotas a route that leaves their backends out, before the one with all.
So the choice between backends, with its priorities and weights, stays Envoy's, and a request for which nobody is left
gets 429.

Tried on Envoy 1.40: an upstream filter could refuse for its backend, but what it answers is final and no retry
follows; a rate-limit filter cannot stand upstream.
"""

from collections.abc import Iterator
from itertools import combinations
from typing import Any, NamedTuple

import msgspec

from anygate.envoy.inference_actions import cluster_of
from anygate.envoy.names import EXHAUSTED, LIMITS
from anygate.model.limits import LimitRule
from anygate.model.route import BackendTarget, Forward, HttpRule

_MOST = 4
"""Of so many quotas every set has its route. Of more, only those that are used up in order, and each by itself."""


class Left(NamedTuple):
    """What a route that is for some used-up quotas asks for, and the rule without their backends."""

    narrower: dict[str, Any]
    rule: HttpRule | None


def quotas_of(rule: HttpRule) -> list[LimitRule]:
    """The limits of a rule that are quotas of backends."""
    return [limit for limit in rule.rate_limit.rules if limit.backends] if rule.rate_limit else []


def without_exhausted(rule: HttpRule) -> Iterator[Left]:
    """What is left of a rule for each set of quotas that may be used up, the largest sets first."""
    action = rule.action
    if not isinstance(action, Forward):
        return
    backends: dict[str, set[str]] = {}
    for limit in quotas_of(rule):
        if not limit.shadow:
            backends.setdefault(limit.name, set()).update(limit.backends)
    order = [target.backend for target in sorted(action.targets, key=lambda target: target.priority)]
    names = sorted(
        backends, key=lambda name: min((order.index(one) for one in backends[name] if one in order), default=0)
    )
    for exhausted in _sets(names):
        gone = set().union(*(backends[name] for name in exhausted))
        targets = tuple(target for target in action.targets if target.backend not in gone)
        left = msgspec.structs.replace(rule, action=msgspec.structs.replace(action, targets=targets))
        yield Left(_used_up(exhausted), left if any(one.weight and one.backend for one in targets) else None)


def clusters_of(limit: LimitRule, rule: HttpRule) -> list[str]:
    """The clusters whose answers a quota is charged for."""
    targets: tuple[BackendTarget, ...] = rule.action.targets if isinstance(rule.action, Forward) else ()
    return sorted({cluster_of(target) for target in targets if target.backend in limit.backends})


def _sets(names: list[str]) -> Iterator[tuple[str, ...]]:
    if len(names) <= _MOST:
        for size in range(len(names), 0, -1):
            yield from combinations(names, size)
        return
    for size in range(len(names), 1, -1):
        yield tuple(names[:size])
    for name in names:
        yield (name,)


def _used_up(names: tuple[str, ...]) -> dict[str, Any]:
    value = {"string_match": {"exact": EXHAUSTED}}
    return {"dynamic_metadata": [{"filter": LIMITS, "path": [{"key": name}], "value": value} for name in names]}
