"""The rows of the route table that conditions on bodies bring with them.

Whether such a condition holds is known only when the body is there, and by then a first rule has been chosen. So every
request that one may be about meets a row first that has its body looked at; then the table is asked again, and only the
rule that is found by then does anything.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from anygate.model.edit import Respond
from anygate.model.match import HttpMatch, PathMatch
from anygate.model.route import HttpRule

_UNREAD = 503


class Reading(NamedTuple):
    """A row that has bodies looked at: for which of the rows, and the rules that may decide afterwards.

    Its rule answers where the body could not be looked at, which is what happens if the filter fails.
    """

    asked: int
    rule: HttpRule
    match: HttpMatch
    followers: tuple[HttpRule, ...]


def list_readings(rows: Sequence[tuple[HttpRule, HttpMatch | None]]) -> Iterator[Reading]:
    """One for each path and method that some row has a condition on bodies for, in the order of the rows."""
    seen = set()
    for at, (rule, match) in enumerate(rows):
        if match is None or not match.body or (match.path, match.method) in seen:
            continue
        seen.add((match.path, match.method))
        answer = Respond(origin=match.origin, status=_UNREAD, reason="the body could not be looked at")
        wanted = HttpMatch(origin=match.origin, path=match.path, method=match.method, is_read=False)
        behind = {id(rule): rule for rule, other in rows if _may_meet(match.path, other.path if other else None)}
        yield Reading(at, HttpRule(origin=rule.origin, name="reading", action=answer), wanted, tuple(behind.values()))


def asks_for_bodies(rules: Iterable[HttpRule]) -> bool:
    """Whether a rule depends on what stands in bodies."""
    return any(match.body for rule in rules for match in rule.matches)


def asked_names(rules: Iterable[HttpRule]) -> tuple[str, ...]:
    """The paths in bodies that conditions of some rules are about."""
    return tuple(sorted({value.name for rule in rules for match in rule.matches for value in match.body}))


def _may_meet(one: PathMatch | None, other: PathMatch | None) -> bool:
    """Whether some path may satisfy both: surely not, or perhaps."""
    if one is None or other is None or "regex" in (one.kind, other.kind):
        return True
    first, second = (match.value.lower().rstrip("/") for match in (one, other))
    return first.startswith(second) or second.startswith(first)
