"""What MCP endpoints need of a chain: the method and the tool for access logs, and the challenge of a 401."""

from collections.abc import Sequence

from google.protobuf.message import Message

from anygate.envoy.api import build
from anygate.envoy.filters.filter import NO_SCOPE, ChainEntry, Scope, enable
from anygate.envoy.upstream.lua import render_lua
from anygate.model.listener import Server
from anygate.model.route import HttpRule

READING = "envoy.filters.http.mcp"
"""Also the namespace of the metadata: `method`, `id`, `params.name` and more."""

CHALLENGE = "anygate/mcp-challenge"

_LUA = "envoy.extensions.filters.http.lua.v3"
_SCRIPT = """\
local challenge = {challenge}
function envoy_on_response(handle)
  local headers = handle:headers()
  if headers:get(":status") == "401" then
    headers:replace("www-authenticate", challenge)
  end
end
"""


class McpReadingFilter:
    """Publishes what a request asks for, and decides nothing.

    Tried on Envoy 1.40: with PASS_THROUGH everything passes as it is, what is no MCP message and what is longer than
    the filter reads included; REJECT_NO_MCP refuses messages of more than 8 KiB. Of a key that stands twice it takes
    the last one, as servers do, but it reads the beginning of a body only and misses one further behind, so that
    nothing may be allowed by what it has read.
    https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/mcp_filter
    """

    def chain(self, server: Server, rules: Sequence[HttpRule]) -> list[ChainEntry]:
        """Return the entry where there is an MCP endpoint."""
        del server
        if not any(rule.mcp for rule in rules):
            return []
        config = build("envoy.extensions.filters.http.mcp.v3.Mcp", traffic_mode="PASS_THROUGH")
        return [ChainEntry(READING, config, disabled=True, inert=True)]

    def route(self, rule: HttpRule, scope: Scope = NO_SCOPE) -> dict[str, Message]:
        """Turn it on."""
        del scope
        return {READING: enable()} if rule.mcp else {}


class McpChallengeFilter:
    """Tells clients that have no token, or a bad one, where they learn how to get one (RFC 9728, 5.1).

    Tried on Envoy 1.40: a Lua filter before the one that refuses sees its answer.
    """

    def chain(self, server: Server, rules: Sequence[HttpRule]) -> list[ChainEntry]:
        """Return the entry where an MCP endpoint asks for tokens."""
        del server
        if not any(rule.mcp and rule.mcp.metadata_url for rule in rules):
            return []
        return [ChainEntry(CHALLENGE, build(f"{_LUA}.Lua"), disabled=True, inert=True)]

    def route(self, rule: HttpRule, scope: Scope = NO_SCOPE) -> dict[str, Message]:
        """Name the challenge."""
        del scope
        if rule.mcp is None or not rule.mcp.metadata_url:
            return {}
        parts = (
            'Bearer error="invalid_token"',
            'error_description="A valid access token is needed"',
            f'resource_metadata="{rule.mcp.metadata_url}"',
        )
        script = _SCRIPT.format(challenge=render_lua(", ".join(parts)))
        return {CHALLENGE: build(f"{_LUA}.LuaPerRoute", source_code={"inline_string": script})}
