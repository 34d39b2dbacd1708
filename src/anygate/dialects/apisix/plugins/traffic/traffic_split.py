"""traffic-split: other backends for some requests. https://apisix.apache.org/docs/apisix/plugins/traffic-split/"""

from collections.abc import Sequence
from fractions import Fraction
from math import lcm
from typing import Any

import msgspec
from pydantic import Field

from anygate.diagnostics import FieldPath
from anygate.dialects.apisix.expressions import Conditions, Unread
from anygate.dialects.apisix.findings import PLUGIN_CONFIG
from anygate.dialects.apisix.plugins.config import Config
from anygate.dialects.apisix.plugins.plugin import Answered, Refusal, Surroundings
from anygate.dialects.apisix.plugins.splitting import close_unread, narrow
from anygate.dialects.apisix.plugins.values import Vars
from anygate.dialects.apisix.vars import read_alternatives
from anygate.manifests.fields import IntOrString, Many
from anygate.model.route import BackendTarget, Forward, HttpRule


class WeightedUpstream(Config):
    """A backend and its share; without an upstream it stands for the backends of the route."""

    upstream: dict[str, Any] | None = None
    upstream_id: IntOrString | None = None
    weight: int = Field(default=1, ge=0)


class Match(Config):
    """Conditions that must all hold."""

    vars: Vars = Field(default_factory=list)


class SplitRule(Config):
    """The backends of requests for which one of the matches holds; without any of all requests."""

    match: Many[Match] = ()
    weighted_upstreams: Many[WeightedUpstream] = (WeightedUpstream(weight=1),)


class TrafficSplitConfig(Config):
    """The first rule that holds decides."""

    rules: Many[SplitRule] = ()


class TrafficSplit:
    """A rule with targets of its own for each rule of the plugin. Shares are drawn by chance, not in turn."""

    name = "traffic-split"
    config = TrafficSplitConfig
    is_guard = False

    def apply(
        self, config: TrafficSplitConfig, rule: HttpRule, surroundings: Surroundings
    ) -> Sequence[HttpRule | Answered] | Refusal:
        """Send some of the rule's requests to other backends."""
        if not isinstance(rule.action, Forward) or rule.inference is not None:
            return [rule]
        found: list[HttpRule | Answered] = []
        for index, split in enumerate(config.rules):
            targets = _read_targets(split, rule.action, surroundings, ("rules", index, "weighted_upstreams"))
            if isinstance(targets, Refusal):
                return targets
            action = msgspec.structs.replace(rule.action, targets=targets)
            if not split.match:
                return [*found, msgspec.structs.replace(rule, action=action)]
            alternatives = _read_matches(split)
            if isinstance(alternatives, Unread):
                closed = close_unread(rule, f"split-{index}", alternatives, surroundings, ("rules", index, "match"))
                found.append(Answered(closed))
            else:
                found.append(narrow(rule, f"split-{index}", alternatives, action=action))
        return [*found, rule]


def _read_matches(split: SplitRule) -> tuple[Conditions, ...] | Unread:
    found: list[Conditions] = []
    reason = ""
    for match in split.match:
        alternatives = read_alternatives(match.vars)
        if isinstance(alternatives, Unread):
            reason, alternatives = reason or alternatives.reason, alternatives.rest
        found.extend(alternatives or (Conditions(),))
    return Unread(reason, tuple(found)) if reason else tuple(found)


def _read_targets(
    split: SplitRule, forward: Forward, surroundings: Surroundings, path: FieldPath
) -> tuple[BackendTarget, ...] | Refusal:
    """The targets of a split. What stands for the route's backends is shared out among those by their weights."""
    shares: list[tuple[BackendTarget, Fraction]] = []
    total = sum(target.weight for target in forward.targets)
    for index, one in enumerate(split.weighted_upstreams):
        place = (*path, index)
        if one.upstream_id is not None:
            hint = "write the upstream, or use backends of the route"
            return Refusal(PLUGIN_CONFIG, "nothing here has ids", hint, (*place, "upstream_id"))
        if one.upstream is None:
            shares += [(target, Fraction(one.weight * target.weight, total or 1)) for target in forward.targets]
            continue
        name = surroundings.resolve_upstream(one.upstream, (*place, "upstream"))
        if isinstance(name, Refusal):
            return name
        shares.append((BackendTarget(origin=surroundings.origin, backend=name), Fraction(one.weight)))
    scale = lcm(*(share.denominator for _, share in shares))
    return tuple(msgspec.structs.replace(target, weight=int(share * scale)) for target, share in shares)
