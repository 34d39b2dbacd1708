"""Answers with another status or body."""

from collections.abc import Iterable, Sequence
from typing import Any

from google.protobuf.message import Message

from anygate.envoy.filters.filter import NO_SCOPE, ChainEntry, Scope
from anygate.envoy.filters.script import plain_script, script_entry, script_settings
from anygate.envoy.refusal import CannotBuild
from anygate.model.answers import AnswerEdit
from anygate.model.edit import HeaderEdit
from anygate.model.listener import Server
from anygate.model.route import HttpRule
from anygate.model.text import Text, Value

NAME = "anygate/answers"


class AnswersFilter:
    """One entry, with the edits of each route. It holds back bodies that it changes until it has all of them.

    Tried on Envoy 1.40: an answer without a body cannot be given one; the body would leave before the headers. And
    headers have to be changed before the body is asked for, as they are on their way afterwards.
    """

    def chain(self, server: Server, rules: Sequence[HttpRule]) -> list[ChainEntry]:
        """Return the entry where a rule edits answers."""
        del server
        return [script_entry(NAME, plain_script("answers.lua"))] if any(rule.answers for rule in rules) else []

    def route(self, rule: HttpRule, scope: Scope = NO_SCOPE) -> dict[str, Message]:
        """Return the route's edits."""
        del scope
        return {NAME: script_settings({"edits": [_edit(one) for one in rule.answers]})} if rule.answers else {}


def _edit(edit: AnswerEdit) -> dict[str, Any]:
    context = {
        "statuses": [{"first": first, "last": last} for first, last in edit.statuses],
        "status": edit.status,
        "headers": _headers(edit.headers, edit) if edit.headers else None,
        "body": None if edit.body is None else _content(edit.body),
        "before": _content(edit.before) if edit.before else None,
        "after": _content(edit.after) if edit.after else None,
        "replacements": [
            {"find": one.find, "value": one.value, "everywhere": one.everywhere} for one in edit.replacements
        ],
        "changes_body": edit.changes_body,
    }
    return {name: value for name, value in context.items() if value is not None and value != []}


def _headers(headers: HeaderEdit, edit: AnswerEdit) -> dict[str, Any]:
    return {
        "remove": list(headers.remove),
        "set": list(_changes(headers.set, edit)),
        "add": list(_changes(headers.add, edit)),
    }


def _changes(changes: Iterable[tuple[str, Value]], edit: AnswerEdit) -> Iterable[dict[str, str]]:
    for name, value in changes:
        if isinstance(value, Text):
            raise CannotBuild(edit.origin, f'the header "{name}" of an answer with a condition has to be a literal')
        yield {"name": name.lower(), "value": value}


def _content(content: bytes) -> str | dict[str, str]:
    """Write bytes in a way that a protobuf string can hold."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return {"hex": content.hex()}
