"""What leaves the gateway: the request that a backend receives, and the address a redirect names."""

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from types import MappingProxyType
from typing import NamedTuple

from anygate.explain.answer import HeaderChange, Upstream
from anygate.explain.regexes import compile_re2, replace_all
from anygate.explain.request import DEFAULT_PORTS
from anygate.explain.seen import Headers, SeenRequest, edit_headers, strip_port
from anygate.model.backend import Backend, Endpoint
from anygate.model.edit import HeaderEdit, PathRewrite, Redirect, Rewrite
from anygate.model.match import PathMatch

UNKNOWN = "?"
"""Stands for a path that cannot be worked out here."""


class Way(NamedTuple):
    """How the request came in: the listener's port as written, and the ports that are bound elsewhere."""

    port: int
    moved: Mapping[int, int] = MappingProxyType({})

    def visible(self, port: int) -> int:
        """The port at which a client finds what the manifests call `port`."""
        return self.moved.get(port, port)


def build_upstream(
    seen: SeenRequest,
    path: PathMatch | None,
    rewrite: Rewrite | None,
    edits: Sequence[HeaderEdit | None],
    backend: Backend | None = None,
) -> Upstream:
    """Return the request after a rewrite and header edits, applied in their order."""
    headers = seen.headers
    for edit in edits:
        if edit:
            headers = edit_headers(headers, edit)
    new_path = seen.path if not (rewrite and rewrite.path) else rewrite_path(rewrite.path, path, seen.path)
    query = "" if seen.query is None else f"?{seen.query}"
    if rewrite and rewrite.query:
        query = f"?{rewrite.query}" + query.replace("?", "&", 1)
    return Upstream(
        method=(rewrite.method if rewrite else "") or seen.method,
        path=new_path + query,
        host=_host(seen, headers, rewrite, backend),
        headers=_changes(seen.sent, headers),
    )


def rewrite_path(rewrite: PathRewrite, match: PathMatch | None, path: str) -> str:
    """Return the path (without query) after a rewrite; `match` is the condition whose prefix is replaced."""
    if rewrite.kind in ("full", "text"):
        return rewrite.value
    if rewrite.kind == "regex":
        pattern = compile_re2(rewrite.pattern)
        made = None if pattern is None else replace_all(pattern, rewrite.value, path)
        return UNKNOWN if made is None else made
    if match is not None and match.kind != "prefix":
        rest = path[len(match.value) :] if match.kind == "string_prefix" else ""
        return (rewrite.value or "/") + rest
    stem = match.value.rstrip("/") if match else ""
    return rewrite.value.rstrip("/") + path[len(stem) :] or "/"


def build_location(redirect: Redirect, match: PathMatch | None, seen: SeenRequest, way: Way) -> str:
    """Return the `Location` of a redirect, with the port that Gateway API asks for.

    Envoy keeps a port that the client named where it would have to be replaced by none.
    """
    scheme = redirect.scheme or seen.scheme
    port = redirect.port or DEFAULT_PORTS.get(redirect.scheme, way.port)
    if not redirect.host:
        port = way.visible(port)
    asked = strip_port(seen.host)
    if redirect.keep_host:
        host = seen.host
    elif port != DEFAULT_PORTS.get(scheme):
        host = f"{redirect.host or asked}:{port}"
    elif redirect.host:
        host = redirect.host
    elif asked != seen.host and (redirect.scheme or redirect.port):
        host = f"{asked}:{port}"
    else:
        host = seen.host
    path = rewrite_path(redirect.path, match, seen.path) if redirect.path else seen.path
    query = "" if seen.query is None or redirect.drop_query else f"?{seen.query}"
    return f"{scheme}://{host}{path}{query}"


def _host(seen: SeenRequest, headers: Headers, rewrite: Rewrite | None, backend: Backend | None) -> str:
    if rewrite is None:
        return seen.host
    if rewrite.host:
        return rewrite.host
    if rewrite.host_header:
        return next(iter(headers.get(rewrite.host_header.lower(), ())), "") or seen.host
    if rewrite.host_from_backend:
        names = {_name(end) for group in backend.groups for end in group.endpoints} if backend else set()
        return (names.pop() or seen.host) if len(names) == 1 else ""
    return seen.host


def _name(endpoint: Endpoint) -> str:
    """The name that an endpoint has; a bare address has none, and Envoy then keeps the request's host."""
    try:
        ip_address(endpoint.host)
    except ValueError:
        return endpoint.hostname or endpoint.host
    return endpoint.hostname


def _changes(before: Headers, after: Headers) -> tuple[HeaderChange, ...]:
    """Compare header by header, in the order in which they come to be seen."""
    found: list[HeaderChange] = []
    for name, values in after.items():
        old = before.get(name, ())
        if values == old:
            continue
        if old and values[: len(old)] == old:
            found += [HeaderChange(change="add", name=name, value=value) for value in values[len(old) :]]
        else:
            found.append(HeaderChange(change="set", name=name, value=values[0]))
            found += [HeaderChange(change="add", name=name, value=value) for value in values[1:]]
    found += [HeaderChange(change="remove", name=name) for name in before if name not in after]
    return tuple(found)
