"""Stack files told from manifests, and what was written for one told from what people wrote."""

import re

from anygate.diagnostics import SourceFile

MARKER = "# managed by anygate links"
"""How every file begins that was written for a stack."""

_LINKS = re.compile(r"^links:", re.MULTILINE)
_STACK = re.compile(r"^(?:domain:.*^components:|components:.*^domain:)", re.MULTILINE | re.DOTALL)
_OBJECT = re.compile(r"^(?:apiVersion|kind):", re.MULTILINE)


def is_stack(source: SourceFile) -> bool:
    """Whether a file has the shape of a stack: links, or a domain and components, and nothing that makes an object."""
    text = source.text
    # Of the thousands of other files nearly every one is told by its first words.
    if "links:" not in text and "components:" not in text:
        return False
    return not _OBJECT.search(text) and bool(_LINKS.search(text) or _STACK.search(text))


def is_generated(source: SourceFile) -> bool:
    """Whether a file was written by `anygate links`."""
    return source.text.startswith(MARKER)
