"""Rules of which a part of the requests goes another way."""

from collections.abc import Iterable
from typing import Any

import msgspec

from anygate.diagnostics import FieldPath
from anygate.dialects.apisix.closing import CLOSED, refuse_all
from anygate.dialects.apisix.expressions import Conditions, Unread
from anygate.dialects.apisix.findings import PLUGIN_CONFIG
from anygate.dialects.apisix.plugins.changes import matches_of
from anygate.dialects.apisix.plugins.plugin import Refusal, Surroundings
from anygate.model.edit import HeaderEdit
from anygate.model.route import HttpRule


def narrow(rule: HttpRule, name: str, alternatives: Iterable[Conditions], **changes: Any) -> HttpRule:
    """The rule for those requests for which one of the alternatives holds, with some of its fields changed.

    It has the rank of the rule that it comes from, so it has to stand before it.
    """
    return msgspec.structs.replace(narrow_matches(rule, alternatives), name=f"{rule.name}/{name}", **changes)


def narrow_matches(rule: HttpRule, alternatives: Iterable[Conditions]) -> HttpRule:
    """The rule under its own name for those requests for which one of the alternatives holds."""
    wanted = tuple(alternatives)
    narrower = tuple(one.narrow(match) for match in matches_of(rule) for one in wanted)
    return msgspec.structs.replace(rule, matches=narrower)


def close_unread(rule: HttpRule, name: str, unread: Unread, surroundings: Surroundings, path: FieldPath) -> HttpRule:
    """The requests of a rule that go another way on conditions that cannot be asked for: perhaps these, and nobody can
    tell which of both ways, so they are answered here."""
    text = f"the condition cannot be asked for: {unread.reason}; requests that it may be meant for get {CLOSED}"
    surroundings.refuse_part(Refusal(PLUGIN_CONFIG, text, "", path))
    answer = refuse_all(surroundings.origin, text)
    return narrow(rule, name, unread.rest, action=answer, response_headers=None, rewrite=None, mirrors=())


def with_percent(rule: HttpRule, percent: float) -> HttpRule:
    """The rule for a share of its requests."""
    matches = tuple(msgspec.structs.replace(match, percent=percent) for match in rule.matches)
    return msgspec.structs.replace(rule, matches=matches)


def add_edit(edit: HeaderEdit | None, more: HeaderEdit) -> HeaderEdit:
    """Header changes with more of them."""
    known = edit or HeaderEdit()
    return HeaderEdit(set=known.set + more.set, add=known.add + more.add, remove=known.remove + more.remove)
