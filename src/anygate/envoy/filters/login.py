"""What backends get to know of a login besides its headers: nothing of its cookies, and what the provider says."""

from collections.abc import Sequence
from typing import Any

from google.protobuf.message import Message

from anygate.envoy.filters.calls import call_settings
from anygate.envoy.filters.filter import NO_SCOPE, ChainEntry, Scope
from anygate.envoy.filters.oidc import cookie_names
from anygate.envoy.filters.script import json_script, script_entry, script_settings
from anygate.model.listener import Server
from anygate.model.route import HttpRule
from anygate.model.security import Security

NAME = "anygate/login"


class LoginFilter:
    """A script that leaves what it finds for the filter that tells it to backends (`caller.py`).

    Tried on Envoy 1.40: the login decrypts its cookies on the request, so that whoever comes after it, the backend too,
    reads the tokens there; the one with the refresh token it takes off.
    """

    def chain(self, server: Server, rules: Sequence[HttpRule]) -> list[ChainEntry]:
        """Return the entry where a login has anything to tell or to hide."""
        del server
        if not any(rule.security and _context(rule.security) for rule in rules):
            return []
        return [script_entry(NAME, json_script("provider_calls.lua", "login.lua"))]

    def route(self, rule: HttpRule, scope: Scope = NO_SCOPE) -> dict[str, Message]:
        """Return where the script finds what it looks for."""
        del scope
        context = _context(rule.security) if rule.security else {}
        return {NAME: script_settings(context)} if context else {}


def _context(security: Security) -> dict[str, Any]:
    oidc = security.oidc
    if oidc is None:
        return {}
    context: dict[str, Any] = {}
    if security.userinfo_header and oidc.userinfo_endpoint:
        context = call_settings(oidc.userinfo_endpoint, oidc.userinfo_backend, oidc.timeout, oidc.origin)
        context["key"] = oidc.userinfo_endpoint
    if oidc.hides_cookies:
        context["hides"] = True
    if context:
        names = cookie_names(oidc)
        context["cookies"] = {names["bearer_token"]: "token", names["id_token"]: "id_token"}
    return context
