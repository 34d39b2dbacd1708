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


def script_entry(name: str, file: str) -> ChainEntry:
    """Return the entry of a script beside this file. Without a default it does nothing where a route brings nothing."""
    return _entry(name, _load(file))


def json_script_entry(name: str, *files: str) -> ChainEntry:
    """Return the entry of a script that reads JSON; the last of the files has it, after others with functions."""
    return _entry(name, load_script(*(_FOLDER / file for file in files)))


def script_settings(context: Mapping[str, Any]) -> Message:
    """Return what turns a script on for one route, with what it finds in its `filterContext`."""
    known = {name: value for name, value in context.items() if value not in (None, "", [], {})}
    settings: Message = build(f"{_LUA}.LuaPerRoute", name=_SOURCE, filter_context=known)
    return settings


def _entry(name: str, text: str) -> ChainEntry:
    return ChainEntry(name, build(f"{_LUA}.Lua", source_codes={_SOURCE: {"inline_string": text}}), True, True)


@cache
def _load(file: str) -> str:
    return (_FOLDER / file).read_text(encoding="utf-8")
