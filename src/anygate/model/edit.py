"""Changes made to a request or an answer on its way."""

from typing import Literal

from anygate.model.origin import Node, Origin


class HeaderEdit(Node, frozen=True):
    """Header changes, applied in the order remove, set, add. Names compare without case."""

    set: tuple[tuple[str, str], ...] = ()
    add: tuple[tuple[str, str], ...] = ()
    remove: tuple[str, ...] = ()


class PathRewrite(Node, frozen=True):
    """A new path. `full` replaces the path and keeps the query; `prefix` replaces the matched prefix;
    `regex` replaces every match of `pattern` by `value` with `\\1`-style groups."""

    kind: Literal["full", "prefix", "regex"]
    value: str
    pattern: str = ""


class Rewrite(Node, frozen=True):
    """What the backend sees instead of the client's host and path.

    `host` is a literal; `host_header` names a request header to take it from; `host_from_backend` uses the
    name of the endpoint chosen.
    """

    host: str = ""
    host_header: str = ""
    host_from_backend: bool = False
    path: PathRewrite | None = None


class Redirect(Node, frozen=True):
    """An answer that sends the client elsewhere; empty fields keep what the request had. Port 0 keeps the port
    unless `scheme` is given, whose well-known port then holds."""

    origin: Origin
    scheme: str = ""
    host: str = ""
    port: int = 0
    path: PathRewrite | None = None
    status: int = 302


class Respond(Node, frozen=True):
    """A fixed answer. `reason` tells people why when the answer stands for a fault in the configuration."""

    origin: Origin
    status: int
    body: str = ""
    content_type: str = ""
    reason: str = ""
