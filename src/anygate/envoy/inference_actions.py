"""What AI rules do with a request: which provider is asked, and which one after a try that failed.

Reference: envoy/extensions/router/cluster_specifiers/priority_group/v3/priority_group.proto and
https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto (RetryPolicy)
"""

from collections.abc import Sequence
from datetime import timedelta
from itertools import groupby
from operator import attrgetter
from typing import Any

from anygate.envoy.api import typed, uint32
from anygate.envoy.names import adapter_cluster_name
from anygate.envoy.refusal import CannotBuild
from anygate.model.retry import Retry
from anygate.model.route import BackendTarget, HttpRule

_SPECIFIER = "envoy.router.cluster_specifier_plugin.priority_group"
_GROUPS = "envoy.extensions.router.cluster_specifiers.priority_group.v3.PriorityGroupClusterSpecifier"
_TOTAL_WEIGHT = 2**32 - 1
_LONGEST_WAIT = timedelta(seconds=60)
UNBOUNDED_BODY = 2**32 - 1
"""How much of a body is kept for another try: all of it, since all of it is in memory since its model was read."""

_TOO_LARGE = 413
_FAILURES = (408, 429, 500, 502, 503, 504, 529)
"""What makes another provider worth asking, 529 being Anthropic's word for overloaded."""

_TROUBLES = ("connect-failure", "refused-stream", "reset", "retriable-status-codes")


def cluster_of(target: BackendTarget) -> str:
    """The cluster that a target's requests go to: the backend's own, or the adapter's for it."""
    return adapter_cluster_name(target.backend) if target.backend and target.translated else target.backend


def priorities_of(targets: Sequence[BackendTarget]) -> list[list[BackendTarget]]:
    """The targets that there are, by priority, the first to be used first; unresolved ones are left out."""
    usable = sorted((one for one in targets if one.backend and one.weight > 0), key=attrgetter("priority"))
    return [list(found) for _, found in groupby(usable, key=attrgetter("priority"))]


def has_priorities(rule: HttpRule, targets: Sequence[BackendTarget]) -> bool:
    """Whether the targets of an AI rule stand in for each other by priority."""
    return rule.inference is not None and len({target.priority for target in targets}) > 1


def failover(rule: HttpRule, targets: Sequence[BackendTarget]) -> Retry | None:
    """The rule's own retries; without any, a rule with several priorities tries each of them once."""
    if rule.retry is not None or not has_priorities(rule, targets):
        return rule.retry
    others = len(priorities_of(targets)) - 1
    return Retry(origin=rule.origin, attempts=others, triggers=_TROUBLES, statuses=_FAILURES) if others > 0 else None


def build_choice(targets: Sequence[BackendTarget], retry: Retry | None) -> dict[str, Any]:
    """Build the choice of a cluster by priority: each try takes the next group, and the last one from then on.

    Tried on Envoy 1.40: a group of a cluster that is not there answers 500 and is not gone on from, one of a cluster
    without a host answers 503 and is not either; so clusters of such rules always have an endpoint.
    """
    groups = []
    for number, members in enumerate(priorities_of(targets)):
        for target in members:
            if target.request_headers or target.response_headers or target.rewrite or target.mirrors or target.redirect:
                raise CannotBuild(target.origin, "a backend with a priority cannot have edits of its own on its route")
        clusters = _weighted(members)
        tries = max(retry.attempts_per_priority if retry else 1, *(target.tries for target in members))
        groups += [{"name": f"{number}/{one}", "clusters": clusters} for one in range(tries)]
    plugin = {"name": _SPECIFIER, "typed_config": typed(_GROUPS, priority_groups=groups)}
    return {"inline_cluster_specifier_plugin": {"extension": plugin}}


def _weighted(targets: Sequence[BackendTarget]) -> list[dict[str, Any]]:
    scale = max(1, -(-sum(target.weight for target in targets) // _TOTAL_WEIGHT))
    return [{"cluster_name": cluster_of(one), "weight": uint32(max(1, one.weight // scale))} for one in targets]


def adjust_retry(policy: dict[str, Any], targets: Sequence[BackendTarget]) -> dict[str, Any]:
    """Turn a RetryPolicy into one between providers.

    Each try chooses anew where there is a choice. Where there is none, the provider says in `retry-after` when it will
    have us again; another one would not care.
    """
    clusters = {cluster_of(target) for target in targets if target.backend and target.weight > 0}
    waits = {"reset_headers": [{"name": "retry-after", "format": "SECONDS"}], "max_interval": _LONGEST_WAIT}
    choice = {"refresh_cluster_on_retry": True} if len(clusters) > 1 else {"rate_limited_retry_back_off": waits}
    return {**policy, "retry_priority": None, **choice}


def forwarding_fields(rule: HttpRule) -> dict[str, Any]:
    """Build the fields of an AI rule's Route beside its action."""
    return {"request_body_buffer_limit": {"value": UNBOUNDED_BODY}} if rule.inference else {}


def refusing_long_bodies(rule: HttpRule) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Build the fields and the further conditions of the Route that refuses what is longer than the rule allows.

    The length of a body sent in chunks or compressed is not known, and so refused too.
    """
    if not (rule.inference and rule.request_buffer):
        return None
    within = {"start": 0, "end": rule.request_buffer + 1}
    other = {"name": "content-length", "range_match": within}
    condition = {**other, "invert_match": True, "treat_missing_header_as_empty": True}
    return {"direct_response": {"status": _TOO_LARGE}}, {"headers": [condition]}
