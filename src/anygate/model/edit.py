"""Changes made to a request or an answer on its way."""

from typing import Literal

from anygate.model.origin import Node, Origin
from anygate.model.text import Text, Value


class HeaderEdit(Node, frozen=True):
    """Header changes, applied in the order remove, set, add. Names compare without case."""

    set: tuple[tuple[str, Value], ...] = ()
    add: tuple[tuple[str, Value], ...] = ()
    remove: tuple[str, ...] = ()


class PathRewrite(Node, frozen=True):
    """A new path. `full` replaces the path and keeps the query; `prefix` replaces the matched prefix;
    `regex` replaces every match of `pattern` by `value` with `\\1`-style groups; `text` is `full` by a text."""

    kind: Literal["full", "prefix", "regex", "text"]
    value: str
    pattern: str = ""
    text: Text | None = None


class Rewrite(Node, frozen=True):
    """What the backend sees instead of the client's host and path.

    `host` is a literal; `host_header` names a request header to take it from; `host_from_backend` uses the
    name of the endpoint chosen. `query` stands before the request's own.
    """

    host: str = ""
    host_header: str = ""
    host_from_backend: bool = False
    path: PathRewrite | None = None
    method: str = ""
    query: str = ""


class Redirect(Node, frozen=True):
    """An answer that sends the client elsewhere; empty fields keep what the request had. Port 0 keeps the port
    unless `scheme` is given, whose well-known port then holds; with `keep_host` host and port stay as the client wrote
    them. With `drop_query` the request's query is not kept."""

    origin: Origin
    scheme: str = ""
    host: str = ""
    port: int = 0
    path: PathRewrite | None = None
    status: int = 302
    drop_query: bool = False
    keep_host: bool = False


class Respond(Node, frozen=True):
    """A fixed answer, or one whose body is a `text`.

    `reason` tells people why when the answer stands for a fault in the configuration.
    """

    origin: Origin
    status: int
    body: str = ""
    content_type: str = ""
    reason: str = ""
    text: Text | None = None
