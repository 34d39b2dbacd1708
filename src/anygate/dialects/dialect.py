"""What a dialect is: a name, the kinds it knows, and how they are read into the model."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from anygate.diagnostics import ObjectRef, Report
from anygate.dialects.template import Template
from anygate.manifests.index import Index
from anygate.manifests.kind import Kind
from anygate.model import Model

T = TypeVar("T")


@dataclass(frozen=True)
class KindEntry:
    """How a kind is read. `older` names versions whose shape differs and so have a model of their own."""

    model: type[Kind]
    versions: tuple[str, ...]
    namespaced: bool = True
    older: Mapping[str, type[Kind]] = field(default_factory=dict)

    def resolve_model(self, version: str) -> type[Kind] | None:
        """The model of a version, if the version is known."""
        return self.older.get(version) or (self.model if version in self.versions else None)


class ReadCache:
    """What a dialect keeps between two compiles of nearly the same manifests.

    Everything in it is the result of a pure function and is stored under all of that function's inputs, so a
    hit can never be stale. Only what the last compile used is kept.
    """

    def __init__(self) -> None:
        self._used: dict[Any, Any] = {}
        self._last: dict[Any, Any] = {}

    def get(self, key: Any) -> Any | None:
        """The value stored under `key`, which is then kept for the next compile too."""
        found = self._used.get(key)
        if found is None:
            found = self._last.get(key)
            if found is not None:
                self._used[key] = found
        return found

    def put(self, key: Any, value: Any) -> None:
        """Store a value."""
        self._used[key] = value

    def keep(self, value: T) -> T:
        """The equal value of the last compile if there was one, so that a node keeps its identity."""
        # Most values are the kept ones themselves, which takes no look at all that is in them.
        kept: T | None = self.get(("kept", id(value)))
        if kept is None:
            key = ("same", value)
            kept = self.get(key)
            if kept is None:
                kept = value
                self.put(key, value)
            self.put(("kept", id(kept)), kept)
        return kept

    def turn(self) -> None:
        """End one compile: forget what it did not use."""
        self._last, self._used = self._used, {}


@dataclass(frozen=True)
class Reading:
    """What a dialect made of its objects."""

    model: Model = field(default_factory=Model)
    statuses: Mapping[ObjectRef, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Expansion:
    """Objects of another dialect that a dialect's own stand for, and what is done with the model made of them.

    `refine` gets the whole model and returns it completed, with the statuses of the dialect's own objects. `stand_ins`
    are found by the identities of objects that other dialects' objects may refer to: `DerivedBackend`s, which say what
    an object is that is no Service.
    """

    objects: tuple[Kind, ...]
    refine: Callable[[Model], Reading]
    stand_ins: Mapping[ObjectRef, Kind] = field(default_factory=dict)


class Dialect(Protocol):
    """One family of manifests. `kinds` is keyed by API group and kind; `templates` are what `new` prints."""

    name: str
    kinds: Mapping[tuple[str, str], KindEntry]
    templates: Sequence[Template]

    def expand(self, index: Index, report: Report, cache: ReadCache) -> Expansion | None:
        """Derive objects for another dialect to read; None when there is nothing to derive."""
        ...

    def read(self, index: Index, report: Report, cache: ReadCache) -> Reading:
        """Read every object of this dialect's kinds into the model."""
        ...
