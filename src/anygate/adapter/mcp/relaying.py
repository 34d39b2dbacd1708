"""What servers say, as clients see it: names of resources, and ids that lead an answer back to its server."""

import json
from collections.abc import AsyncGenerator

from anygate.adapter.mcp.egress import Answer, EgressFault
from anygate.adapter.mcp.events import Event
from anygate.adapter.mcp.messages import (
    INTERNAL_ERROR,
    Fields,
    Message,
    MessageFault,
    raw,
    read,
    read_message,
    write_error,
)
from anygate.adapter.mcp.names import show_uri
from anygate.adapter.mcp.visit import read_events
from anygate.providers.mcp.order import ServerOrder

_BETWEEN = "/"


def show_message(server: ServerOrder, message: Message) -> bytes:
    """A server's message for the client."""
    if message.is_answer:
        return _show_answer(server, message)
    changed: Fields = {}
    if message.is_request:
        changed["id"] = raw(join_id(server, message))
    if message.method == "notifications/resources/updated":
        params = message.params()
        if "uri" in params:
            params["uri"] = raw(show_uri(server, read(params["uri"], str, "the address")))
            changed["params"] = raw(params)
    return message.with_fields(**changed)


def join_id(server: ServerOrder, message: Message) -> str:
    """The id under which a client learns of a server's request."""
    return f"{server.name}{_BETWEEN}{json.dumps(message.id)}"


def split_id(shown: object) -> tuple[str, str | int | float] | None:
    """The server and its own id; None for what is no id of ours."""
    if not isinstance(shown, str):
        return None
    server, between, rest = shown.partition(_BETWEEN)
    try:
        found = json.loads(rest) if between else None
    except (ValueError, RecursionError):
        return None
    if isinstance(found, bool) or not isinstance(found, str | int | float):
        return None
    return server, found


def _show_answer(server: ServerOrder, message: Message) -> bytes:
    """Results name resources in `content` (tools), `messages` (prompts) and `contents` (resources)."""
    found = message.fields.get("result")
    if found is None or b'"uri"' not in bytes(found):
        return message.encoded()
    try:
        result = read(found, Fields, "the result")
        if "content" in result:
            parts = read(result["content"], list[Fields], "the content")
            result["content"] = raw([_show_part(server, one) for one in parts])
        if "contents" in result:
            parts = read(result["contents"], list[Fields], "the contents")
            result["contents"] = raw([_show_uri_of(server, one) for one in parts])
        if "messages" in result:
            lines = read(result["messages"], list[Fields], "the messages")
            result["messages"] = raw([_show_line(server, one) for one in lines])
    except MessageFault:
        return message.encoded()
    return message.with_fields(result=raw(result))


def _show_line(server: ServerOrder, line: Fields) -> Fields:
    if "content" not in line:
        return line
    return {**line, "content": raw(_show_part(server, read(line["content"], Fields, "the content")))}


def _show_part(server: ServerOrder, part: Fields) -> Fields:
    if "resource" in part:
        inner = read(part["resource"], Fields, "the resource")
        return {**part, "resource": raw(_show_uri_of(server, inner))}
    return _show_uri_of(server, part)


def _show_uri_of(server: ServerOrder, part: Fields) -> Fields:
    if "uri" not in part:
        return part
    return {**part, "uri": raw(show_uri(server, read(part["uri"], str, "the address")))}


def show_event(server: ServerOrder, event: Event) -> Event:
    """An event of a server for the client: its id says which server to ask to go on."""
    identity = None if event.id is None else f"{server.name}{_BETWEEN}{event.id}"
    if not event.data:
        return event._replace(id=identity)
    try:
        return event._replace(id=identity, data=show_message(server, read_message(event.data)))
    except MessageFault:
        return event._replace(id=identity)


def split_event_id(shown: str) -> tuple[str, str]:
    """The server of an event and its own id."""
    server, _, identity = shown.partition(_BETWEEN)
    return server, identity


async def relay(server: ServerOrder, answer: Answer, identity: object) -> AsyncGenerator[bytes, None]:
    """A server's stream that answers a request; one that breaks off without a way to go on ends with an error."""
    can_go_on = is_answered = False
    try:
        async for event in read_events(answer):
            shown = show_event(server, event)
            can_go_on = can_go_on or bool(event.id)
            is_answered = is_answered or b'"method"' not in event.data
            yield shown.encode()
    except EgressFault:
        pass
    finally:
        answer.close()
    if not can_go_on and not is_answered:
        text = f"the MCP server {server.name} broke off its answer"
        yield Event(write_error(identity, INTERNAL_ERROR, text), "message").encode()
