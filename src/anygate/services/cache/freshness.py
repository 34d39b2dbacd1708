"""How long an answer may be kept, and for which requests a kept one is good enough.

RFC 9111, as far as APISIX and nginx go along with it.
"""

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from anygate.model.cache import Cache
from anygate.services.cache.request import Head

_DIRECTIVE = re.compile(r'([^\s=,]+)(?:\s*=\s*(?:"([^"]*)"|([^,]*)))?')
_NEVER_KEPT = ("no-store", "no-cache", "private")
_PARTIAL = frozenset({206, 304, 416})
"""Statuses of answers that are about a part, or about what somebody else has."""

_ENDLESS = ("text/event-stream", "application/grpc")
_NO_LIFETIME = 0.0

Directives = Mapping[str, str]


def read_directives(value: str) -> Directives:
    """The directives of a Cache-Control header by lower-case name, each with its argument or nothing."""
    return {found[1].lower(): (found[2] or found[3] or "").strip() for found in _DIRECTIVE.finditer(value)}


def seconds_of(directives: Directives, *names: str) -> float | None:
    """The seconds of the first of some directives that is there; one that is no number counts as none at all."""
    for name in names:
        if name in directives:
            return float(directives[name]) if directives[name].isdecimal() else _NO_LIFETIME
    return None


def lifetime_of(cache: Cache, status: int, answer: Head, now: float) -> float:
    """How many seconds an answer may be kept; 0 if not at all. `now` is in seconds since 1970."""
    told = read_directives(answer.get("cache-control"))
    if status not in cache.statuses or status in _PARTIAL:
        return _NO_LIFETIME
    if any(name in told for name in _NEVER_KEPT) or "*" in answer.get("vary"):
        return _NO_LIFETIME
    if answer.get("content-type").startswith(_ENDLESS) or answer.has("content-range"):
        return _NO_LIFETIME
    # Several cookies are several headers for good, which an answer that is given again cannot have.
    if answer.count("set-cookie") > (1 if cache.keeps_cookies else 0):
        return _NO_LIFETIME
    if cache.strategy == "memory" and not cache.client_directives:
        return cache.lifetime.total_seconds()
    own = _own_lifetime(answer, told, now)
    if own is None:
        return cache.lifetime.total_seconds() if cache.strategy == "disk" else _NO_LIFETIME
    return max(own, _NO_LIFETIME)


def _own_lifetime(answer: Head, told: Directives, now: float) -> float | None:
    """What an answer itself says, if it does."""
    own = seconds_of(told, "s-maxage", "max-age")
    if own is not None or not answer.has("expires"):
        return own
    try:
        return parsedate_to_datetime(answer.get("expires")).timestamp() - now
    except ValueError:
        return _NO_LIFETIME


def is_too_old(asked: Directives, age: float, lifetime: float) -> bool:
    """Whether a client wants a fresher answer than one of so many seconds that was to be kept for so many."""
    oldest = seconds_of(asked, "max-age")
    freshest = seconds_of(asked, "min-fresh")
    return (oldest is not None and age > oldest) or (freshest is not None and lifetime - age < freshest)
