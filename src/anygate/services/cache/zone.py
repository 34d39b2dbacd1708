"""What is kept: answers by what they answer, as many as there is room for."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

from anygate.services.cache.request import Head, Request

Key = tuple[str, ...]
Variant = tuple[str, ...]
_MOST_VARIANTS = 64
_OVERHEAD = 1024
"""Bytes that an answer takes besides its text, roughly."""


class Answer(NamedTuple):
    """A whole answer. `stored` is in seconds since 1970, `lifetime` in seconds from then on."""

    status: int
    headers: Head
    body: bytes
    stored: float
    lifetime: float

    @property
    def size(self) -> int:
        """How much room it takes, in bytes."""
        return _OVERHEAD + len(self.body) + sum(len(name) + len(value) for name, value in self.headers.pairs)

    def is_fresh(self, now: float) -> bool:
        """Whether its time has not passed."""
        return now - self.stored <= self.lifetime


class _Resource:
    """The answers under one key, by the values of those headers of requests that they vary with."""

    def __init__(self, vary: tuple[str, ...]) -> None:
        self.vary = vary
        self.answers: OrderedDict[Variant, Answer] = OrderedDict()

    def variant(self, request: Request) -> Variant:
        """What tells the answer to a request from the other ones. HEAD gets the head of what GET gets."""
        method = "GET" if request.method == "HEAD" else request.method
        return (method, *map(request.get, self.vary))


class Zone:
    """Answers in at most `capacity` bytes. What was not asked for the longest time has to go first."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._resources: OrderedDict[Key, _Resource] = OrderedDict()
        self._size = 0
        self._arriving = 0

    def find(self, key: Key, request: Request) -> Answer | None:
        """The answer that is kept for a request, be its time over or not."""
        resource = self._resources.get(key)
        if resource is None:
            return None
        self._resources.move_to_end(key)
        return resource.answers.get(resource.variant(request))

    def put(self, key: Key, request: Request, answer: Answer) -> None:
        """Keep an answer, if there is room for it at all."""
        vary = _vary(answer.headers)
        resource = self._resources.get(key)
        found = _Resource(vary) if resource is None or resource.vary != vary else resource
        variant = found.variant(request)
        if _size_of(variant, answer) + _length(key) > self.capacity:
            return
        if found is not resource:
            # What the backend varied with before tells its answers apart no more.
            self.purge(key)
            self._resources[key] = found
            self._size += _length(key)
        self._resources.move_to_end(key)
        self._drop(found, variant)
        while len(found.answers) >= _MOST_VARIANTS:
            self._drop(found, next(iter(found.answers)))
        found.answers[variant] = answer
        self._size += _size_of(variant, answer)
        while self._size > self.capacity:
            self.purge(next(iter(self._resources)))

    def purge(self, key: Key) -> bool:
        """Drop what is kept under a key, and say whether there was anything."""
        resource = self._resources.pop(key, None)
        if resource is None:
            return False
        self._size -= _length(key) + sum(_size_of(variant, answer) for variant, answer in resource.answers.items())
        return True

    def reserve(self, size: int) -> bool:
        """Take room for a part of a body that is still to come; False if too much comes in at the same time."""
        if self._arriving + size > self.capacity:
            return False
        self._arriving += size
        return True

    def release(self, size: int) -> None:
        """Give room back that was taken."""
        self._arriving -= size

    def _drop(self, resource: _Resource, variant: Variant) -> None:
        found = resource.answers.pop(variant, None)
        if found is not None:
            self._size -= _size_of(variant, found)


class Zones:
    """Zones by name. One whose capacity changes begins anew."""

    def __init__(self) -> None:
        self._zones: dict[str, Zone] = {}

    def get(self, name: str, capacity: int) -> Zone:
        """The zone of a name."""
        found = self._zones.get(name)
        if found is None or found.capacity != capacity:
            found = self._zones[name] = Zone(capacity)
        return found


def _size_of(variant: Variant, answer: Answer) -> int:
    """How much room an answer takes, with the values that it is found by, which clients choose."""
    return answer.size + _length(variant)


def _length(parts: tuple[str, ...]) -> int:
    return sum(map(len, parts))


def _vary(headers: Head) -> tuple[str, ...]:
    names: Sequence[str] = [name.strip().lower() for name in headers.get("vary").split(",")]
    # A backend that encodes answers and does not say so would hand them to clients that cannot read them.
    encoded = ("accept-encoding",) if headers.has("content-encoding") else ()
    return tuple(sorted({name for name in (*names, *encoded) if name}))
