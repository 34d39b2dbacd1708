"""Limits that a consumer has: they hold for its requests, in place of the route's own of the same plugin."""

import msgspec

from anygate.dialects.apisix.context import origin
from anygate.dialects.apisix.plugins.consumers import CALLER
from anygate.dialects.apisix.plugins.entries import Entry
from anygate.dialects.apisix.plugins.meta import KEY
from anygate.dialects.apisix.plugins.plugin import Consumer
from anygate.model.limits import LimitRule, LimitSelector, RateLimit
from anygate.model.match import ValueMatch
from anygate.model.route import HttpRule

LIMITS = frozenset(("ai-rate-limiting", "limit-conn", "limit-count", "limit-req"))
"""The plugins that need no rule of the consumer's own: who it is stands in a header that limits can ask for."""


def is_limit(entry: Entry) -> bool:
    """Whether a plugin does nothing but limit all requests of its consumer, whatever they are for."""
    return entry.name in LIMITS and not {KEY, "instances"} & entry.config.keys()


def limit_consumer(rule: HttpRule, limited: HttpRule, consumer: Consumer, replaced: Entry | None) -> HttpRule:
    """A rule with the limits that `limited` has more, for one consumer.

    `replaced` is the route's own entry of the plugin, whose limits do not hold for the consumer.
    """
    before = rule.rate_limit.rules if rule.rate_limit else ()
    assert limited.rate_limit is not None
    place = origin(replaced.owner, replaced.path) if replaced is not None else None
    kept = (
        _narrow(one, consumer, invert=True) if place is not None and one.origin.path.startswith(place.path) else one
        for one in before
    )
    # One counter for all routes, as in APISIX, where it belongs to the object that the plugin is written in.
    added = (_narrow(one, consumer, shared=True) for one in limited.rate_limit.rules[len(before) :])
    made = RateLimit(origin=limited.rate_limit.origin, rules=(*kept, *added))
    return msgspec.structs.replace(rule, rate_limit=made)


def _narrow(limit: LimitRule, consumer: Consumer, *, invert: bool = False, shared: bool = False) -> LimitRule:
    asked = LimitSelector(headers=(ValueMatch(name=CALLER, value=consumer.id, invert=invert),))
    return msgspec.structs.replace(limit, selectors=(*limit.selectors, asked), shared=shared or limit.shared)
