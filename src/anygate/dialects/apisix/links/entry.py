"""A value of a stack file with its place: what it is read with, and where mistakes in it are reported."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from anygate.diagnostics import FieldPath, Related, Report, Rule, SourceFile, Span
from anygate.dialects.apisix.links.rules.shape import (
    INVALID_VALUE,
    MISSING_FIELD,
    UNKNOWN_FIELD,
    WRONG_TYPE,
)
from anygate.manifests.compose import ChunkResult, compose_chunk
from anygate.manifests.found import describe_type, describe_value, hint_type
from anygate.manifests.names import suggest_word
from anygate.manifests.tree import Tree

_FLAGS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_RANGE_HINT = "choose one in that range"
_HINTS = {
    "a mapping": 'write it as lines of the form "name: value"',
    "a list": 'write it as a list, each item on a line that starts with "- "',
    "text or a list": "write one item per line",
    "a string": "write it as text, in quotes if need be",
    "a boolean": "write true or false",
    "an integer": "write a whole number",
}
_PLACEHOLDERS = ("{{", "${")


def is_placeholder(text: str) -> bool:
    """Whether a text was meant to be replaced: it is empty, `Default Value`, or holds `{{…}}` or `${…}`."""
    return text.strip().lower() in ("", "default value") or any(mark in text for mark in _PLACEHOLDERS)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a value that is a list of lines, or one item of a list."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A value, its place in the file and its path in the stack.

    `tree` stands at the value; its file is the one that is shown, in which secrets are masked. `original` is the file
    as it was written. `fixed` is the place of everything in a value whose own lines cannot be told apart.
    """

    value: Any
    tree: Tree
    path: FieldPath
    report: Report
    original: SourceFile
    fixed: Span | None = None

    @property
    def span(self) -> Span:
        """Where the value stands."""
        return self.fixed or self.tree.span()

    def get(self, key: str) -> "Entry | None":
        """The entry of a key; None when it is absent or null."""
        if not isinstance(self.value, dict) or self.value.get(key) is None:
            return None
        return replace(self, value=self.value[key], tree=self.tree.find((key,)), path=(*self.path, key))

    def items(self) -> "Iterator[Entry]":
        """The items of a list."""
        for index, tree in enumerate(self.tree.items()):
            yield replace(self, value=tree.value, tree=tree, path=(*self.path, index))

    def refuse(
        self, rule: Rule, message: str, *, hint: str, span: Span | None = None, related: Sequence[Related] = ()
    ) -> None:
        """Report a mistake in this value, or at a place inside it."""
        self.report.add(rule, message, span or self.span, path=self.path, hint=hint, related=related)

    def require(self, key: str) -> "Entry | None":
        """The entry of a key that must be there."""
        found = self.get(key)
        if found is None:
            self.refuse(MISSING_FIELD, f'missing field "{key}"', hint=f'add "{key}: ..."')
        return found

    def check_keys(self, known: Collection[str]) -> None:
        """Report every key that is not known."""
        for key in self.value:
            if key not in known:
                span = self.fixed or self.tree.key_span((key,))
                hint = suggest_word(key, known) or f"known here: {', '.join(sorted(known))}"
                self.refuse(UNKNOWN_FIELD, f'unknown field "{key}"', span=span, hint=hint)

    def key_span(self, key: str) -> Span:
        """Where a key stands."""
        return self.fixed or self.tree.key_span((key,))

    def mapping(self) -> "Entry | None":
        """This entry if it is a mapping, or the mapping that its lines are; else a diagnostic."""
        found = self.nested() if isinstance(self.value, str) else self
        if found is not None and isinstance(found.value, dict):
            return found
        self._refuse_type("a mapping")
        return None

    def sequence(self) -> "Entry | None":
        """This entry if it is a list, or the list that its lines are; else a diagnostic."""
        found = self.nested() if isinstance(self.value, str) else self
        if found is not None and isinstance(found.value, list):
            return found
        self._refuse_type("a list")
        return None

    def nested(self) -> "Entry | None":
        """What the lines of this text are when they are read as YAML; None when they are no mapping and no list."""
        block = self._block()
        text, offset = block or (self.value, 0)
        result: ChunkResult = compose_chunk(text, {})
        if result.problems or len(result.documents) != 1:
            return None
        found = result.documents[0]
        if not isinstance(found.value, dict | list):
            return None
        shown = self.tree.file if block else SourceFile(self.tree.file.name, text)
        tree = Tree(found.value, shown, offset, found.slots)
        return replace(self, value=found.value, tree=tree, fixed=self.fixed if block else self.span)

    def lines(self, *, comments: bool = True) -> list[Line]:
        """The lines of a text, or the items of a list, without empty ones; `comments` begin with `#` and are left out.

        A text whose lines begin with `- ` is a list too.
        """
        if isinstance(self.value, str):
            if self.value.lstrip().startswith("- "):
                nested = self.nested()
                if nested is not None and isinstance(nested.value, list):
                    return nested.lines(comments=comments)
            return [
                Line(text.strip(), span)
                for text, span in zip(self.value.split("\n"), self._line_spans(), strict=True)
                if text.strip() and not (comments and text.lstrip().startswith("#"))
            ]
        if not isinstance(self.value, list):
            self._refuse_type("text or a list")
            return []
        found = [(item, item.text()) for item in self.items()]
        return [Line(text.strip(), item.span) for item, text in found if text is not None]

    def text(self) -> str | None:
        """A string; a diagnostic for anything else."""
        if isinstance(self.value, str):
            return self.value
        self._refuse_type("a string")
        return None

    def choice(self, choices: Collection[str]) -> str | None:
        """One of some words."""
        found = self.text()
        if found is None or found in choices:
            return found
        self.refuse(
            INVALID_VALUE,
            f'expected one of {", ".join(f"{chr(34)}{one}{chr(34)}" for one in choices)}, found "{found[:60]}"',
            hint=suggest_word(found, choices) or "choose one of them",
        )
        return None

    def flag(self) -> bool | None:
        """A boolean, also as one of the words and numbers that are taken for one."""
        found = self.as_flag()
        if found is None:
            self._refuse_type("a boolean")
        return found

    def as_flag(self) -> bool | None:
        """The boolean that the value is or stands for; None without a diagnostic otherwise."""
        if isinstance(self.value, bool):
            return self.value
        if isinstance(self.value, str | int):
            return _FLAGS.get(str(self.value).strip().lower())
        return None

    def number(self, low: int, high: int, rule: Rule = INVALID_VALUE) -> int | None:
        """An integer in a range, also in quotes."""
        value = self.value
        if isinstance(value, str) and value.strip().isascii() and value.strip().isdecimal() and len(value) < 20:
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            self._refuse_type("an integer")
            return None
        if not low <= value <= high:
            self.refuse(rule, f"expected a number from {low} to {high}, found {value}", hint=_RANGE_HINT)
            return None
        return value

    def _refuse_type(self, expected: str) -> None:
        text = "" if self.fixed else self.tree.text()
        found = describe_type(self.value) if "*" in text else describe_value(self.value, text)
        self.refuse(
            WRONG_TYPE,
            f"expected {expected}, found {found}",
            hint=hint_type(expected, self.value, text) or _HINTS[expected],
        )

    def _block(self) -> tuple[str, int] | None:
        """The text of a block of lines as it stands in the file, and its offset; None for any other way of writing."""
        span = self.span
        if self.fixed or self.tree.file.line(span.line)[span.column - 1 : span.column] != "|":
            return None
        starts, text = self.original.line_starts, self.original.text
        if span.line >= len(starts):
            return None
        start = starts[span.line]
        end = starts[span.end_line] if span.end_line < len(starts) else len(text)
        return text[start:end], start

    def _line_spans(self) -> list[Span]:
        """Where each line of a text stands; for a text that is not a block of lines, where all of it stands."""
        count = self.value.count("\n") + 1
        whole = self.span
        block = self._block()
        if block is None:
            return [whole] * count
        return [self._line_span(whole.line + 1 + number) for number in range(count)]

    def _line_span(self, number: int) -> Span:
        line = self.tree.file.line(number)
        start = len(line) - len(line.lstrip())
        return Span(self.tree.file, number, start + 1, number, max(len(line.rstrip()), start) + 1)
