"""Scripts as filters: the script stands once in the chain, and each route brings what it works on.

https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/lua_filter
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf.message import Message

from anygate.envoy.api import build
from anygate.envoy.filters.filter import ChainEntry
from anygate.envoy.upstream.lua import load_script

_LUA = "envoy.extensions.filters.http.lua.v3"
_SOURCE = "script"
_FOLDER = Path(__file__).parent


def script_entry(name: str, text: str) -> ChainEntry:
    """Return the entry of a script. Without a default it does nothing where a route brings nothing.

    A script that routes brought themselves would be compiled for each of them.
    """
    return ChainEntry(name, build(f"{_LUA}.Lua", source_codes={_SOURCE: {"inline_string": text}}), True, True)


def script_settings(context: Mapping[str, Any]) -> Message:
    """Return what turns a script on for one route, with what it finds in its `filterContext`."""
    known = {name: value for name, value in context.items() if value not in (None, "", [], {})}
    settings: Message = build(f"{_LUA}.LuaPerRoute", name=_SOURCE, filter_context=known or None)
    return settings


@cache
def plain_script(file: str) -> str:
    """The text of a script beside this file."""
    return (_FOLDER / file).read_text(encoding="utf-8")


@cache
def json_script(*files: str | Path, **words: str) -> str:
    """The text of a script that reads JSON: the last of the files, after others with functions.

    A word takes the place of its name with a dollar sign before it.
    """
    text = load_script(*(_FOLDER / file for file in files))
    for name, word in words.items():
        text = text.replace(f"${name}", word)
    return text
