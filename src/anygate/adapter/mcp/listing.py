"""Lists of all servers as one: tools, prompts, resources and their templates, named as clients see them."""

from typing import Any, NamedTuple

import msgspec

from anygate.adapter.mcp.http import Reply, reply_json
from anygate.adapter.mcp.messages import (
    INVALID_REQUEST,
    Fields,
    Message,
    MessageFault,
    raw,
    read,
    write_error,
    write_result,
)
from anygate.adapter.mcp.names import show_name, show_uri
from anygate.adapter.mcp.selection import is_shown
from anygate.adapter.mcp.visit import ServerFault, Visit, gather
from anygate.providers.mcp.order import ServerOrder


class Listing(NamedTuple):
    """A method that lists something: the capability it needs, the key of its items and that of their names."""

    capability: str
    key: str
    name: str


LISTINGS = {
    "tools/list": Listing("tools", "tools", "name"),
    "prompts/list": Listing("prompts", "prompts", "name"),
    "resources/list": Listing("resources", "resources", "uri"),
    "resources/templates/list": Listing("resources", "resourceTemplates", "uriTemplate"),
}
_MOST_PAGES = 100


async def list_all(visit: Visit, message: Message) -> Reply:
    """Ask every server for all of its pages and answer with one. A server that fails is left out."""
    listing = LISTINGS[message.method]
    servers = visit.servers(listing.capability)
    params = message.params()
    params.pop("cursor", None)
    shown = read(message.fields.get("params", raw({})), Any, "the parameters")
    found = await gather([_list_pages(visit, one, message, listing, params) for one in servers])
    if any(isinstance(one, ServerFault) and one.status == 404 for one in found):
        text = "a server has ended its session; begin a new one"
        return reply_json(404, write_error(message.id, INVALID_REQUEST, text))
    items: list[Fields] = []
    for server, pages in zip(servers, found, strict=True):
        if not isinstance(pages, ServerFault):
            items.extend(_show(visit, server, one, message.method, listing, shown) for one in pages)
    return reply_json(200, write_result(message.id, {listing.key: [one for one in items if one]}))


async def _list_pages(
    visit: Visit, server: ServerOrder, message: Message, listing: Listing, params: Fields
) -> list[Fields]:
    items: list[Fields] = []
    cursor: msgspec.Raw | None = None
    for _ in range(_MOST_PAGES):
        page = {**params, "cursor": cursor} if cursor is not None else params
        answer, _ = await visit.ask(server, message.with_fields(params=page))
        if "result" not in answer.fields:
            break
        try:
            result = read(answer.fields["result"], Fields, "the result")
            items.extend(read(result.get(listing.key, raw([])), list[Fields], "the list"))
        except MessageFault as problem:
            raise ServerFault(server.name, "did not answer with a list") from problem
        cursor = result.get("nextCursor")
        if cursor is None or bytes(cursor) in (b"null", b'""'):
            break
    return items


def _show(visit: Visit, server: ServerOrder, item: Fields, method: str, listing: Listing, params: Any) -> Fields:
    """An item as clients see it; empty when they may not."""
    try:
        name = read(item[listing.name], str, "the name")
    except (KeyError, MessageFault):
        return {}
    if listing.name != "name":
        return {**item, listing.name: raw(show_uri(server, name))}
    names = server.tools if method == "tools/list" else server.prompts
    if not is_shown(names, name):
        return {}
    if method == "tools/list":
        if not visit.authorize(method, server, name, params).allowed:
            return {}
        item = _show_app(server, item)
    return {**item, "name": raw(show_name(server, name))}


def _show_app(server: ServerOrder, item: Fields) -> Fields:
    """A tool of an MCP app names a resource, under either of two keys."""
    if "_meta" not in item or b"ui" not in bytes(item["_meta"]):
        return item
    try:
        meta = read(item["_meta"], Fields, "the metadata")
        if "ui/resourceUri" in meta:
            meta["ui/resourceUri"] = raw(show_uri(server, read(meta["ui/resourceUri"], str, "the address")))
        if "ui" in meta:
            inner = read(meta["ui"], Fields, "the app")
            if "resourceUri" in inner:
                inner["resourceUri"] = raw(show_uri(server, read(inner["resourceUri"], str, "the address")))
            meta["ui"] = raw(inner)
    except MessageFault:
        return item
    return {**item, "_meta": raw(meta)}
