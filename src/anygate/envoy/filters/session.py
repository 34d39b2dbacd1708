"""Sessions: a client stays on the endpoint that served it first."""

from collections.abc import Sequence
from typing import Any

from google.protobuf.message import Message

from anygate.envoy.api import build, typed
from anygate.envoy.filters.filter import NO_SCOPE, ChainEntry, Scope
from anygate.model.listener import Server
from anygate.model.route import HttpRule, Session

NAME = "envoy.filters.http.stateful_session"
SESSION = "envoy.extensions.filters.http.stateful_session.v3.StatefulSession"


class SessionFilter:
    """One entry, with the cookie or header on each route.

    https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/stateful_session_filter
    """

    def chain(self, server: Server, rules: Sequence[HttpRule]) -> list[ChainEntry]:
        """Return the entry where a rule keeps sessions."""
        del server
        if not any(rule.session for rule in rules):
            return []
        return [ChainEntry(NAME, build(SESSION), disabled=True, inert=True)]

    def route(self, rule: HttpRule, scope: Scope = NO_SCOPE) -> dict[str, Message]:
        """Return the route's cookie or header."""
        if not rule.session:
            return {}
        secure = scope.server is not None and scope.server.protocol == "https"
        return {NAME: build_session(rule.session, secure=secure)}


def build_session(session: Session, *, secure: bool) -> Any:
    """Return the `StatefulSessionPerRoute`. A lost endpoint is replaced; `strict` would answer 503."""
    state = _header(session) if session.kind == "header" else _cookie(session, secure)
    return build(
        "envoy.extensions.filters.http.stateful_session.v3.StatefulSessionPerRoute",
        stateful_session={"session_state": state},
    )


def _header(session: Session) -> dict[str, Any]:
    state = typed("envoy.extensions.http.stateful_session.header.v3.HeaderBasedSessionState", name=session.name)
    return {"name": "envoy.http.stateful_session.header", "typed_config": state}


def _cookie(session: Session, secure: bool) -> dict[str, Any]:
    """Envoy itself adds HttpOnly; naming it again would send it twice.

    The ttl is both the Max-Age and an expiry inside the value, which Envoy checks even if the client keeps the cookie.
    """
    attributes = [dict(zip(("name", "value"), one.split("="), strict=False)) for one in list_attributes(secure=secure)]
    state = typed(
        "envoy.extensions.http.stateful_session.cookie.v3.CookieBasedSessionState",
        cookie={
            "name": session.name,
            "path": session.path,
            "ttl": None if ages_by_script(session) else session.absolute_timeout,
            "attributes": attributes,
        },
    )
    return {"name": "envoy.http.stateful_session.cookie", "typed_config": state}


def list_attributes(*, secure: bool) -> list[str]:
    """The attributes of a session's cookie. SameSite=Lax and not Strict, which loses it on links from other sites."""
    return ["SameSite=Lax", "Secure"] if secure else ["SameSite=Lax"]


def ages_by_script(session: Session) -> bool:
    """Whether Envoy alone cannot end a session as it is meant to end."""
    if session.idle_timeout is not None:
        return True
    return session.absolute_timeout is not None and not (session.kind == "cookie" and session.permanent)
