"""Conditions on an HTTP request."""

from typing import Literal

from anygate.model.origin import Node, Origin


class PathMatch(Node, frozen=True):
    """A condition on the path without its query.

    `prefix` matches whole path elements: `/a` matches `/a` and `/a/b`, not `/ab`. A trailing slash in the
    value is ignored. `string_prefix` compares characters only. `regex` is RE2 and must match all of the path.
    """

    kind: Literal["exact", "prefix", "string_prefix", "regex"]
    value: str
    ignore_case: bool = False

    def holds(self, path: str) -> bool:
        """Whether a path, without its query, satisfies it; not for a `regex`, which only RE2 can tell."""
        wanted = self.value
        if self.ignore_case:
            wanted, path = wanted.lower(), path.lower()
        if self.kind == "exact":
            return path == wanted
        if self.kind == "string_prefix":
            return path.startswith(wanted)
        stem = wanted.rstrip("/")
        return path == stem or path.startswith(stem + "/")


class ValueMatch(Node, frozen=True):
    """A condition on a named header, query parameter or cookie; `present` ignores the value."""

    name: str
    kind: Literal["exact", "regex", "prefix", "suffix", "contains", "present", "range"] = "exact"
    value: str = ""
    range_start: int = 0
    range_end: int = 0
    invert: bool = False


class HttpMatch(Node, frozen=True):
    """All conditions must hold; absent ones match anything. Below 100 `percent` it holds for a share of requests only.

    `rank` orders matches on one hostname, greatest first; the dialect that read the match fills it by its
    own specification. Ties go to the older route, then to the name, then to what was written first.
    `source_cidrs` are ranges of addresses that a connection may come from, whatever a header says about the client.
    `client_certificate` asks whether the client has shown a certificate that was verified.

    `body` asks for what stands in the request's body, by a path such as `a.b[0].c[*]` in JSON or the name of a field
    of a form; one that begins with `form:` is for URL-encoded forms only. Any of the values at a path may be the one.
    A row with such conditions holds only when the body has been looked at, which `is_read` asks for by itself.
    """

    origin: Origin
    path: PathMatch | None = None
    method: str = ""
    headers: tuple[ValueMatch, ...] = ()
    query: tuple[ValueMatch, ...] = ()
    cookies: tuple[ValueMatch, ...] = ()
    percent: float = 100.0
    rank: tuple[int, ...] = ()
    source_cidrs: tuple[str, ...] = ()
    client_certificate: bool | None = None
    body: tuple[ValueMatch, ...] = ()
    is_read: bool | None = None
