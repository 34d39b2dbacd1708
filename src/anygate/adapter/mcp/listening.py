"""GET: what servers have to say unasked, of all servers in one stream."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

from anygate.adapter.mcp.egress import Answer, EgressFault
from anygate.adapter.mcp.http import EVENT_STREAM, Reply
from anygate.adapter.mcp.relaying import show_event, split_event_id
from anygate.adapter.mcp.visit import Visit, gather, is_stream, read_events
from anygate.providers.mcp.order import ServerOrder

_LAST_EVENT = "last-event-id"
_HEADERS = {"content-type": EVENT_STREAM, "cache-control": "no-cache"}
_HELD = 64


async def listen(visit: Visit) -> Reply:
    """Open the streams of all servers that have one; without any the answer is 405, as MCP wants it.

    The id of the last event names one server, whose stream then goes on where it broke off.
    """
    servers, headers = visit.servers(), {}
    last = visit.request.headers.get(_LAST_EVENT, "")
    if last:
        name, identity = split_event_id(last)
        servers = [one for one in servers if one.name == name]
        headers = {_LAST_EVENT: identity}
    streams: list[tuple[ServerOrder, Answer]] = []

    def close() -> None:
        for _, answer in streams:
            answer.close()

    async def open_one(server: ServerOrder) -> None:
        answer = await visit.open(server, "GET", headers=headers)
        if answer.status == 200 and is_stream(answer):
            streams.append((server, answer))
        else:
            answer.close()

    try:
        await gather([open_one(one) for one in servers])
    except BaseException:
        close()
        raise
    if not streams:
        return Reply(405, headers={"allow": "POST, DELETE"})
    return Reply(200, headers=dict(_HEADERS), parts=_join(streams), close=close)


async def _join(streams: list[tuple[ServerOrder, Answer]]) -> AsyncGenerator[bytes, None]:
    """The events of all streams as they come, until the last one ends."""
    events: asyncio.Queue[bytes | None] = asyncio.Queue(_HELD)

    async def pump(server: ServerOrder, answer: Answer) -> None:
        with suppress(EgressFault):
            async for event in read_events(answer):
                await events.put(show_event(server, event).encode())
        await events.put(None)

    pumps = [asyncio.create_task(pump(server, answer)) for server, answer in streams]
    try:
        left = len(pumps)
        while left:
            event = await events.get()
            if event is None:
                left -= 1
            else:
                yield event
    finally:
        for one in pumps:
            one.cancel()
