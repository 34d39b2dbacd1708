"""Headers that let browsers read answers, on every answer."""

from collections.abc import Iterator, Sequence
from typing import Any

from google.protobuf.message import Message

from anygate.envoy.api import build
from anygate.envoy.cel_grammar import quote
from anygate.envoy.filters.filter import NO_SCOPE, ChainEntry, Scope
from anygate.envoy.regex import checked_regex
from anygate.envoy.texts import literal
from anygate.model.listener import Server
from anygate.model.route import HttpRule
from anygate.model.security import CorsHeaders

NAME = "anygate/cors-headers"
_MUTATION = "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation"
_ORIGIN = "request.headers['origin']"
_METHODS = "GET,POST,PUT,DELETE,PATCH,HEAD,OPTIONS,CONNECT,TRACE"
_ANY, _ECHO = "*", "**"


class CorsHeadersFilter:
    """One entry, with the headers on each route.

    Envoy's own filter for CORS leaves answers alone to requests that do not name an origin, and tells the methods, the
    headers and the age to preflights only.
    """

    def chain(self, server: Server, rules: Sequence[HttpRule]) -> list[ChainEntry]:
        """Return the entry where a rule has such headers."""
        del server
        if not any(rule.cors_headers for rule in rules):
            return []
        return [ChainEntry(NAME, build(_MUTATION), disabled=True, inert=True)]

    def route(self, rule: HttpRule, scope: Scope = NO_SCOPE) -> dict[str, Message]:
        """Return what is set on answers."""
        del scope
        if rule.cors_headers is None:
            return {}
        changes = [*_headers(rule.cors_headers)]
        handover = rule.security.handover if rule.security else None
        if handover is not None:
            changes = [_unless(handover.mark, change) for change in changes]
        return {NAME: build(f"{_MUTATION}PerRoute", mutations={"response_mutations": changes})}


def _headers(cors: CorsHeaders) -> Iterator[dict[str, Any]]:
    allowed = _allowed(cors, cors.allow_origins, cors.patterns)
    value = _ANY if allowed == "" else f"%CEL({allowed} ? {_ORIGIN} : '')%"
    if _ECHO in cors.allow_origins and not cors.patterns:
        yield _set("access-control-allow-origin", _ANY)
        value = "%REQ(origin)%"
    yield _set("access-control-allow-origin", value)
    if allowed or _ECHO in cors.allow_origins:
        yield _set("vary", "Origin", "APPEND_IF_EXISTS_OR_ADD")
    methods = _METHODS if cors.allow_methods == _ECHO else cors.allow_methods
    yield from _set_where(allowed, "access-control-allow-methods", methods)
    yield from _set_where(allowed, "access-control-max-age", str(cors.max_age))
    yield from _set_where(allowed, "access-control-expose-headers", cors.expose_headers)
    if cors.allow_headers == _ECHO:
        asked = "request.headers['access-control-request-headers']"
        value = f"%CEL({allowed} ? {asked} : '')%" if allowed else "%REQ(access-control-request-headers)%"
        yield _set("access-control-allow-headers", value)
    else:
        yield from _set_where(allowed, "access-control-allow-headers", cors.allow_headers)
    if cors.allow_credentials:
        yield from _set_where(allowed, "access-control-allow-credentials", "true")
    yield from _timing(cors)


def _timing(cors: CorsHeaders) -> Iterator[dict[str, Any]]:
    if not (cors.timing_origins or cors.timing_patterns):
        return
    allowed = _allowed(cors, cors.timing_origins, cors.timing_patterns)
    if allowed:
        yield _set("timing-allow-origin", f"%CEL({allowed} ? {_ORIGIN} : '')%")
    else:
        yield _set("timing-allow-origin", _ANY)
        if _ECHO in cors.timing_origins:
            yield _set("timing-allow-origin", "%REQ(origin)%")


def _allowed(cors: CorsHeaders, origins: Sequence[str], patterns: Sequence[str]) -> str:
    """The condition on the origin of a request, as Envoy's CEL; empty when there is none."""
    if patterns:
        pattern = "|".join(checked_regex(one, cors.origin) for one in patterns)
        return f"'origin' in request.headers && {_ORIGIN}.matches({quote(pattern)})"
    if _ANY in origins or _ECHO in origins:
        return ""
    known = ", ".join(quote(one) for one in origins)
    return f"'origin' in request.headers && {_ORIGIN} in [{known}]"


def _unless(mark: str, change: dict[str, Any]) -> dict[str, Any]:
    """The change for answers to requests that no other rule has answered.

    Tried on Envoy 1.40: this filter keeps to the route that a request has met first.
    """
    header = change["append"]["header"]
    value = header["value"]
    if value.startswith("%CEL("):
        found = value.removeprefix("%CEL(").removesuffix(")%")
    elif value.startswith("%REQ("):
        name = quote(value.removeprefix("%REQ(").removesuffix(")%"))
        found = f"{name} in request.headers ? request.headers[{name}] : ''"
    else:
        found = quote(value.replace("%%", "%"))
    value = f"%CEL({quote(mark)} in request.headers ? '' : ({found}))%"
    return {"append": {**change["append"], "header": {**header, "value": value}}}


def _set_where(allowed: str, name: str, value: str) -> Iterator[dict[str, Any]]:
    if value:
        yield _set(name, f"%CEL({allowed} ? {quote(value)} : '')%" if allowed else literal(value))


def _set(name: str, value: str, action: str = "OVERWRITE_IF_EXISTS_OR_ADD") -> dict[str, Any]:
    return {"append": {"header": {"key": name, "value": value}, "append_action": action}}
