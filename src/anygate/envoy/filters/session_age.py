"""How long sessions last where Envoy's own switch is not enough."""

from collections.abc import Sequence

from google.protobuf.message import Message

from anygate.envoy.filters.filter import NO_SCOPE, ChainEntry, Scope
from anygate.envoy.filters.script import plain_script, script_entry, script_settings
from anygate.envoy.filters.session import ages_by_script, list_attributes
from anygate.model.listener import Server
from anygate.model.route import HttpRule

NAME = "anygate/session_age"


class SessionAgeFilter:
    """An entry that ends sessions by silence, or by age without telling the client when.

    Envoy ends a session of a cookie by its age, and then the cookie says so too; it never renews it, and has no end for
    a session of a header. So what a client carries has two times more, which a script puts there and takes off.
    """

    def chain(self, server: Server, rules: Sequence[HttpRule]) -> list[ChainEntry]:
        """Return the entry where a session ends in a way that Envoy does not know."""
        del server
        if not any(rule.session and ages_by_script(rule.session) for rule in rules):
            return []
        return [script_entry(NAME, plain_script("session_age.lua"))]

    def route(self, rule: HttpRule, scope: Scope = NO_SCOPE) -> dict[str, Message]:
        """Return the session's name and its times in seconds."""
        session = rule.session
        if session is None or not ages_by_script(session):
            return {}
        secure = scope.server is not None and scope.server.protocol == "https"
        context: dict[str, object] = {"name": session.name.lower(), "kind": session.kind}
        if session.kind == "cookie":
            context |= {
                "name": session.name,
                "permanent": session.permanent,
                "attributes": "; ".join((f"Path={session.path}", *list_attributes(secure=secure), "HttpOnly")),
            }
        for key, span in (("idle", session.idle_timeout), ("absolute", session.absolute_timeout)):
            if span is not None:
                context[key] = span.total_seconds()
        return {NAME: script_settings(context)}
