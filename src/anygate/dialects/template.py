"""Starting manifests: text with `${placeholders}`, and lines that only some options bring in.

A template is YAML in which a line may begin with a mark:

    #?NAME|text    the text when NAME was asked for, else the text as a comment
    #!NAME|text    the text when NAME was asked for, else nothing; the text may have a mark of its own
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from itertools import groupby
from string import Template as Text

_MARK = re.compile(r"#(?P<mark>[?!])(?P<name>[a-z-]+)\|(?P<text>.*)")


@dataclass(frozen=True)
class Template:
    """A starting manifest of one kind.

    `options` are the placeholders that a user may fill, each with what stands there otherwise; that may name other
    placeholders. `parts` are what `--with` may bring in, and `default_part` is what it brings in unless asked.
    """

    kind: str
    purpose: str
    file: Traversable
    short: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    derived: Mapping[str, str] = field(default_factory=dict)
    parts: tuple[str, ...] = ()
    default_part: str = ""
    namespaced: bool = True

    def list_options(self) -> str:
        """The options of `new` that make sense here, for people."""
        options = [f"--{name}" for name in self.options]
        options += ["--namespace"] if self.namespaced else []
        options += [f"--with {'|'.join(self.parts)}"] if self.parts else []
        return ", ".join(options) or "no options"

    def render(self, values: Mapping[str, str], wanted: Collection[str]) -> str:
        """Fill the placeholders; `wanted` are the options and parts that were asked for."""
        lines = self.file.read_text("utf-8").splitlines()
        text = "\n".join(_choose_lines(lines, wanted)) + "\n"
        return "".join(_fill(line, values) for line in text.splitlines(keepends=True))


def _choose_lines(lines: list[str], wanted: Collection[str]) -> Iterator[str]:
    for (mark, name), block in groupby(lines, _read_mark):
        texts = [line.partition("|")[2] if mark else line for line in block]
        if not mark or name in wanted:
            yield from _choose_lines(texts, wanted) if mark else texts
        elif mark == "?":
            yield from _comment_out(texts)


def _read_mark(line: str) -> tuple[str, str]:
    found = _MARK.fullmatch(line)
    return (found["mark"], found["name"]) if found else ("", "")


def _comment_out(texts: list[str]) -> Iterator[str]:
    indent = min(len(text) - len(text.lstrip()) for text in texts)
    for text in texts:
        yield f"{text[:indent]}# {text[indent:]}"


def _fill(line: str, values: Mapping[str, str]) -> str:
    """Fill one line; further lines of a value get the same indent."""
    indent = line[: len(line) - len(line.lstrip(" "))]
    return Text(line).substitute({name: value.replace("\n", f"\n{indent}") for name, value in values.items()})
