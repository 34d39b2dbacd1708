"""What `diff` answers: plain values with stable names, rendered as text or JSON."""

from typing import Literal

import msgspec

Change = Literal["added", "removed", "changed"]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A frozen value of the answer."""


class Place(Part, frozen=True):
    """What decides on one side: the object in kubectl's form and its `file:line:column`."""

    object: str
    place: str


class Aspect(Part, frozen=True):
    """One thing that is otherwise, in words: `timeouts request: 15s -> 10s`. Secrets are never among the words."""

    name: str
    old: str
    new: str


class Difference(Part, frozen=True):
    """What changes for some requests.

    A `route` is about requests or connections, a `listener` about a port, a `backend` about how a destination is
    reached. `title` says which requests, port or destination; `request` is one of the requests, as for curl. A side
    that has nothing of it has no place.
    """

    kind: Literal["listener", "route", "backend"]
    change: Change
    title: str
    old: Place | None = None
    new: Place | None = None
    request: str = ""
    aspects: tuple[Aspect, ...] = ()


class Differences(Part, frozen=True):
    """All that two models do otherwise; `notes` are what conversions cannot avoid, and doubts."""

    entries: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.entries)


def change_of(old: Place | None, new: Place | None) -> Change:
    """What happened to what stands at these places."""
    return "changed" if (old is None) == (new is None) else "added" if new else "removed"
