"""Places in the text a user wrote: files, spans in them, and paths inside an object."""

from array import array
from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, repeat
from operator import add

FieldPath = tuple[str | int, ...]
"""Where a value stands inside an object: `("spec", "rules", 0, "matches")`."""


def render_path(path: FieldPath) -> str:
    """Render a path the way kubectl does: `spec.rules[0].matches`; keys with dots are quoted."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif "." in step or "/" in step:
            text += f'["{step}"]'
        else:
            text += f".{step}" if text else step
    return text


@dataclass(frozen=True, eq=False)
class SourceFile:
    """One input: its display name (`-` for standard input) and its decoded text."""

    name: str
    text: str = field(repr=False)
    is_plan: bool = False
    """Whether manifests are made of it, so that whoever points to it has to say which of them is meant."""

    @property
    def shown(self) -> "SourceFile":
        """The file that positions are about: this one, unless it was made of another."""
        return self

    @property
    def made_of(self) -> str:
        """The text that this one was made of, on which its positions depend; empty if somebody wrote it."""
        return ""

    @cached_property
    def lines(self) -> list[str]:
        """The text's lines without line ends; split on `\\n` only, as YAML marks count them."""
        return [line.rstrip("\r") for line in self.text.split("\n")]

    def line(self, number: int) -> str:
        """Line `number`, counted from 1; empty when there is no such line."""
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""

    @cached_property
    def line_starts(self) -> "array[int]":
        """The offset of each line's first character."""
        lengths = map(add, map(len, self.text.split("\n")), repeat(1))
        starts = array("L", accumulate(lengths, initial=0))
        starts.pop()
        return starts

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column, both counted from 1, of the character at `offset`."""
        starts = self.line_starts
        line = bisect_right(starts, offset)
        return line, offset - starts[line - 1] + 1

    def span(self, start: int, end: int) -> "Span":
        """The span between two offsets."""
        return Span(self, *self.position(start), *self.position(end))


@dataclass(frozen=True, eq=False)
class DerivedFile(SourceFile):
    """A text that was made of another file: what stands in it is said to stand in the part that it was made of.

    The text from `starts[n]` on was made of `parts[n]`; the first one starts at 0.
    """

    starts: tuple[int, ...] = (0,)
    parts: "tuple[Span, ...]" = ()

    @property
    def shown(self) -> SourceFile:
        """The other file."""
        return self.parts[0].file

    @property
    def made_of(self) -> str:
        """The text of the other file."""
        return self.shown.text

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of the part that the character at `offset` was made of."""
        part = self._find(offset)
        return part.line, part.column

    def span(self, start: int, end: int) -> "Span":
        """The part that the text from `start` on was made of."""
        return self._find(start)

    def _find(self, offset: int) -> "Span":
        return self.parts[bisect_right(self.starts, offset) - 1]


@dataclass(frozen=True)
class Span:
    """A stretch of a file. Lines and columns count from 1; the end column is exclusive."""

    file: SourceFile
    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.file.name}:{self.line}:{self.column}"
