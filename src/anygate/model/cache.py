"""Answers that are kept for later requests."""

from datetime import timedelta
from typing import Literal

from anygate.model.origin import Node, Origin
from anygate.model.text import Variable

Part = str | Variable
"""A literal, or what a request says."""


class Cache(Node, frozen=True):
    """Keep a backend's answers with one of `statuses` to `methods`, and give them to requests with the same `key`.

    `zone` is where they are kept, beside those of other rules, in `capacity` bytes; no body is larger than `largest`.
    Requests never share an answer if the first of `callers` of which any part says something differs, nor if a header
    does that the answer's Vary names. PURGE drops what is kept for a key. `status_header` says what became of a
    request.

    A cache in `memory` stands in front of limits, and keeps answers for `lifetime`; with `client_directives` for as
    long as the answers themselves say, and then it also does what a client's Cache-Control asks for. One on `disk`
    stands behind the limits, and keeps answers for `lifetime` if they do not say how long. Both heed answers that are
    not to be kept, and those with a cookie unless `keeps_cookies`.

    A request for which one of `bypass` is neither empty nor 0 gets no kept answer, and the answer to one for which that
    holds of `excluded` is not kept.
    """

    origin: Origin
    strategy: Literal["memory", "disk"]
    zone: str
    lifetime: timedelta
    key: tuple[Part, ...]
    callers: tuple[tuple[Part, ...], ...] = ()
    capacity: int = 50 * 1024 * 1024
    largest: int = 64 * 1024 * 1024
    methods: tuple[str, ...] = ("GET", "HEAD")
    statuses: tuple[int, ...] = (200, 301, 404)
    bypass: tuple[Part, ...] = ()
    excluded: tuple[Part, ...] = ()
    client_directives: bool = False
    keeps_cookies: bool = False
    hides_lifetime: bool = False
    status_header: str = "Apisix-Cache-Status"
