"""A parsed value and, for each node in it, the stretch of text it was read from.

Positions are one array of 64-bit slots in document order. A scalar or a key has one slot: start offset in the
upper half, end offset in the lower, both relative to the chunk. A mapping or list has a second slot, the
number of slots of its whole subtree, so that a look-up steps over siblings instead of into them.
"""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from anygate.diagnostics import FieldPath, SourceFile, Span
from anygate.manifests.scalars import Scalar

Value = Scalar | list["Value"] | dict[str, "Value"]

_LOW = 0xFFFFFFFF
_SMALL = 16


def subtree_size(value: Value, slots: "array[int]", at: int) -> int:
    """How many slots the node at `at` takes."""
    return slots[at + 1] if type(value) in (dict, list) else 1


def find_entry(mapping: dict[str, Value], slots: "array[int]", at: int, key: str) -> int | None:
    """The slot of a mapping's key; the value's slot is the next one."""
    slot = at + 2
    for name, value in mapping.items():
        if name == key:
            return slot
        slot += 1 + subtree_size(value, slots, slot + 1)
    return None


class _Children(NamedTuple):
    """Where the entries of a mapping or the items of a list have their slots."""

    value: object
    slots: "array[int]"
    at: int
    found: dict[str | int, int]


_last_children = _Children(None, array("Q"), 0, {})


def _find_child(value: "list[Value] | dict[str, Value]", slots: "array[int]", at: int, step: str | int) -> int:
    """The slot of an entry's key or of an item. Whoever asks for one child tends to ask for its neighbours next."""
    global _last_children  # noqa: PLW0603 - a memory of one pure result
    known = _last_children
    if known.value is not value or known.slots is not slots or known.at != at:
        known = _last_children = _Children(value, slots, at, _list_children(value, slots, at))
    return known.found[step]


def _find_key(value: dict[str, Value], slots: "array[int]", at: int, key: str) -> int | None:
    """The slot of a key; in a large mapping those of all its keys are found at once."""
    if key not in value:
        return None
    return find_entry(value, slots, at, key) if len(value) <= _SMALL else _find_child(value, slots, at, key)


def _list_children(value: "list[Value] | dict[str, Value]", slots: "array[int]", at: int) -> dict[str | int, int]:
    found: dict[str | int, int] = {}
    slot = at + 2
    if isinstance(value, list):
        for index, item in enumerate(value):
            found[index] = slot
            slot += subtree_size(item, slots, slot)
        return found
    for key, child in value.items():
        found[key] = slot
        slot += 1 + (subtree_size(child, slots, slot + 1) if slot + 1 < len(slots) else 1)
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """A value with its positions: `slots[at]` is the value's own, `offset` is where the chunk starts."""

    value: Value
    file: SourceFile
    offset: int
    slots: "array[int]"
    at: int = 0

    def items(self) -> "Iterator[Tree]":
        """The items of a list, each with its positions; nothing for any other value."""
        if not isinstance(self.value, list):
            return
        slot = self.at + 2
        for item in self.value:
            yield Tree(item, self.file, self.offset, self.slots, slot)
            slot += subtree_size(item, self.slots, slot)

    def find(self, path: FieldPath) -> "Tree":
        """The value at `path`, or its nearest existing parent."""
        value, at = self._locate(path)
        return Tree(value, self.file, self.offset, self.slots, at)

    def start(self, path: FieldPath = ()) -> tuple[int, int]:
        """Line and column where `span` starts. Much cheaper than a span: the end of a block takes a search."""
        at = self._locate(path)[1] if path else self.at
        return self.file.position(self.offset + (self.slots[at] >> 32))

    def span(self, path: FieldPath = ()) -> Span:
        """Where the value at `path` stands; the nearest existing parent's place when there is none."""
        return self.find(path)._span()

    def key_span(self, path: FieldPath) -> Span:
        """Where the key of the value at `path` stands; for list items and missing fields as `span`."""
        tree, key = self, None
        for step in path:
            found = tree._step(step)
            if found is None:
                key = None
                break
            key, tree = found
        if key is None:
            return tree._span()
        return self.file.span(self.offset + (self.slots[key] >> 32), self.offset + (self.slots[key] & _LOW))

    def has(self, path: FieldPath) -> bool:
        """Whether there is a value at `path`."""
        tree = self
        for step in path:
            found = tree._step(step)
            if found is None:
                return False
            tree = found[1]
        return True

    def text(self, path: FieldPath = ()) -> str:
        """The source text of the value at `path`."""
        tree = self.find(path)
        start, end = tree._bounds()
        return self.file.text[start:end]

    def _locate(self, path: FieldPath) -> tuple[Value, int]:
        """The value at `path`, or its nearest existing parent, and its slot."""
        value, at, slots = self.value, self.at, self.slots
        for step in path:
            if isinstance(value, dict) and isinstance(step, str):
                key = _find_key(value, slots, at, step)
                if key is None:
                    break
                value, at = value[step], key + 1
            elif isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value):
                at = _find_child(value, slots, at, step)
                value = value[step]
            else:
                break
        return value, at

    def _step(self, step: str | int) -> "tuple[int | None, Tree] | None":
        value, key = self.value, None
        if isinstance(value, dict) and isinstance(step, str):
            key = _find_key(value, self.slots, self.at, step)
            if key is None:
                return None
            return key, Tree(value[step], self.file, self.offset, self.slots, key + 1)
        if isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value):
            slot = _find_child(value, self.slots, self.at, step)
            return None, Tree(value[step], self.file, self.offset, self.slots, slot)
        return None

    def _span(self) -> Span:
        return self.file.span(*self._bounds())

    def _bounds(self) -> tuple[int, int]:
        text = self.file.text
        start = self.offset + (self.slots[self.at] >> 32)
        end = self.offset + (self.slots[self.at] & _LOW)
        # YAML ends a block where the next token starts; what the user sees as its end is its last child's.
        if isinstance(self.value, dict | list):
            if self.value and text[end - 1 : end] not in ("]", "}"):
                last = self._last_child()._bounds()[1]
                end = last if start < last <= end else start + len(text[start:end].rstrip())
        elif text[start : start + 1] in ("|", ">"):
            end = start + len(text[start:end].rstrip())
        return start, end

    def _last_child(self) -> "Tree":
        assert isinstance(self.value, dict | list)
        last: str | int = next(reversed(self.value)) if isinstance(self.value, dict) else len(self.value) - 1
        found = self._step(last)
        assert found is not None
        return found[1]
