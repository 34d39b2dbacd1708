"""What the plugins have in common whose checks our own service makes."""

from collections.abc import Callable
from typing import Any

from anygate.dialects.apisix.plugins.changes import with_security
from anygate.dialects.apisix.plugins.consumers import consumers_with
from anygate.dialects.apisix.plugins.plugin import Consumer, Surroundings
from anygate.dialects.apisix.plugins.security_findings import SAME_CREDENTIAL
from anygate.model.checks import Check
from anygate.model.route import HttpRule


def with_check(rule: HttpRule, check: Check) -> HttpRule:
    """The rule with one more check, behind those that it has."""
    earlier = rule.security.checks if rule.security else ()
    return with_security(rule, check.origin, checks=(*earlier, check))


def by_credential(
    surroundings: Surroundings, kind: str, what: str, read: Callable[[Any], str | None]
) -> dict[str, Consumer]:
    """The consumer of each credential of a kind, by what requests say of it; of two with the same the first by id.

    `read` returns what requests say, or None for a credential that does not count.
    """
    found: dict[str, Consumer] = {}
    for consumer in consumers_with(surroundings, kind):
        name = read(consumer.credential)
        if name is None:
            continue
        if name in found:
            surroundings.note(SAME_CREDENTIAL, f"{found[name].id} and {consumer.id} have the same {what}")
        found.setdefault(name, consumer)
    return found
