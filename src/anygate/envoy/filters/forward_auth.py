"""A service that is asked by a request of its own whether a request may pass."""

from collections.abc import Iterator, Sequence
from typing import Any

from google.protobuf.message import Message

from anygate.envoy.api import build
from anygate.envoy.edits import build_mutations, secrets_of
from anygate.envoy.filters.calls import call_settings
from anygate.envoy.filters.filter import NO_SCOPE, ChainEntry, Scope, enable, label, only
from anygate.envoy.filters.script import plain_script, script_entry, script_settings
from anygate.envoy.filters.secrets import build_formatters
from anygate.model.edit import HeaderEdit
from anygate.model.listener import Server
from anygate.model.route import HttpRule
from anygate.model.security import ForwardAuth

NAME = "anygate/forward_auth"
_TOLD = "x-anygate-told-"
"""Where the script finds what it tells the service; it takes that off before anything else sees it."""


class ForwardAuthFilter:
    """A script, and before it an entry for each service, off by default, that hands over the texts to be told.

    Tried on Envoy 1.40: external authorization asks with the method of the request itself, shows no answer from 500 on
    to clients, and lets such requests pass where it should when nobody answers. A script cannot format texts.
    """

    def chain(self, server: Server, rules: Sequence[HttpRule]) -> list[ChainEntry]:
        """Return the entries where a rule asks a service; a chain without them refuses such a rule (`jwt.py`)."""
        del server
        found = list(_asked(rules))
        if not found:
            return []
        return [
            *only([(one.origin, _telling_entry(one)) for one in found]),
            script_entry(NAME, plain_script("forward_auth.lua")),
        ]

    def route(self, rule: HttpRule, scope: Scope = NO_SCOPE) -> dict[str, Message]:
        """Return whom to ask, and how."""
        del scope
        auth = rule.security.forward_auth if rule.security else None
        if auth is None:
            return {}
        context = {
            **call_settings(auth.url, auth.backend, auth.timeout, auth.origin),
            "method": auth.method,
            "told": [name.lower() for name, _ in auth.told],
            "host_header": auth.host_header.lower(),
            "headers": [name.lower() for name in auth.headers],
            "to_backend": [name.lower() for name in auth.headers_to_backend],
            "to_client": [name.lower() for name in auth.headers_to_client],
            "fail_open": auth.fail_open or None,
            "status": str(auth.failure.status),
            "content_type": auth.failure.content_type,
            "body": auth.failure.body,
        }
        return {_entry_name(auth): enable(), NAME: script_settings(context)}


def _asked(rules: Sequence[HttpRule]) -> Iterator[ForwardAuth]:
    for rule in rules:
        if rule.security and rule.security.forward_auth:
            yield rule.security.forward_auth


def _telling_entry(auth: ForwardAuth) -> ChainEntry:
    told = HeaderEdit(
        # What is empty for a request is not set at all, and a client must not say it instead.
        remove=tuple(f"{_TOLD}{at}" for at in range(len(auth.told))),
        set=tuple((f"{_TOLD}{at}", value) for at, (_, value) in enumerate(auth.told)),
    )
    mutations: dict[str, Any] = {
        "request_mutations": build_mutations(told, auth.origin),
        "formatters": build_formatters(secrets_of(told)),
    }
    config = build("envoy.extensions.filters.http.header_mutation.v3.HeaderMutation", mutations=mutations)
    return ChainEntry(_entry_name(auth), config, disabled=True)


def _entry_name(auth: ForwardAuth) -> str:
    return f"{NAME}/{label(auth.origin)}"
