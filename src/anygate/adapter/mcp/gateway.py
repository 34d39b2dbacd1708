"""The gateway: a request of a client to its answer."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from anygate.adapter.mcp.beginning import begin
from anygate.adapter.mcp.calling import call_tool, complete, get_prompt, refuse, use_resource
from anygate.adapter.mcp.egress import Egress, EgressFault
from anygate.adapter.mcp.http import Reply, Request, reply_json
from anygate.adapter.mcp.listening import listen
from anygate.adapter.mcp.listing import LISTINGS, list_all
from anygate.adapter.mcp.messages import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    Message,
    MessageFault,
    raw,
    read_message,
    write_error,
    write_result,
)
from anygate.adapter.mcp.relaying import split_id
from anygate.adapter.mcp.sessions import Sessions
from anygate.adapter.mcp.visit import SESSION_HEADER, ServerFault, Visit, gather
from anygate.providers.mcp.order import McpOrder, OrderFault, join_order, read_order

_LOG = logging.getLogger(__name__)
_MOST_ORDERS = 256

_ONE_SERVER: dict[str, Callable[[Visit, Message], Awaitable[Reply]]] = {
    "tools/call": call_tool,
    "prompts/get": get_prompt,
    "resources/read": use_resource,
    "resources/subscribe": use_resource,
    "resources/unsubscribe": use_resource,
    "completion/complete": complete,
}


class Gateway:
    """Answers requests; it keeps nothing of them."""

    def __init__(self, egress: Egress, sessions: Sessions) -> None:
        self._egress = egress
        self._sessions = sessions
        self._orders: dict[str, McpOrder] = {}

    async def answer(self, request: Request) -> Reply:
        """Answer a request, whatever is wrong with it."""
        try:
            visit = Visit(self._order(request), request, self._egress)
            if request.method == "POST":
                return await self._post(visit)
            if request.method not in ("GET", "DELETE"):
                return Reply(405, headers={"allow": "GET, POST, DELETE"})
            refusal = self._resume(visit, None)
            if refusal is not None:
                return refusal
            return await (listen(visit) if request.method == "GET" else _end(visit))
        except OrderFault:
            return reply_json(500, write_error(None, INTERNAL_ERROR, "the route is not known"))
        except Exception as problem:
            # Neither the message of the exception nor its place: both could quote the request.
            _LOG.error("a request failed: %s", type(problem).__name__)
            return reply_json(500, write_error(None, INTERNAL_ERROR, "the gateway failed"))

    async def _post(self, visit: Visit) -> Reply:
        try:
            message = read_message(visit.request.body)
        except MessageFault as fault:
            return reply_json(400, write_error(None, fault.code, str(fault)))
        try:
            if message.method == "initialize" and message.is_request:
                return await begin(visit, message, self._sessions)
            refusal = self._resume(visit, message.id)
            if refusal is not None:
                return refusal
            if message.is_answer:
                return await _return_answer(visit, message)
            if not message.is_request:
                return await _notify(visit, message)
            return await _serve(visit, message)
        except MessageFault as fault:
            return reply_json(400, write_error(message.id, fault.code, str(fault)))
        except ServerFault as fault:
            return refuse(message, fault)
        except EgressFault as fault:
            return reply_json(502, write_error(message.id, INTERNAL_ERROR, str(fault)))

    def _order(self, request: Request) -> McpOrder:
        text = join_order(request.headers)
        found = self._orders.get(text)
        if found is None:
            if len(self._orders) >= _MOST_ORDERS:
                self._orders.clear()
            found = self._orders[text] = read_order(text)
        return found

    def _resume(self, visit: Visit, identity: Any) -> Reply | None:
        """Take the session up again; without one the request is refused."""
        shown = visit.request.headers.get(SESSION_HEADER)
        if not shown:
            return reply_json(400, write_error(identity, INVALID_REQUEST, "the session id is missing"))
        visit.session = self._sessions.open(shown, visit.order.route, visit.identity)
        if visit.session is None:
            return reply_json(404, write_error(identity, INVALID_REQUEST, "there is no such session"))
        return None


async def _serve(visit: Visit, message: Message) -> Reply:
    if message.method in LISTINGS:
        return await list_all(visit, message)
    if message.method in _ONE_SERVER:
        return await _ONE_SERVER[message.method](visit, message)
    if message.method == "ping":
        return reply_json(200, write_result(message.id, {}))
    if message.method == "logging/setLevel":
        await gather([visit.ask(one, message.encoded()) for one in visit.servers("logging")])
        return reply_json(200, write_result(message.id, {}))
    return reply_json(404, write_error(message.id, METHOD_NOT_FOUND, f"unknown method: {message.method}"))


async def _return_answer(visit: Visit, message: Message) -> Reply:
    """Take a client's answer to the server that asked."""
    found = split_id(message.id)
    server = next((one for one in visit.servers() if found is not None and one.name == found[0]), None)
    if found is None or server is None:
        return reply_json(400, write_error(None, INVALID_REQUEST, "nobody asked what this answers"))
    status = await visit.tell(server, message.with_fields(id=raw(found[1])))
    return Reply(202) if status in (200, 202, 204) else Reply(502)


async def _notify(visit: Visit, message: Message) -> Reply:
    """Tell every server. One does not mind what is about another: ids and tokens it does not know are skipped."""
    await gather([visit.tell(one, message.encoded()) for one in visit.servers()])
    return Reply(202)


async def _end(visit: Visit) -> Reply:
    """End the session at every server; those that cannot end one are left to forget it."""

    async def end(server: Any) -> None:
        answer = await visit.open(server, "DELETE")
        answer.close()

    await gather([end(one) for one in visit.servers()])
    return Reply(200)
