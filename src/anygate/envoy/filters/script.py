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

_LUA = "envoy.extensions.filters.http.lua.v3"
_SOURCE = "script"
_FOLDER = Path(__file__).parent


def script_entry(name: str, file: str) -> ChainEntry:
    """Return the entry of a script beside this file. Without a default it does nothing where a route brings nothing."""
    return ChainEntry(name, build(f"{_LUA}.Lua", source_codes={_SOURCE: {"inline_string": _load(file)}}), True, True)


def script_settings(context: Mapping[str, Any]) -> Message:
    """Return what turns a script on for one route, with what it finds in its `filterContext`."""
    known = {name: value for name, value in context.items() if value not in (None, "", [], {})}
    settings: Message = build(f"{_LUA}.LuaPerRoute", name=_SOURCE, filter_context=known)
    return settings


@cache
def _load(file: str) -> str:
    return (_FOLDER / file).read_text(encoding="utf-8")
