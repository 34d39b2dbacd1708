"""Ids of requests, for backends and for those who ask."""

from collections.abc import Sequence

from google.protobuf.message import Message

from anygate.envoy.api import build
from anygate.envoy.filters.filter import NO_SCOPE, ChainEntry, Scope
from anygate.envoy.filters.script import plain_script, script_entry, script_settings
from anygate.envoy.texts import render_text
from anygate.model.listener import Server
from anygate.model.request_id import RequestId
from anygate.model.route import HttpRule
from anygate.model.text import Kind, Text, Variable

NAME = "anygate/request_id"
MADE = f"{NAME}/made"
_MUTATION = "envoy.extensions.filters.http.header_mutation.v3"


class RequestIdFilter:
    """One entry that puts a UUID of Envoy's on requests and any id on answers, and a script for ids of other forms.

    What clients bring stays. Envoy's own `x-request-id` is a matter of the server, not of a route.
    """

    def chain(self, server: Server, rules: Sequence[HttpRule]) -> list[ChainEntry]:
        """Return the entries that some rule needs."""
        del server
        wanted = [rule.request_id for rule in rules if rule.request_id]
        made = [script_entry(MADE, plain_script("request_id.lua"))] if any(one.form != "uuid" for one in wanted) else []
        plain = ChainEntry(NAME, build(f"{_MUTATION}.HeaderMutation"), disabled=True, inert=True)
        return [*made, plain] if wanted else []

    def route(self, rule: HttpRule, scope: Scope = NO_SCOPE) -> dict[str, Message]:
        """Return the route's header and the form of its ids."""
        del scope
        wanted = rule.request_id
        if wanted is None:
            return {}
        asked = [_set_absent(wanted, "unique_id")] if wanted.form == "uuid" else []
        told = [_set_absent(wanted, "header", wanted.header)] if wanted.in_response else []
        mutations = {"request_mutations": asked, "response_mutations": told}
        found: dict[str, Message] = {NAME: build(f"{_MUTATION}.HeaderMutationPerRoute", mutations=mutations)}
        if wanted.form != "uuid":
            context = {"header": wanted.header.lower(), "form": wanted.form}
            found[MADE] = script_settings({**context, "letters": wanted.letters, "length": wanted.length or None})
        return found


def _set_absent(wanted: RequestId, kind: Kind, name: str = "") -> dict[str, object]:
    value = render_text(Text(parts=(Variable(kind=kind, name=name),)))
    return {"append": {"header": {"key": wanted.header, "value": value}, "append_action": "ADD_IF_ABSENT"}}
