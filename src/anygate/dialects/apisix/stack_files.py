"""Stack files told from manifests, and what was written for one told from what people wrote."""

import re
from collections.abc import Iterator

from anygate.diagnostics import SourceFile

MARKER = "# managed by anygate links"
"""How every file begins that was written for a stack."""

_DOCUMENTS = re.compile(r"^---", re.MULTILINE)
_KEY = re.compile(r"""^["']?(\w+)["']?\s*:""", re.MULTILINE)
_FLOW_TOKEN = re.compile(r'"(?P<quoted>(?:[^"\\]|\\.)*)"(?=\s*:)|"(?:[^"\\]|\\.)*"|(?P<plain>\w+)(?=\s*:)|[{}\[\]]')


def is_stack(source: SourceFile) -> bool:
    """Whether a document of a file has the shape of a stack: links, or a domain and components, and it is no object."""
    text = source.text
    # Of the thousands of other files nearly every one is told by its first words.
    if "links" not in text and "components" not in text:
        return False
    return any(map(_has_stack_keys, _DOCUMENTS.split(text)))


def _has_stack_keys(text: str) -> bool:
    keys = set(_list_flow_keys(text) if text.lstrip().startswith("{") else _KEY.findall(text))
    return keys.isdisjoint(("apiVersion", "kind")) and ("links" in keys or keys.issuperset(("domain", "components")))


def _list_flow_keys(text: str) -> Iterator[str]:
    """The keys of a mapping that is written in braces, as all of JSON is; also of one with mistakes."""
    depth = 0
    for found in _FLOW_TOKEN.finditer(text):
        if found[0] in "{[":
            depth += 1
        elif found[0] in "}]":
            depth -= 1
        elif depth == 1:
            yield found["quoted"] or found["plain"] or ""


def is_generated(source: SourceFile) -> bool:
    """Whether a file was written by `anygate links`."""
    return source.text.startswith(MARKER)


def is_overlay(source: SourceFile) -> bool:
    """Whether a file is the Helm overlay of a stack, which holds no objects."""
    return is_generated(source) and "apiVersion" not in _KEY.findall(source.text)
