"""YAML text to values with positions, one pass over libyaml's events, no node objects in between.

Events come from libyaml one by one, so depth and size are bounded before anything recurses, in C or here.
"""

from array import array
from collections.abc import Callable
from typing import Any, NamedTuple

import yaml
from yaml._yaml import CParser
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from anygate.diagnostics import Rule
from anygate.manifests import syntax_rules as rules
from anygate.manifests.scalars import UNKNOWN_TAG, Scalar, render_key, resolve_plain, resolve_tagged
from anygate.manifests.syntax import Problem, explain_error
from anygate.manifests.tree import Value, find_entry, subtree_size

DEPTH_LIMIT = 200
ALIAS_ALLOWANCE = 20_000
"""Nodes that aliases may add to any document; a larger text earns more."""

_MAP_TAGS = (None, "!", "tag:yaml.org,2002:map")
_SEQUENCE_TAGS = (None, "!", "tag:yaml.org,2002:seq")
_MERGE_TAG = "tag:yaml.org,2002:merge"
_MEMORY_LIMIT = 200_000
_LOW = 0xFFFFFFFF
_RELATED_LIMIT = 100

# Loosely typed: the stubs call the marks of an event optional, libyaml always sets them.
_SCALAR: Any = ScalarEvent
_MAPPING_END: Any = MappingEndEvent
_SEQUENCE_END: Any = SequenceEndEvent


class Composed(NamedTuple):
    """One document of a chunk and its positions (see `tree`)."""

    value: Value
    slots: "array[int]"


class ChunkResult(NamedTuple):
    """What a chunk holds. It depends on the chunk's text alone, so it may be kept for the next time."""

    documents: tuple[Composed, ...]
    problems: tuple[Problem, ...]
    expanded: int
    refused: tuple[Composed, ...] = ()
    """Documents that have a value, but not one to rely on: a key came twice, a tag means nothing."""
    unparsed: bool = False
    """Whether a part of the chunk could not be read at all."""


class _Anchor(NamedTuple):
    value: Value
    slots: "array[int]"


class _RefusedError(Exception):
    """The document cannot be read any further."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def compose_chunk(text: str, memory: dict[str, Scalar]) -> ChunkResult:
    """Parse every document in `text`. `memory` keeps the meaning of plain scalars between calls."""
    composer = _Composer(text, memory)
    unparsed = True
    try:
        composer.compose_stream(text)
        unparsed = False
    except _RefusedError as refused:
        composer.problems.append(refused.problem)
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        composer.problems.append(explain_error(error, text))
    documents, problems = tuple(composer.documents), tuple(composer.problems)
    return ChunkResult(documents, problems, composer.expanded, tuple(composer.refused), unparsed)


class _Composer:
    def __init__(self, text: str, memory: dict[str, Scalar]) -> None:
        if len(memory) > _MEMORY_LIMIT:
            memory.clear()
        self.memory = memory
        self.documents: list[Composed] = []
        self.refused: list[Composed] = []
        self.problems: list[Problem] = []
        self.slots: array[int] = array("Q")
        self.anchors: dict[str, _Anchor | None] = {}
        self.expanded = 0
        self.allowance = ALIAS_ALLOWANCE + 4 * len(text)

    def compose_stream(self, text: str) -> None:
        self.next: Callable[[], Any] = CParser(text).get_event
        event = self.next()
        while event is not None:
            if type(event) is DocumentStartEvent:
                self.slots = array("Q")
                self.anchors = {}
                found = len(self.problems)
                value = self.compose(self.next(), 0)
                end = self.next()
                assert type(end) is DocumentEndEvent
                # Text that follows without a marker may be the rest of a broken document: look first.
                event = self.next()
                sound = len(self.problems) == found
                (self.documents if sound else self.refused).append(Composed(value, self.slots))
            else:
                event = self.next()

    def compose(self, event: Any, depth: int) -> Value:
        """The value that starts with `event`; appends its slots."""
        kind = type(event)
        if kind is _SCALAR:
            return self.compose_scalar(event)
        if kind is AliasEvent:
            return self.expand_alias(event, depth)
        if depth >= DEPTH_LIMIT:
            message = f"nested deeper than {DEPTH_LIMIT} levels"
            raise _RefusedError(_problem(rules.NESTING_LIMIT, message, event))
        anchor, at = event.anchor, len(self.slots)
        self.slots.append(0)
        self.slots.append(0)
        if anchor is not None:
            self.anchors[anchor] = None
        value: Value
        if kind is MappingStartEvent:
            if event.tag not in _MAP_TAGS:
                self.refuse_tag(event)
            value, end = self.compose_mapping(at, depth + 1)
        else:
            assert kind is SequenceStartEvent
            if event.tag not in _SEQUENCE_TAGS:
                self.refuse_tag(event)
            value, end = self.compose_sequence(depth + 1)
        self.slots[at] = event.start_mark.index << 32 | end
        self.slots[at + 1] = len(self.slots) - at
        if anchor is not None:
            self.anchors[anchor] = _Anchor(value, self.slots[at:])
        return value

    def compose_mapping(self, at: int, depth: int) -> tuple[dict[str, Value], int]:
        mapping: dict[str, Value] = {}
        merges: list[_Anchor] = []
        following, slots, memory = self.next, self.slots, self.memory
        while type(event := following()) is not _MAPPING_END:
            slot = len(slots)
            key: str | None
            if type(event) is _SCALAR and event.tag is None and event.anchor is None:
                slots.append(event.start_mark.index << 32 | event.end_mark.index)
                key = event.value
                if event.implicit[0]:
                    if key == "<<":
                        merges.append(self.compose_merged(depth))
                        continue
                    meaning = memory.get(event.value)
                    key = meaning if type(meaning) is str else self.compose_plain_key(event)
            elif type(event) is _SCALAR and event.tag == _MERGE_TAG:
                slots.append(0)
                merges.append(self.compose_merged(depth))
                continue
            else:
                key = self.compose_key(event, depth)
            if key is None or key in mapping:
                self.skip_entry(mapping, at, key, slot, depth)
                continue
            event = following()
            mapping[key] = self.compose_scalar(event) if type(event) is _SCALAR else self.compose(event, depth)
        for merged in merges:
            self.merge(mapping, merged)
        return mapping, event.end_mark.index

    def compose_sequence(self, depth: int) -> tuple[list[Value], int]:
        items: list[Value] = []
        following = self.next
        while type(event := following()) is not _SEQUENCE_END:
            items.append(self.compose(event, depth))
        return items, event.end_mark.index

    def compose_scalar(self, event: Any) -> Scalar:
        slots = self.slots
        slots.append(event.start_mark.index << 32 | event.end_mark.index)
        value: Scalar = event.value
        if event.tag is not None:
            try:
                value = resolve_tagged(event.tag, event.value)
            except ValueError as error:
                self.problems.append(_problem(rules.YAML_TAG, str(error), event))
        elif event.implicit[0]:
            try:
                value = self.memory[event.value]
            except KeyError:
                value = self.memory[event.value] = resolve_plain(event.value)
        if event.anchor is not None:
            self.anchors[event.anchor] = _Anchor(value, slots[-1:])
        return value

    def compose_plain_key(self, event: Any) -> str | None:
        meaning = self.memory[event.value] = resolve_plain(event.value)
        return self.check_key(meaning, event)

    def compose_key(self, event: Any, depth: int) -> str | None:
        at = len(self.slots)
        key = self.compose(event, depth)
        # Whatever the key is, it takes one slot.
        del self.slots[at + 1 :]
        return self.check_key(key, event)

    def check_key(self, key: Value, event: Any) -> str | None:
        try:
            return render_key(key)
        except ValueError as error:
            self.problems.append(_problem(rules.INVALID_KEY, str(error), event))
            return None

    def compose_merged(self, depth: int) -> _Anchor:
        """The value of a merge key; its slots leave the mapping, which shows its entries only."""
        at = len(self.slots)
        value = self.compose(self.next(), depth)
        slots = self.slots[at:]
        del self.slots[at - 1 :]
        return _Anchor(value, slots)

    def skip_entry(self, mapping: dict[str, Value], at: int, key: str | None, slot: int, depth: int) -> None:
        """Read past an entry that cannot be kept; the document is refused, but has more to tell."""
        if key is not None:
            self.refuse_duplicate(mapping, at, key, slot)
        self.compose(self.next(), depth)
        del self.slots[slot:]

    def expand_alias(self, event: Any, depth: int) -> Value:
        name = event.anchor
        if name not in self.anchors:
            raise _RefusedError(_problem(rules.YAML_SYNTAX, "alias of an anchor that is not defined", event))
        anchor = self.anchors[name]
        if anchor is None:
            message = f'anchor "{name}" contains itself'
            raise _RefusedError(_problem(rules.RECURSIVE_ANCHOR, message, event))
        self.expanded += len(anchor.slots)
        if self.expanded > self.allowance:
            message = f"aliases expand to more than {self.allowance} values"
            raise _RefusedError(_problem(rules.ALIAS_LIMIT, message, event))
        if not _fits(anchor.value, DEPTH_LIMIT - depth):
            message = f"nested deeper than {DEPTH_LIMIT} levels"
            raise _RefusedError(_problem(rules.NESTING_LIMIT, message, event))
        self.slots.extend(anchor.slots)
        return anchor.value

    def merge(self, mapping: dict[str, Value], merged: _Anchor) -> None:
        """Add the entries of a merge key (`<<`) that are not set here, and their positions."""
        sources, at = (merged.value, 2) if isinstance(merged.value, list) else ([merged.value], 0)
        for source in sources:
            if isinstance(source, dict):
                self.merge_mapping(mapping, source, merged.slots, at)
            else:
                message = 'only a mapping or a list of mappings can be merged with "<<"'
                where = merged.slots[at]
                self.problems.append(Problem(rules.INVALID_KEY, message, where >> 32, where & _LOW))
            at += subtree_size(source, merged.slots, at)

    def merge_mapping(self, mapping: dict[str, Value], source: dict[str, Value], slots: "array[int]", at: int) -> None:
        at += 2
        for key, value in source.items():
            size = 1 + subtree_size(value, slots, at + 1)
            if key not in mapping:
                mapping[key] = value
                self.slots.extend(slots[at : at + size])
            at += size

    def refuse_duplicate(self, mapping: dict[str, Value], at: int, key: str, slot: int) -> None:
        related = None
        # To look for the first one takes time, and nobody reads that many.
        if len(self.problems) < _RELATED_LIMIT:
            first = find_entry(mapping, self.slots, at, key)
            assert first is not None
            related = ("first defined here", self.slots[first] >> 32, self.slots[first] & _LOW)
        start, end = self.slots[slot] >> 32, self.slots[slot] & _LOW
        problem = Problem(rules.DUPLICATE_KEY, f'key "{key}" is defined twice', start, end, related=related)
        self.problems.append(problem)

    def refuse_tag(self, event: Any) -> None:
        self.problems.append(_problem(rules.YAML_TAG, UNKNOWN_TAG, event))


def _problem(rule: Rule, message: str, event: Any) -> Problem:
    return Problem(rule, message, event.start_mark.index, event.end_mark.index)


def _fits(value: Value, levels: int) -> bool:
    """Whether `value` nests at most `levels` deep."""
    if isinstance(value, dict):
        return levels > 0 and all(_fits(child, levels - 1) for child in value.values())
    if isinstance(value, list):
        return levels > 0 and all(_fits(child, levels - 1) for child in value)
    return True
