"""Requests that are for one server: calls of tools, prompts, resources, completions."""

from typing import Any

from anygate.adapter.mcp.http import EVENT_STREAM, Reply, reply_json
from anygate.adapter.mcp.messages import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    Fields,
    Message,
    MessageFault,
    raw,
    read,
    read_message,
    text_of,
    write_error,
)
from anygate.adapter.mcp.names import find_prompt, find_resource, find_tool
from anygate.adapter.mcp.relaying import relay, show_message
from anygate.adapter.mcp.selection import is_shown
from anygate.adapter.mcp.visit import ServerFault, Visit, is_stream
from anygate.providers.mcp.order import ServerOrder


async def call_tool(visit: Visit, message: Message) -> Reply:
    """`tools/call`: a tool that is not shown does not exist, one that is denied is forbidden."""
    params = message.params()
    shown = text_of(params, "name")
    found = find_tool(visit.servers(), shown)
    if found is None or not is_shown(found[0].tools, found[1]):
        return reply_json(400, write_error(message.id, INVALID_PARAMS, f"unknown tool: {shown}"))
    server, name = found
    there = read(raw({**params, "name": raw(name)}), Any, "the parameters")
    decision = visit.authorize(message.method, server, name, there)
    if not decision.allowed:
        return _forbid(visit, message, decision.missing)
    return await forward(visit, server, message, {**params, "name": raw(name)})


async def get_prompt(visit: Visit, message: Message) -> Reply:
    """`prompts/get`."""
    params = message.params()
    shown = text_of(params, "name")
    found = find_prompt(visit.servers(), shown)
    if found is None or not is_shown(found[0].prompts, found[1]):
        return reply_json(400, write_error(message.id, INVALID_PARAMS, f"unknown prompt: {shown}"))
    return await forward(visit, found[0], message, {**params, "name": raw(found[1])})


async def use_resource(visit: Visit, message: Message) -> Reply:
    """`resources/read`, `resources/subscribe` and `resources/unsubscribe`."""
    params = message.params()
    shown = text_of(params, "uri")
    found = find_resource(visit.servers(), shown)
    if found is None:
        return reply_json(400, write_error(message.id, INVALID_PARAMS, f"unknown resource: {shown}"))
    return await forward(visit, found[0], message, {**params, "uri": raw(found[1])})


async def complete(visit: Visit, message: Message) -> Reply:
    """`completion/complete`: of an argument of a prompt or of a resource template."""
    params = message.params()
    reference = read(params.get("ref", raw({})), Fields, "the reference")
    key, find = ("name", find_prompt) if "name" in reference else ("uri", find_resource)
    shown = text_of(reference, key)
    found = find(visit.servers("completions"), shown)
    if found is None or (key == "name" and not is_shown(found[0].prompts, found[1])):
        return reply_json(400, write_error(message.id, INVALID_PARAMS, f"unknown reference: {shown}"))
    changed = {**params, "ref": raw({**reference, key: raw(found[1])})}
    return await forward(visit, found[0], message, changed)


async def forward(visit: Visit, server: ServerOrder, message: Message, params: Fields) -> Reply:
    """Send a request to its server and turn its answer on, as a stream if it is one."""
    answer = await visit.open(server, "POST", message.with_fields(params=raw(params)))
    if answer.status == 200 and is_stream(answer):
        headers = {"content-type": EVENT_STREAM, "cache-control": "no-cache"}
        return Reply(200, headers=headers, parts=relay(server, answer, message.id), close=answer.close)
    try:
        body = await answer.read()
    finally:
        answer.close()
    return turn_on(server, message, answer.status, body)


def turn_on(server: ServerOrder, message: Message, status: int, body: bytes) -> Reply:
    """A server's answer that is no stream. What it refuses in JSON-RPC keeps its words, but never asks for a token:
    that is between the server and the gateway."""
    try:
        found = read_message(body)
    except MessageFault:
        found = None
    if found is not None and found.is_answer and status not in (401, 403):
        if status == 404:
            found = Message({**found.fields, "id": raw(message.id)})
        return reply_json(status if status < 500 else 502, show_message(server, found))
    if status == 404:
        text = f"the MCP server {server.name} has ended its session; begin a new one"
        return reply_json(404, write_error(message.id, INVALID_REQUEST, text))
    return refuse(message, ServerFault(server.name, f"answered {status}", status))


def refuse(message: Message, fault: ServerFault) -> Reply:
    """The answer when a server gives none."""
    return reply_json(502, write_error(message.id, INTERNAL_ERROR, str(fault)))


def _forbid(visit: Visit, message: Message, missing: tuple[str, ...]) -> Reply:
    """403 with a challenge (RFC 6750, 3.1) that says which scopes are missing."""
    reply = reply_json(403, write_error(message.id, INVALID_REQUEST, "the caller may not use this tool"))
    if visit.order.with_claims:
        parts = ['Bearer error="insufficient_scope"']
        if missing:
            parts.append(f'scope="{" ".join(missing)}"')
        if visit.order.metadata_url:
            parts.append(f'resource_metadata="{visit.order.metadata_url}"')
        parts.append('error_description="The token does not allow this tool"')
        reply.headers["www-authenticate"] = ", ".join(parts)
    return reply
