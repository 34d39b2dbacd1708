"""One request of a client: the route's order, the session, who calls, and how servers are asked on its behalf."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from functools import cached_property
from typing import Any

import msgspec

from anygate.adapter.mcp.authorization import NOBODY, Call, Decision, Subject, decide, read_subject
from anygate.adapter.mcp.egress import Answer, Egress, EgressFault
from anygate.adapter.mcp.events import EventDecoder
from anygate.adapter.mcp.http import EVENT_STREAM, JSON, Request
from anygate.adapter.mcp.messages import Message, MessageFault, read_message
from anygate.adapter.mcp.sessions import Session
from anygate.providers.mcp.order import CLAIMS_HEADER, HEADER, McpOrder, ServerOrder

SESSION_HEADER = "mcp-session-id"
VERSION_HEADER = "mcp-protocol-version"

_PASSED_ON = ("traceparent", "tracestate", "baggage", "x-request-id")
_NOT_FORWARDED = frozenset(
    ("host", "connection", "content-length", "transfer-encoding", "content-type", "accept", "te", "upgrade")
)
ANSWER_SECONDS = 30.0
"""How long a server may take for what all are asked at once."""

_MOST_AT_ONCE = 32


class ServerFault(Exception):  # noqa: N818 - a server's, of which the client learns
    """A server gave no usable answer; `status` is its own, 0 for none."""

    def __init__(self, server: str, text: str, status: int = 0, body: bytes = b"") -> None:
        super().__init__(f"the MCP server {server} {text}")
        self.status = status
        self.body = body


class Visit:
    """A request in progress. `session` is None until there is one."""

    def __init__(self, order: McpOrder, request: Request, egress: Egress, session: Session | None = None) -> None:
        self.order = order
        self.request = request
        self.session = session
        self._egress = egress

    @cached_property
    def subject(self) -> Subject:
        """Who calls, by the token that Envoy has checked."""
        if not self.order.with_claims:
            return NOBODY
        try:
            claims = msgspec.json.decode(self.request.headers.get(CLAIMS_HEADER, ""))
        except msgspec.DecodeError:
            return NOBODY
        return read_subject(claims) if isinstance(claims, dict) else NOBODY

    @cached_property
    def identity(self) -> str:
        """Whom a session belongs to."""
        named = self.request.headers.get(self.order.subject_header, "") if self.order.subject_header else ""
        return msgspec.json.encode((self.subject.claims.get("sub"), named)).decode()

    @cached_property
    def http(self) -> dict[str, Any]:
        """The request as expressions see it, without what is between Envoy and the gateway."""
        shown = [name for name in self.request.headers if not name.startswith(HEADER)]
        return {
            "method": self.request.method,
            "host": self.request.headers.get("host", ""),
            "path": self.request.path,
            "headers": {name: self.request.headers[name] for name in shown},
            "headers_all": {name: self.request.headers_all[name] for name in shown},
        }

    def is_selected(self, server: ServerOrder, params: Any) -> bool:
        """Whether a new session uses a server."""
        call = Call(self.http, "initialize", server.name, params=params)
        return decide(self.order.selector, call, self.subject).allowed

    def authorize(self, method: str, server: ServerOrder, tool: str, params: Any) -> Decision:
        """Whether the caller may use a tool, or see it in a list."""
        call = Call(self.http, method, server.name, tool, params)
        return decide(self.order.authorization, call, self.subject)

    def servers(self, capability: str = "") -> list[ServerOrder]:
        """The servers of the session, those that can do something if that is given."""
        known = self.session.servers if self.session is not None else {}
        return [
            one
            for one in self.order.servers
            if one.name in known and (not capability or capability in known[one.name].capabilities)
        ]

    async def open(
        self, server: ServerOrder, method: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request to a server and wait for the head of its answer; raises ServerFault."""
        try:
            return await self._egress.send(
                method, server.egress, server.path, {**self._headers(server, method), **(headers or {})}, body
            )
        except EgressFault as problem:
            raise ServerFault(server.name, "cannot be reached") from problem

    async def ask(self, server: ServerOrder, message: bytes, seconds: float = ANSWER_SECONDS) -> tuple[Message, Answer]:
        """Send a message and wait for what answers it; the answer is closed. Raises ServerFault."""
        try:
            async with asyncio.timeout(seconds):
                answer = await self.open(server, "POST", message)
                try:
                    return await _read_answer(server, answer), answer
                finally:
                    answer.close()
        except TimeoutError as problem:
            raise ServerFault(server.name, "does not answer") from problem
        except EgressFault as problem:
            raise ServerFault(server.name, "broke off its answer") from problem

    async def tell(self, server: ServerOrder, message: bytes) -> int:
        """Send a message that is not answered, and return the status; 0 for none."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await self.open(server, "POST", message)
                answer.close()
                return answer.status
        except (TimeoutError, ServerFault):
            return 0

    def _headers(self, server: ServerOrder, method: str) -> dict[str, str]:
        """What a server gets: nothing of the client's but what the route forwards to it and what traces carry."""
        source = self.request.headers
        found = {name: source[name] for name in _PASSED_ON if name in source}
        for name, there in server.forward:
            if name.lower() in source and there.lower() not in _NOT_FORWARDED:
                found[there.lower()] = source[name.lower()]
        found = {name: value for name, value in found.items() if not name.startswith("x-anygate-")}
        found["accept"] = EVENT_STREAM if method == "GET" else f"{JSON}, {EVENT_STREAM}"
        if method == "POST":
            found["content-type"] = JSON
        if self.session is not None:
            known = self.session.servers[server.name]
            found[VERSION_HEADER] = known.version
            if known.id:
                found[SESSION_HEADER] = known.id
        return found


async def gather(calls: Sequence[Any]) -> list[Any]:
    """Wait for all; what failed with ServerFault stands as the fault. Not all of very many are under way at once."""
    turns = asyncio.Semaphore(_MOST_AT_ONCE)

    async def run(call: Any) -> Any:
        async with turns:
            try:
                return await call
            except ServerFault as fault:
                return fault

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(run(call)) for call in calls]
    return [task.result() for task in tasks]


async def read_events(answer: Answer) -> AsyncGenerator[Any, None]:
    """The events of a stream; raises EgressFault."""
    decoder = EventDecoder()
    async for part in answer.parts():
        try:
            events = decoder.feed(part)
        except ValueError as problem:
            raise EgressFault(str(problem)) from problem
        for event in events:
            yield event


def is_stream(answer: Answer) -> bool:
    """Whether an answer is a stream of events."""
    return answer.headers.get("content-type", "").partition(";")[0].strip().lower() == EVENT_STREAM


async def _read_answer(server: ServerOrder, answer: Answer) -> Message:
    """The message that answers; what a stream says before it (progress, logs) is left out."""
    try:
        if answer.status != 200:
            raise ServerFault(server.name, f"answered {answer.status}", answer.status, await answer.read())
        if not is_stream(answer):
            return read_message(await answer.read())
        async for event in read_events(answer):
            if event.data:
                message = read_message(event.data)
                if message.is_answer:
                    return message
    except MessageFault as problem:
        raise ServerFault(server.name, "did not answer in JSON-RPC") from problem
    raise ServerFault(server.name, "broke off its answer")
