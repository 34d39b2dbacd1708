"""What Envoy asks of a limit, read from the entries of a descriptor."""

from base64 import b64decode
from enum import Enum
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec

LIMIT = "limit"
SHADOW = "shadow"
CHARGE = "charge"
QUOTA = "quota"
PER = "per"
TELLING = "telling"
PART = "part"
"""Part of a request that counts apart."""
CALLER, AUTHORIZATION = "caller", "caller/authorization"
"""What may tell who calls; the latter as the header has it."""
STAND_IN = "masked_remote_address"
"""Who asks, where a request has none of those parts."""

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


class Window(Enum):
    """What is counted together: a fixed stretch of time, one that begins with the first hit, the time before now, what
    came faster than it may, or what has not ended."""

    FIXED = "fixed"
    STARTED = "started"
    SLIDING = "sliding"
    LEAKY = "leaky"
    CONCURRENT = "concurrent"


class Limit(NamedTuple):
    """So much in so many seconds."""

    requests: int
    seconds: float
    window: Window = Window.FIXED


class Telling(NamedTuple):
    """What an answer says of a limit: the names of headers for it, for what is left and for the seconds until it is
    reset; the body when it refuses, with its type; and how long requests wait for their turn.

    What a leaky limit lets pass ahead of its time waits until then where `smooth`. Of a concurrent one what is beyond
    `calm` waits for `delay` seconds, as often as `calm` goes into it. A `queued` one waits for room.

    Where there are `retry` headers, for the seconds after which a refused request may come again, the tightest of the
    limits is told. `warning` is a header, and its value, for answers to requests that are over the limit and pass.
    """

    headers: tuple[str, ...] = ()
    body: str = ""
    content_type: str = ""
    smooth: bool = False
    calm: int = 0
    delay: float = 0.0
    retry: tuple[str, ...] = ()
    warning: tuple[str, ...] = ()
    queued: bool = False


NOTHING = Telling()


class Ask(NamedTuple):
    """One descriptor: whose counter (`key`), under which limit, and how much to take; negative gives back."""

    rule: str
    key: bytes
    limit: Limit
    hits: int
    mode: Mode
    telling: Telling = NOTHING


class NotAsked(ValueError):  # noqa: N818 - it says what is wrong with a question
    """A descriptor that is not one of ours."""


def read_ask(descriptor: Any, hits: int) -> Ask:
    """Read a `RateLimitDescriptor`; `hits` is what is taken if it does not say.

    Its first entry says the mode and the rule, its second the limit (`100/60`: requests and seconds; `100/60/sliding`:
    in that window), and the others whose counter it is, apart from one that says what is told of the limit. A limit of
    its own, which Envoy takes from a request's metadata, goes before that entry. What stands in for parts of a request
    that it does not have counts only if it has none of them. Of what may tell who calls the first counts that does.
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
    owners = [(one.key, one.value) for one in entries[2:] if one.key != TELLING]
    telling = next((parse_telling(one.value) for one in entries[2:] if one.key == TELLING), NOTHING)
    if any(key == PART and value for key, value in owners):
        owners = [one for one in owners if one[0] != STAND_IN]
    key = _digest(rule, limit, _first_caller(owners))
    return Ask(rule, key, limit, -hits if descriptor.is_negative_hits else hits, mode, telling)


def _first_caller(owners: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Leave out what tells who calls, but for the first that does; those of nobody are counted together."""
    found = [(key, read_credential(value) if key == AUTHORIZATION else value) for key, value in owners]
    told = next((value for key, value in found if key in (CALLER, AUTHORIZATION) and value), "")
    others = [one for one in found if one[0] not in (CALLER, AUTHORIZATION)]
    return [*others, (CALLER, told)] if told else others


def read_credential(header: str) -> str:
    """Return who an `authorization` header says it is: a bearer's token, the name of basic authentication, or all of
    it."""
    scheme, _, rest = header.strip().partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() != "basic":
        return header.strip()
    try:
        return b64decode(rest.strip(), validate=True).decode(errors="replace").partition(":")[0]
    except ValueError:
        return rest.strip()


@lru_cache(maxsize=1024)
def parse_limit(text: str) -> Limit:
    """Read `100/60` or `100/60/sliding`."""
    requests, seconds, *window = text.split("/")
    limit = Limit(int(requests), float(seconds), Window(window[0]) if window else Window.FIXED)
    if limit.requests < 0 or limit.seconds <= 0:
        raise ValueError(f"{text!r} is no limit")
    return limit


@lru_cache(maxsize=1024)
def parse_telling(text: str) -> Telling:
    """Read what is told of a limit, as JSON."""
    try:
        return msgspec.convert(msgspec.json.decode(text), Telling)
    except msgspec.MsgspecError as problem:
        raise NotAsked("a descriptor whose limit is told in a way that nobody knows") from problem


def render_telling(telling: Telling) -> str:
    """Write what is told of a limit, for `parse_telling`."""
    return msgspec.json.encode(telling).decode()


def _override(found: Any, limit: Limit) -> Limit:
    multiplier = found.unit_multiplier.value if found.HasField("unit_multiplier") else 1
    seconds = _UNITS.get(found.unit)
    return Limit(found.requests_per_unit, seconds * max(1, multiplier), limit.window) if seconds else limit


def _digest(rule: str, limit: Limit, entries: list[tuple[str, str]]) -> bytes:
    """Return the counter's name: short whatever clients send, and telling nobody what it was (it may be a key)."""
    digest = blake2b(digest_size=_DIGEST)
    parts = [rule, f"{limit.seconds:g}", limit.window.value, *(part for entry in entries for part in entry)]
    for part in parts:
        raw = part.encode(errors="surrogateescape")
        digest.update(b"%d:" % len(raw))
        digest.update(raw)
    return digest.digest()
