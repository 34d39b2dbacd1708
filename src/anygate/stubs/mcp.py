"""A simulated MCP server: two tools, a resource and a prompt, over streamable HTTP without streams."""

from collections.abc import Callable
from typing import Any

import msgspec

from anygate.stubs.echo import Answer, Backend, EchoRequest, ReceivedBody
from anygate.stubs.orders import OrderError, read_orders

LARGEST_BODY = 4 * 1024 * 1024
VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")

_JSON = ("content-type", "application/json")
_URI = "note://stub/hello"
_TEXT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
_NUMBERS = {
    "type": "object",
    "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
    "required": ["a", "b"],
}
_TOOLS = [
    {"name": "echo", "description": "Says the text again", "inputSchema": _TEXT},
    {"name": "add", "description": "Adds two numbers", "inputSchema": _NUMBERS},
]
_RESOURCES = [{"name": "hello", "uri": _URI, "mimeType": "text/plain"}]
_PROMPTS = [{"name": "greet", "description": "Greets somebody", "arguments": [{"name": "name", "required": True}]}]


class _Refusal(Exception):  # noqa: N818 - what the caller did wrong
    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class McpAnswerer:
    """Answers MCP requests at any path."""

    keeps = LARGEST_BODY + 1
    echoes = False

    def answer(self, backend: Backend, request: EchoRequest, body: ReceivedBody) -> Answer:
        """Return the answer to one message."""
        try:
            orders = read_orders(request.headers, backend.service)
        except OrderError as problem:
            return self.refuse(backend, 400, str(problem))
        if orders.status is not None and orders.status >= 400:
            return self.refuse(backend, orders.status, "as ordered")
        named = ("x-stub-backend", backend.name)
        if request.method == "DELETE":
            return Answer(200, (named,))
        if request.method != "POST":
            return Answer(405, (named, ("allow", "POST, DELETE")))
        if body.size > LARGEST_BODY:
            return self.refuse(backend, 413, "the message is too large")
        try:
            message = msgspec.json.decode(body.content)
        except msgspec.DecodeError:
            return self.refuse(backend, 400, "the body is not JSON")
        if not isinstance(message, dict):
            return self.refuse(backend, 400, "the body is not a message")
        if "id" not in message or "method" not in message:
            return Answer(202, (named,), delay=orders.delay)
        headers: tuple[tuple[str, str], ...] = (_JSON, named)
        if message["method"] == "initialize":
            headers = (*headers, ("mcp-session-id", f"stub-{backend.service}"))
        content = msgspec.json.encode({"jsonrpc": "2.0", "id": message["id"], **_reply(backend, message)})
        return Answer(200, headers, content, delay=orders.delay)

    def refuse(self, backend: Backend, status: int, reason: str) -> Answer:
        """Return an error that belongs to no message."""
        error = {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": reason}}
        return Answer(status, (_JSON, ("x-stub-backend", backend.name)), msgspec.json.encode(error))


MCP = McpAnswerer()


def _reply(backend: Backend, message: dict[str, Any]) -> dict[str, Any]:
    method, params = message["method"], message.get("params")
    work = _METHODS.get(method) if isinstance(method, str) else None
    if work is None:
        return {"error": {"code": -32601, "message": f"unknown method: {method}"}}
    try:
        return {"result": work(backend, params if isinstance(params, dict) else {})}
    except _Refusal as refusal:
        return {"error": {"code": refusal.code, "message": str(refusal)}}


def _initialize(backend: Backend, params: dict[str, Any]) -> dict[str, Any]:
    asked = params.get("protocolVersion")
    return {
        "protocolVersion": asked if asked in VERSIONS else VERSIONS[-1],
        "capabilities": {"tools": {}, "resources": {}, "prompts": {}},
        "serverInfo": {"name": f"{backend.name} (stub)", "version": "1"},
    }


def _call(backend: Backend, params: dict[str, Any]) -> dict[str, Any]:
    given = params.get("arguments")
    arguments = given if isinstance(given, dict) else {}
    if params.get("name") == "echo":
        return _say(f"{backend.name}: {arguments.get('text', '')}")
    if params.get("name") == "add":
        a, b = arguments.get("a"), arguments.get("b")
        if not isinstance(a, int | float) or not isinstance(b, int | float):
            return {**_say("a and b must be numbers"), "isError": True}
        return _say(str(a + b))
    return {**_say(f"unknown tool: {params.get('name')}"), "isError": True}


def _say(text: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text}]}


def _read(backend: Backend, params: dict[str, Any]) -> dict[str, Any]:
    if params.get("uri") != _URI:
        raise _Refusal(-32002, f"there is no resource {params.get('uri')}")
    return {"contents": [{"uri": _URI, "mimeType": "text/plain", "text": f"hello from {backend.name}"}]}


def _prompt(backend: Backend, params: dict[str, Any]) -> dict[str, Any]:
    if params.get("name") != "greet":
        raise _Refusal(-32602, f"there is no prompt {params.get('name')}")
    given = params.get("arguments")
    name = given.get("name", "you") if isinstance(given, dict) else "you"
    content = {"type": "text", "text": f"{backend.name} greets {name}"}
    return {"messages": [{"role": "user", "content": content}]}


_METHODS: dict[str, Callable[[Backend, dict[str, Any]], dict[str, Any]]] = {
    "initialize": _initialize,
    "ping": lambda backend, params: {},
    "tools/list": lambda backend, params: {"tools": _TOOLS},
    "tools/call": _call,
    "resources/list": lambda backend, params: {"resources": _RESOURCES},
    "resources/templates/list": lambda backend, params: {"resourceTemplates": []},
    "resources/read": _read,
    "prompts/list": lambda backend, params: {"prompts": _PROMPTS},
    "prompts/get": _prompt,
}
