"""Rules that must not run as far as they can be had: they take their requests, and answer them."""

from anygate.model.edit import Respond
from anygate.model.origin import Origin
from anygate.model.route import HttpRule

CLOSED = 503
"""The status of what is closed."""


def refuse_all(origin: Origin, reason: str) -> Respond:
    """What a closed rule does."""
    return Respond(origin=origin, status=CLOSED, reason=reason)


def close(rule: HttpRule, reason: str) -> HttpRule:
    """A rule that takes its requests and answers them itself."""
    return HttpRule(origin=rule.origin, name=rule.name, matches=rule.matches, action=refuse_all(rule.origin, reason))
