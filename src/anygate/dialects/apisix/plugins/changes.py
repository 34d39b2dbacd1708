"""Small changes that several plugins make to a rule."""

import json
from collections.abc import Iterable, Sequence

import msgspec

from anygate.model.checks import Check
from anygate.model.edit import HeaderEdit
from anygate.model.match import HttpMatch
from anygate.model.origin import Origin
from anygate.model.route import HttpRule
from anygate.model.security import Authorization, AuthorizationRule, Security
from anygate.model.wording import Cause, Wording


def with_security(rule: HttpRule, origin: Origin, **fields: object) -> HttpRule:
    """The rule with some fields of its `Security`."""
    security = rule.security or Security(origin=origin)
    return msgspec.structs.replace(rule, security=msgspec.structs.replace(security, **fields))


def with_check(rule: HttpRule, check: Check) -> HttpRule:
    """The rule with one more check, behind those that it has."""
    earlier = rule.security.checks if rule.security else ()
    return with_security(rule, check.origin, checks=(*earlier, check))


def with_denials(origin: Origin, found: Authorization | None, rows: Sequence[AuthorizationRule]) -> Authorization:
    """The authorization with more rows that deny; what none of them denies is allowed."""
    earlier = found.rules if found else ()
    return Authorization(origin=origin, rules=(*earlier, *rows), allow_by_default=True)


def with_wordings(rule: HttpRule, *wordings: Wording) -> HttpRule:
    """The rule with words for refusals, which replace those for the same causes."""
    named = {(one.cause, one.rule) for one in wordings}
    kept = (one for one in rule.wordings if (one.cause, one.rule) not in named)
    return msgspec.structs.replace(rule, wordings=(*kept, *wordings))


def without_headers(rule: HttpRule, names: Iterable[str]) -> HttpRule:
    """The rule with headers that the backend does not see."""
    edit = rule.request_headers or HeaderEdit()
    removed = tuple(dict.fromkeys((*edit.remove, *names)))
    return msgspec.structs.replace(rule, request_headers=msgspec.structs.replace(edit, remove=removed))


def matches_of(rule: HttpRule) -> tuple[HttpMatch, ...]:
    """The matches of a rule, also where it takes everything."""
    return rule.matches or (HttpMatch(origin=rule.origin),)


def say(cause: Cause, message: str, *, rule: str = "", status: int | None = None, challenge: str = "") -> Wording:
    """A refusal as APISIX words it: JSON, with the content type of plain text."""
    body = json.dumps({"message": message}, ensure_ascii=False, separators=(",", ":")) + "\n"
    return Wording(cause=cause, body=body, rule=rule, status=status, challenge=challenge)
