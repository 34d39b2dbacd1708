"""Values to YAML: block style, lists of plain words on one line, the same bytes for the same value."""

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import yaml

from anygate.manifests.scalars import resolve_plain

_PLAIN = re.compile(r"[A-Za-z0-9_/](?:[A-Za-z0-9_./@+=,-]|:(?=[^\s]))*(?: [A-Za-z0-9_./@+=-]+)*")
_SHORT = 100
_RESOLVERS = yaml.SafeLoader.yaml_implicit_resolvers


def render_yaml(value: dict[str, Any]) -> str:
    """A mapping as YAML that every version of YAML reads alike."""
    return "".join(f"{line}\n" for line in _render_mapping(value, ""))


def _render_mapping(value: dict[str, Any], indent: str) -> Iterator[str]:
    for key, child in value.items():
        yield from _render_entry(f"{indent}{render_scalar(key)}:", child, indent)


def _render_entry(head: str, value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, dict) and value:
        yield head
        yield from _render_mapping(value, f"{indent}  ")
    elif isinstance(value, list | tuple) and value:
        row = _render_row(value, head)
        if row is not None:
            yield row
            return
        yield head
        for item in value:
            yield from _render_item(item, indent)
    else:
        yield f"{head} {_render_leaf(value)}"


def _render_item(item: Any, indent: str) -> Iterator[str]:
    inner = f"{indent}    "
    if isinstance(item, dict) and item:
        lines = _render_mapping(item, inner)
        yield f"{indent}  - {next(lines)[len(inner) :]}"
        yield from lines
    elif isinstance(item, list | tuple) and item:
        # Nothing of ours has a list in a list, but a user's plugin may.
        yield f"{indent}  - {_render_flow(item)}"
    else:
        yield f"{indent}  - {_render_leaf(item)}"


def _render_row(value: "list[Any] | tuple[Any, ...]", head: str) -> str | None:
    """A list of scalars on the line of its key, if it is short."""
    if any(isinstance(item, dict | list | tuple) for item in value):
        return None
    row = f"{head} [{', '.join(map(_render_flow, value))}]"
    return row if len(row) <= _SHORT else None


def _render_flow(value: Any) -> str:
    """A value between brackets, where commas have a meaning."""
    if isinstance(value, dict):
        entries = (f"{_render_flow(key)}: {_render_flow(child)}" for key, child in value.items())
        return f"{{{', '.join(entries)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_render_flow, value))}]"
    text = _render_leaf(value)
    return json.dumps(value, ensure_ascii=False) if "," in text and text == value else text


def _render_leaf(value: Any) -> str:
    if isinstance(value, str):
        return render_scalar(value)
    if isinstance(value, dict):
        return "{}"
    if isinstance(value, list | tuple):
        return "[]"
    return json.dumps(value)


@lru_cache(maxsize=65536)
def render_scalar(text: str) -> str:
    """A string as a scalar: in quotes only where it would otherwise be read as something else."""
    if _PLAIN.fullmatch(text) and _is_string(text):
        return text
    if text.isprintable() and ("\\" in text or '"' in text):
        return "'" + text.replace("'", "''") + "'"
    if text.isprintable():
        return json.dumps(text, ensure_ascii=False)
    return '"' + "".join(map(_escape, text)) + '"'


def _escape(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    if char.isprintable():
        return char
    code = ord(char)
    return {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(
        char, f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    )


def _is_string(text: str) -> bool:
    """Whether YAML 1.1, YAML 1.2 and Kubernetes all read an unquoted text as that text."""
    if resolve_plain(text) != text or not isinstance(resolve_plain(text), str):
        return False
    if any(pattern.match(text) for _, pattern in _RESOLVERS.get(text[0], ())):
        return False
    try:
        float(text.replace("_", ""))
    except ValueError:
        return True
    return False
