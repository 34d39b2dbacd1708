"""Which names of a server are shown."""

from anygate.providers.mcp.order import NamesOrder
from anygate.providers.mcp.patterns import is_found


def is_shown(names: NamesOrder | None, name: str) -> bool:
    """Whether a tool or prompt may be seen and used; what is excluded never may."""
    if names is None:
        return True
    if name in (names.exclude or ()) or any(is_found(one, name) for one in names.exclude_regex or ()):
        return False
    if names.include is not None:
        return name in names.include
    if names.include_regex is not None:
        return any(is_found(one, name) for one in names.include_regex)
    return True
