"""The request as routing sees it: after the connection manager has checked it and put its path in order."""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from anygate.explain.bodies import SeenBody
from anygate.explain.paths import normalize_path
from anygate.explain.request import Request
from anygate.model.edit import HeaderEdit
from anygate.model.inference_rows import RESERVED
from anygate.model.listener import HttpServer
from anygate.model.text import Text, Value, Variable

# What Envoy's HTTP/1 parser knows; any other word is answered with 400.
METHODS = frozenset(
    {
        "ACL",
        "BIND",
        "CHECKOUT",
        "CONNECT",
        "COPY",
        "DELETE",
        "GET",
        "HEAD",
        "LINK",
        "LOCK",
        "MERGE",
        "MKACTIVITY",
        "MKCALENDAR",
        "MKCOL",
        "MOVE",
        "MSEARCH",
        "NOTIFY",
        "OPTIONS",
        "PATCH",
        "POST",
        "PROPFIND",
        "PROPPATCH",
        "PURGE",
        "PUT",
        "REBIND",
        "REPORT",
        "SEARCH",
        "SOURCE",
        "SUBSCRIBE",
        "TRACE",
        "UNBIND",
        "UNLINK",
        "UNLOCK",
        "UNSUBSCRIBE",
    }
)

Headers = Mapping[str, tuple[str, ...]]


class SeenRequest(NamedTuple):
    """What conditions are asked of. Header names are lower case; `host` keeps the client's port.

    `sent` are the headers before any change that the server makes to all requests. `body` is there once the gateway has
    looked at it.
    """

    method: str
    scheme: str
    host: str
    path: str
    query: str | None
    headers: Headers
    sent: Headers
    body: SeenBody | None = None

    @property
    def domain(self) -> str:
        """The host by which a virtual host is chosen: lower case, without a port."""
        return strip_port(self.host).lower()

    @property
    def target(self) -> str:
        """The path with the query."""
        return self.path if self.query is None else f"{self.path}?{self.query}"


class Turned(NamedTuple):
    """An answer of the connection manager itself, before any route is asked."""

    status: int
    reason: str
    location: str = ""


def see_request(request: Request, server: HttpServer, reserved: tuple[str, ...] = ()) -> SeenRequest | Turned:
    """Return what routing sees of a request, or the answer that it never gets that far.

    Headers that begin with one of `reserved`, and those that only the gateway says, are not believed, and removed.
    """
    refusal = _refusal(request, server)
    if refusal:
        return Turned(400, refusal)
    path = normalize_path(request.path, server.escaped_slashes, server.merge_slashes)
    if path.refusal:
        return Turned(400, path.refusal)
    query = "" if request.query is None else f"?{request.query}"
    if path.redirect:
        return Turned(307, "the path has an escaped slash", path.path + query)
    brought = _group(request, server)
    sent = {**brought, **_overwritten(request, server)}
    early = server.early_request_headers
    kept = {name: values for name, values in sent.items() if not (name.startswith(reserved) or is_claim(name, server))}
    headers = edit_headers(kept, _fill_in(early, brought)) if early else kept
    return SeenRequest(
        method=request.method,
        scheme=request.scheme,
        host=strip_dot(request.authority),
        path=path.path,
        query=request.query,
        headers=headers,
        sent=sent,
    )


def is_claim(name: str, server: HttpServer) -> bool:
    """Whether only the gateway says something in a header, where it says who calls."""
    return bool(server.caller_headers) and (name in server.caller_headers or name.startswith(RESERVED))


def strip_dot(host: str) -> str:
    """Return a host without the dot that may end its name, before a port too."""
    name = strip_port(host)
    return name[:-1] + host[len(name) :] if name.endswith(".") else host


def strip_port(host: str) -> str:
    """Return a host without its port; what follows the last colon counts, outside of an IPv6 address."""
    at = host.rfind(":")
    return host if at == -1 or host.rfind("]") > at else host[:at]


def edit_headers(headers: Headers, edit: HeaderEdit) -> Headers:
    """Apply changes in the model's order: remove, set, add."""
    made = dict(headers)
    for name in edit.remove:
        made.pop(name.lower(), None)
    for name, value in edit.set:
        made[name.lower()] = (str(value),)
    for name, value in edit.add:
        made[name.lower()] = (*made.get(name.lower(), ()), str(value))
    return made


def _group(request: Request, server: HttpServer) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name, value in request.headers:
        lower = name.lower()
        if "_" in lower and server.underscores == "drop":
            continue
        found[lower] = (*found.get(lower, ()), value.strip(" \t"))
    found["host"] = found[":authority"] = (strip_dot(request.authority),)
    found[":method"] = (request.method,)
    found[":scheme"] = (request.scheme,)
    return found


def _overwritten(request: Request, server: HttpServer) -> dict[str, tuple[str, ...]]:
    """What takes the place of headers that clients are not believed, after the server's own changes."""
    believed = server.trusted_hops or server.trusted_cidrs or server.client_ip_header
    return {} if believed else {"x-forwarded-proto": (request.scheme,)}


def _fill_in(edit: HeaderEdit, brought: Headers) -> HeaderEdit:
    """An edit with those of its texts filled in that are made of headers as they came; what is empty is not set."""

    def fill(value: Value) -> Value:
        if not isinstance(value, Text) or any(one.kind != "header" for one in value.variables) or value.secrets:
            return value
        parts = (
            brought.get(one.name.lower(), ("",))[0] if isinstance(one, Variable) else str(one) for one in value.parts
        )
        return "".join(parts)

    filled = ((name, value, fill(value)) for name, value in edit.set)
    return msgspec.structs.replace(edit, set=tuple((name, made) for name, value, made in filled if made or not value))


def _refusal(request: Request, server: HttpServer) -> str:
    if request.method not in METHODS:
        return f"{request.method} is not a method that HTTP/1.1 servers know"
    if any(char in " /\\?#<>" or not "!" <= char <= "~" for char in request.authority):
        return "the host has a character that no host has"
    if request.query is not None and any(not "!" <= char <= "~" or char == "#" for char in request.query):
        return "the query has a character that must be percent-encoded"
    if server.underscores == "reject":
        for name, _ in request.headers:
            if "_" in name:
                return f"the header name {name} has an underscore"
    return ""
