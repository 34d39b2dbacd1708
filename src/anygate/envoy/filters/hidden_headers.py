"""Headers with secrets in their values, on requests and on answers."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import msgspec
from google.protobuf.message import Message

from anygate.envoy.api import build, serialise
from anygate.envoy.edits import build_mutations, secrets_of, split_edit
from anygate.envoy.filters.filter import NO_SCOPE, ChainEntry, Scope, enable, label, only
from anygate.envoy.filters.secrets import build_formatters
from anygate.model.listener import Server
from anygate.model.origin import Origin
from anygate.model.route import HttpRule

NAME = "anygate/hidden_headers"
_DIGITS = 12


class HiddenHeadersFilter:
    """One entry for each set of changes, off by default. Routes make all other header changes by themselves.

    The changes could stand on the route as well, but new routes do not wait for their secrets, and a listener does.
    https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/header_mutation_filter
    """

    def chain(self, server: Server, rules: Sequence[HttpRule]) -> list[ChainEntry]:
        """Return an entry for each rule that has such a header."""
        del server
        entries = ((rule.origin, _build_entry(rule)) for rule in rules)
        return only([(origin, entry) for origin, entry in entries if entry is not None])

    def route(self, rule: HttpRule, scope: Scope = NO_SCOPE) -> dict[str, Message]:
        """Turn the rule's changes on."""
        del scope
        entry = _build_entry(rule)
        return {entry.name: enable()} if entry else {}


def without_hidden(rule: HttpRule) -> HttpRule:
    """The rule with those header changes only that its routes can show."""
    request, response = split_edit(rule.request_headers), split_edit(rule.response_headers)
    if not (request.hidden or response.hidden):
        return rule
    return msgspec.structs.replace(rule, request_headers=request.shown, response_headers=response.shown)


def _build_entry(rule: HttpRule) -> ChainEntry | None:
    """Build the entry; rules of one place may differ, so what it does is part of its name."""
    edits = (split_edit(rule.request_headers).hidden, split_edit(rule.response_headers).hidden)
    if not any(edits):
        return None
    request, response = edits
    secrets = (name for edit in edits for name in secrets_of(edit))
    mutations: dict[str, Any] = {
        # What a client says must not pass for our secret, should that be lost.
        "request_mutations": build_mutations(request, rule.origin, replaces=True) if request else [],
        "response_mutations": build_mutations(response, rule.origin) if response else [],
        "formatters": build_formatters(secrets),
    }
    config = build("envoy.extensions.filters.http.header_mutation.v3.HeaderMutation", mutations=mutations)
    return ChainEntry(_name(rule.origin, serialise(config)), config, disabled=True)


def _name(origin: Origin, content: bytes) -> str:
    return f"{NAME}/{label(origin)}/{sha256(content).hexdigest()[:_DIGITS]}"
