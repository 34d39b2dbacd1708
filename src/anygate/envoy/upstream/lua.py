"""Lua scripts as Envoy's filters, and values as Lua writes them."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from anygate.envoy.api import typed

_PLAIN = frozenset(range(0x20, 0x7F)) - {ord('"'), ord("\\")}


_JSON = Path(__file__).with_name("json.lua")
SPLICING = Path(__file__).with_name("splicing.lua")
"""Functions that change JSON, which come before the scripts that do."""


@cache
def load_script(*paths: Path) -> str:
    """The text of scripts after that of the functions by which they read JSON."""
    return "\n".join(path.read_text(encoding="utf-8") for path in (_JSON, *paths))


def build_script(name: str, text: str) -> dict[str, Any]:
    """Build the entry of a filter that runs a script."""
    config = typed("envoy.extensions.filters.http.lua.v3.Lua", default_source_code={"inline_string": text})
    return {"name": name, "typed_config": config}


def render_lua(value: object) -> str:
    """A value as a Lua expression; entries that are None are left out."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + "".join(chr(each) if each in _PLAIN else f"\\{each:03d}" for each in value.encode()) + '"'
    if isinstance(value, Mapping):
        entries = (f"[{render_lua(key)}]={render_lua(each)}" for key, each in value.items() if each is not None)
        return "{" + ",".join(entries) + "}"
    if isinstance(value, Sequence):
        return "{" + ",".join(render_lua(each) for each in value) + "}"
    raise TypeError(f"{type(value).__name__} has no Lua expression")
