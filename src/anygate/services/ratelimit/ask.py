"""What Envoy asks of a limit, read from the entries of a descriptor."""

from enum import Enum
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

LIMIT = "limit"
SHADOW = "shadow"
CHARGE = "charge"
QUOTA = "quota"
PER = "per"

_UNITS = {
    1: 1,  # SECOND
    2: 60,  # MINUTE
    3: 3600,  # HOUR
    4: 86_400,  # DAY
    5: 2_592_000,  # MONTH: 30 days
    6: 31_536_000,  # YEAR: 365 days
}
_DIGEST = 16


class Mode(Enum):
    """What is to be done: refuse what is over the limit, only tell (once for statistics, once for Envoy), or charge."""

    LIMIT = LIMIT
    SHADOW = SHADOW
    QUOTA = QUOTA
    CHARGE = CHARGE


class Limit(NamedTuple):
    """So much in so many seconds, from one multiple of that time to the next."""

    requests: int
    seconds: int


class Ask(NamedTuple):
    """One descriptor: whose counter (`key`), under which limit, and how much to take; negative gives back."""

    rule: str
    key: bytes
    limit: Limit
    hits: int
    mode: Mode


class NotAsked(ValueError):  # noqa: N818 - it says what is wrong with a question
    """A descriptor that is not one of ours."""


def read_ask(descriptor: Any, hits: int) -> Ask:
    """Read a `RateLimitDescriptor`; `hits` is what is taken if it does not say.

    Its first entry says the mode and the rule, its second the limit (`100/60`: requests and seconds), and the others
    whose counter it is. A limit of its own, which Envoy takes from a request's metadata, goes before that entry.
    """
    entries = descriptor.entries
    if len(entries) < 2 or entries[1].key != PER:
        raise NotAsked("a descriptor without a limit")
    try:
        mode = Mode(entries[0].key)
        limit = parse_limit(entries[1].value)
    except ValueError as problem:
        raise NotAsked(f"a descriptor that begins with {entries[0].key!r} and {entries[1].value!r}") from problem
    if descriptor.HasField("limit"):
        limit = _override(descriptor.limit, limit)
    if descriptor.HasField("hits_addend"):
        hits = descriptor.hits_addend.value
    rule = entries[0].value
    key = _digest(rule, limit.seconds, [(one.key, one.value) for one in entries[2:]])
    return Ask(rule, key, limit, -hits if descriptor.is_negative_hits else hits, mode)


@lru_cache(maxsize=1024)
def parse_limit(text: str) -> Limit:
    """Read `100/60`."""
    requests, _, seconds = text.partition("/")
    limit = Limit(int(requests), int(seconds))
    if limit.requests < 0 or limit.seconds < 1:
        raise ValueError(f"{text!r} is no limit")
    return limit


def _override(found: Any, limit: Limit) -> Limit:
    multiplier = found.unit_multiplier.value if found.HasField("unit_multiplier") else 1
    seconds = _UNITS.get(found.unit)
    return Limit(found.requests_per_unit, seconds * max(1, multiplier)) if seconds else limit


def _digest(rule: str, seconds: int, entries: list[tuple[str, str]]) -> bytes:
    """Return the counter's name: short whatever clients send, and telling nobody what it was (it may be a key)."""
    digest = blake2b(digest_size=_DIGEST)
    parts = [rule, str(seconds), *(part for entry in entries for part in entry)]
    for part in parts:
        raw = part.encode(errors="surrogateescape")
        digest.update(b"%d:" % len(raw))
        digest.update(raw)
    return digest.digest()
