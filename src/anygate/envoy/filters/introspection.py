"""Tokens that are looked up at the provider that has issued them (RFC 7662)."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from google.protobuf.message import Message

from anygate.envoy.api import build
from anygate.envoy.filters.calls import call_settings
from anygate.envoy.filters.filter import NO_SCOPE, ChainEntry, Scope, enable, label, only
from anygate.envoy.filters.script import json_script, script_entry, script_settings
from anygate.envoy.filters.secrets import build_formatters
from anygate.envoy.refusal import CannotBuild
from anygate.model.listener import Server
from anygate.model.route import HttpRule
from anygate.model.security import Introspection
from anygate.model.wording import Cause, Wording

NAME = "anygate/introspection"
_CREDENTIAL = "x-anygate-introspection"
"""Where the script finds by what the provider knows us; it takes it off before anything else sees it."""

_WORDS: Mapping[Cause, Wording] = MappingProxyType(
    {
        "token_missing": Wording(cause="token_missing", body="", status=401, challenge="Bearer"),
        "token_wrong": Wording(cause="token_wrong", body="", status=401, challenge='Bearer error="invalid_token"'),
        "scope_missing": Wording(
            cause="scope_missing", body="", status=403, challenge='Bearer error="insufficient_scope"'
        ),
        "audience_wrong": Wording(cause="audience_wrong", body="", status=403),
    }
)
"""How refusals read that a rule has no words for (RFC 6750, section 3)."""


class IntrospectionFilter:
    """A script, and before it an entry for each credential, off by default, that hands it to the script.

    Tried on Envoy 1.40: a script cannot read secrets, but a header can have one as its value, and no dump of Envoy's
    shows it. The entries stand in the chain and not on routes, since only a new listener waits for its secrets.
    """

    def chain(self, server: Server, rules: Sequence[HttpRule]) -> list[ChainEntry]:
        """Return the entries where a rule looks up tokens; a chain without them refuses such a rule (`jwt.py`)."""
        del server
        found = list(_lookups(rules))
        if not found:
            return []
        credentials = only([(one.origin, _credential_entry(one)) for one in found])
        return [*credentials, script_entry(NAME, json_script("provider_calls.lua", "introspection.lua"))]

    def route(self, rule: HttpRule, scope: Scope = NO_SCOPE) -> dict[str, Message]:
        """Return how tokens are looked up, and how the route refuses those that are not good."""
        lookup = rule.security.introspection if rule.security else None
        if lookup is None:
            return {}
        if scope.server and not scope.server.http.caller_headers:
            raise CannotBuild(lookup.origin, f"clients could send {_CREDENTIAL} themselves")
        context: dict[str, Any] = {
            **call_settings(lookup.endpoint, lookup.backend, lookup.timeout, lookup.origin),
            "key": f"{lookup.endpoint} {lookup.credential}",
            "in_body": lookup.in_body or None,
            "headers": [name.lower() for name in lookup.headers],
            "expiry_claim": lookup.expiry_claim,
            "longest": lookup.longest.total_seconds() if lookup.longest else None,
            "scopes": list(lookup.scopes),
            "audience": lookup.audience,
            "audience_claim": lookup.audience_claim,
            "audience_required": lookup.audience_required or None,
            "userinfo": bool(rule.security and rule.security.userinfo_header) or None,
            **{cause: _describe(_find_words(rule, cause)) for cause in _WORDS},
        }
        return {_credential_name(lookup): enable(), NAME: script_settings(context)}


def _lookups(rules: Sequence[HttpRule]) -> Iterator[Introspection]:
    for rule in rules:
        if rule.security and rule.security.introspection:
            yield rule.security.introspection


def _credential_entry(lookup: Introspection) -> ChainEntry:
    value = {"header": {"key": _CREDENTIAL, "value": "%SECRET(" + lookup.credential + ")%"}}
    config = build(
        "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
        mutations={
            "request_mutations": [{"append": {**value, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}}],
            "formatters": build_formatters([lookup.credential]),
        },
    )
    return ChainEntry(_credential_name(lookup), config, disabled=True)


def _credential_name(lookup: Introspection) -> str:
    return f"{NAME}/{label(lookup.origin)}"


def _find_words(rule: HttpRule, cause: Cause) -> Wording:
    return next((one for one in rule.wordings if one.cause == cause), _WORDS[cause])


def _describe(words: Wording) -> dict[str, str]:
    return {
        "status": str(words.status or _WORDS[words.cause].status),
        "content_type": words.content_type,
        "challenge": words.challenge,
        "body": words.body,
    }
