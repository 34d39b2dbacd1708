"""How names of servers' tools, prompts and resources are shown, and found again.

Tools and prompts are `server__name`, split at the first `__`; resources `server+scheme://...`, those of MCP apps
`ui://server/...`. Without a prefix the servers' own filters say whose a tool is.
"""

from collections.abc import Iterable

from anygate.adapter.mcp.selection import is_shown
from anygate.providers.mcp.order import NamesOrder, ServerOrder

_SEPARATOR = "__"
_APPS = "ui://"


def show_name(server: ServerOrder, name: str) -> str:
    """A tool's or prompt's name as clients see it."""
    return f"{server.name}{_SEPARATOR}{name}" if server.prefixed else name


def find_tool(servers: Iterable[ServerOrder], shown: str) -> tuple[ServerOrder, str] | None:
    """The server of a tool, and the tool's name there."""
    return _find_prefixed(servers, shown) or _find_bare([(one, one.tools) for one in servers], shown)


def find_prompt(servers: Iterable[ServerOrder], shown: str) -> tuple[ServerOrder, str] | None:
    """The server of a prompt, and the prompt's name there."""
    return _find_prefixed(servers, shown) or _find_bare([(one, one.prompts) for one in servers], shown)


def _find_prefixed(servers: Iterable[ServerOrder], shown: str) -> tuple[ServerOrder, str] | None:
    prefix, separator, name = shown.partition(_SEPARATOR)
    if not separator:
        return None
    found = next((one for one in servers if one.prefixed and one.name == prefix), None)
    return None if found is None else (found, name)


def _find_bare(servers: Iterable[tuple[ServerOrder, NamesOrder | None]], shown: str) -> tuple[ServerOrder, str] | None:
    bare = [(one, names) for one, names in servers if not one.prefixed]
    listed = [one for one, names in bare if names is not None and shown in (names.include or ())]
    fitting = listed or [one for one, names in bare if is_shown(names, shown)] or [one for one, _ in bare]
    return (fitting[0], shown) if fitting else None


def show_uri(server: ServerOrder, uri: str) -> str:
    """A resource's address as clients see it."""
    if uri.startswith(_APPS):
        return f"{_APPS}{server.name}/{uri.removeprefix(_APPS)}"
    return f"{server.name}+{uri}"


def find_resource(servers: Iterable[ServerOrder], shown: str) -> tuple[ServerOrder, str] | None:
    """The server of a resource, and its address there."""
    is_app = shown.startswith(_APPS)
    name, separator, rest = shown.removeprefix(_APPS).partition("/") if is_app else shown.partition("+")
    found = next((one for one in servers if one.name == name), None)
    if not separator or found is None:
        return None
    return found, f"{_APPS}{rest}" if is_app else rest
