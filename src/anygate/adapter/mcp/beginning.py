"""`initialize`: a session at every server that is there and that the caller may use."""

from typing import Any

import msgspec

from anygate.adapter.mcp.http import Reply, reply_json
from anygate.adapter.mcp.messages import INTERNAL_ERROR, INVALID_REQUEST, Message, raw, read, write_error, write_result
from anygate.adapter.mcp.sessions import ServerSession, Session, Sessions
from anygate.adapter.mcp.visit import SESSION_HEADER, Visit, gather
from anygate.providers.mcp.order import ServerOrder

VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
"""The protocol versions that begin with `initialize`, oldest first. Clients of later ones fall back to these."""

_PATIENCE = 10.0
"""Seconds that a server has to begin a session before it is left out of it."""

_INFO = {"name": "anygate", "version": "1"}
_FLAGS = {"tools": ("listChanged",), "prompts": ("listChanged",), "resources": ("subscribe", "listChanged")}
_PLAIN = ("logging", "completions")


async def begin(visit: Visit, message: Message, sessions: Sessions) -> Reply:
    """Begin a session. Servers that fail are left out of it; when all do, there is none."""
    params = message.params()
    shown = read(message.fields.get("params", raw({})), Any, "the parameters")
    wanted = [one for one in visit.order.servers if visit.is_selected(one, shown)]
    if visit.order.servers and not wanted:
        text = "no MCP server may be used by this caller"
        return reply_json(403, write_error(message.id, INVALID_REQUEST, text))
    offered = params.get("protocolVersion")
    asked = read(offered, str, "the protocol version") if offered is not None else ""
    version = asked if asked in VERSIONS else VERSIONS[-1]
    body = message.with_fields(params={**params, "protocolVersion": raw(version)})
    answers = await gather([_begin_one(visit, one, body) for one in wanted])
    begun = {one.name: found for one, found in zip(wanted, answers, strict=True) if isinstance(found, _Begun)}
    if not begun:
        return reply_json(500, write_error(message.id, INTERNAL_ERROR, "no MCP server can be reached"))
    session = Session(version, {name: one.session for name, one in begun.items()})
    identity = sessions.seal(session, visit.order.route, visit.identity)
    result = {
        "protocolVersion": version,
        "capabilities": _join_capabilities([one.capabilities for one in begun.values()]),
        "serverInfo": _INFO,
    }
    instructions = [f"{name}: {one.instructions}" for name, one in begun.items() if one.instructions]
    if instructions:
        result["instructions"] = "\n\n".join(instructions)
    return reply_json(200, write_result(message.id, result), **{SESSION_HEADER: identity})


class _Begun(msgspec.Struct):
    session: ServerSession
    capabilities: dict[str, Any]
    instructions: str


async def _begin_one(visit: Visit, server: ServerOrder, body: bytes) -> _Begun | None:
    """Begin a session at one server; None when it refuses or speaks no version that is known here."""
    message, answer = await visit.ask(server, body, _PATIENCE)
    found = message.fields.get("result")
    result = read(found, Any, "the result") if found is not None else None
    if not isinstance(result, dict) or result.get("protocolVersion") not in VERSIONS:
        return None
    capabilities = result.get("capabilities")
    capabilities = capabilities if isinstance(capabilities, dict) else {}
    known = tuple(name for name in (*_FLAGS, *_PLAIN) if name in capabilities)
    identity = answer.headers.get(SESSION_HEADER, "")
    instructions = result.get("instructions")
    return _Begun(
        ServerSession(identity, str(result["protocolVersion"]), known),
        capabilities,
        instructions if isinstance(instructions, str) else "",
    )


def _join_capabilities(found: list[dict[str, Any]]) -> dict[str, Any]:
    """What any of the servers can do."""
    joined: dict[str, Any] = {}
    for name, flags in _FLAGS.items():
        those = [one[name] for one in found if isinstance(one.get(name), dict)]
        if those:
            joined[name] = {flag: True for flag in flags if any(one.get(flag) is True for one in those)}
    for name in _PLAIN:
        if any(name in one for one in found):
            joined[name] = {}
    return joined
