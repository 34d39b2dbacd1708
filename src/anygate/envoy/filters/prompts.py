"""Prompts: templates and decorations by a script, guards by Envoy's RBAC over the texts that the script finds.

https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/lua_filter and rbac_filter
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from google.protobuf.message import Message

from anygate.envoy.api import build
from anygate.envoy.filters.filter import NO_SCOPE, ChainEntry, Scope
from anygate.envoy.filters.script import json_script, script_entry, script_settings
from anygate.envoy.filters.usage import counts_plain_answers
from anygate.envoy.names import PROMPTS
from anygate.envoy.regex import checked_regex
from anygate.envoy.upstream.lua import SPLICING
from anygate.model.listener import Server
from anygate.model.prompts import PromptDecoration, PromptGuard, PromptMessage, PromptPart, Prompts, refusals_of
from anygate.model.route import HttpRule

NAME = "anygate/prompts"
GUARD_NAME = "anygate/prompts/guard"
_RBAC = "envoy.extensions.filters.http.rbac.v3"
_SYSTEM = "system"


class PromptsFilter:
    """Two entries: a script that reads and changes bodies, and the guards.

    Lua has no regular expressions, and Envoy's matchers do not reach into lists of messages. So the script puts what
    each guard has to look at into the dynamic metadata, where RBAC looks for RE2. A guard whose text is not there
    refuses: Envoy lets a request pass when a script fails.

    Tried on Envoy 1.40: a matcher takes a text of any length, and `setBytes` corrects the length that the backend sees.
    """

    def chain(self, server: Server, rules: Sequence[HttpRule]) -> list[ChainEntry]:
        """Return the script where a rule has to do with prompts, or asks plain backends for the usage of streams.

        The guards stand in every chain of a gateway whose rules may have some (see `HttpFilter.chain`).
        """
        found = []
        if any(rule.prompts or counts_plain_answers(rule) for rule in rules):
            found.append(script_entry(NAME, json_script(SPLICING, "prompts.lua", NAMESPACE=PROMPTS)))
        if server.http.caller_headers or any(rule.prompts and rule.prompts.guards for rule in rules):
            found.append(ChainEntry(GUARD_NAME, build(f"{_RBAC}.RBAC"), True, True))
        return found

    def route(self, rule: HttpRule, scope: Scope = NO_SCOPE) -> dict[str, Message]:
        """Return what becomes of the rule's prompts."""
        del scope
        prompts, usage = rule.prompts, counts_plain_answers(rule)
        if prompts is None and not usage:
            return {}
        context = {**(_context(prompts) if prompts else {}), **({"usage": True} if usage else {})}
        found = {NAME: script_settings(context)}
        if prompts is not None and prompts.guards:
            found[GUARD_NAME] = build(f"{_RBAC}.RBACPerRoute", rbac={"rules": _guards(prompts.guards)})
        return found


def _context(prompts: Prompts) -> dict[str, Any]:
    return {
        "templates": [{"name": one.name, "parts": [_part(part) for part in one.parts]} for one in prompts.templates],
        "guards": [{"all_roles": one.all_roles, "whole_history": one.whole_history} for one in prompts.guards],
        "decorations": [_decoration(one) for one in prompts.decorations],
    }


def _part(part: PromptPart) -> dict[str, Any]:
    return {"path": list(part.path)} if part.path else {"text": part.text}


def _decoration(decoration: PromptDecoration) -> dict[str, Any]:
    """Both sides as JSON without brackets; `beside` is the same for an API that has no messages of the system."""
    others = tuple(one for one in decoration.prepend if one.role != _SYSTEM)
    after = tuple(one for one in decoration.append if one.role != _SYSTEM)
    system = [one.content for one in (*decoration.prepend, *decoration.append) if one.role == _SYSTEM]
    beside = {**_sides(others, after), **({"system": json.dumps("\n\n".join(system))[1:-1]} if system else {})}
    return {**_sides(decoration.prepend, decoration.append), "beside": beside}


def _sides(before: Iterable[PromptMessage], after: Iterable[PromptMessage]) -> dict[str, str]:
    sides = {"prepend": _write(before), "append": _write(after)}
    return {name: text for name, text in sides.items() if text}


def _write(messages: Iterable[PromptMessage]) -> str:
    return ",".join(json.dumps({"role": one.role, "content": one.content}) for one in messages)


def _guards(guards: Sequence[PromptGuard]) -> dict[str, Any]:
    """Tried on Envoy 1.40: policies are asked in the order of their names."""
    policies: dict[str, Any] = {}
    for number, guard in enumerate(guards):
        names = refusals_of(number)
        policies[names.unread] = _policy([{"not_rule": _text(number, {"present_match": True})}])
        if guard.allow:
            found = [_found(number, pattern, guard) for pattern in guard.allow]
            policies[names.not_allowed] = _policy([{"not_rule": {"or_rules": {"rules": found}}}])
        if guard.deny:
            policies[names.denied] = _policy([_found(number, pattern, guard) for pattern in guard.deny])
    return {"action": "DENY", "policies": policies}


def _policy(permissions: list[Mapping[str, Any]]) -> dict[str, Any]:
    return {"permissions": permissions, "principals": [{"any": True}]}


def _found(number: int, pattern: str, guard: PromptGuard) -> dict[str, Any]:
    """Whether a pattern is found anywhere: Envoy's matchers want the whole text matched."""
    searched = f"(?s:.*)(?:{checked_regex(pattern, guard.origin)})(?s:.*)"
    return _text(number, {"string_match": {"safe_regex": {"regex": searched}}})


def _text(number: int, value: Mapping[str, Any]) -> dict[str, Any]:
    return {"metadata": {"filter": PROMPTS, "path": [{"key": str(number)}], "value": value}}
