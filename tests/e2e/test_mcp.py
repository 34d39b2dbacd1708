"""MCP routes with the official SDK on both sides: several servers behind one endpoint, names, filters, sessions."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from ai_gateway import _free_port
from mcp import Client, MCPError, types
from mcp_servers import Endpoint, McpUpstream, backend, mcp_route, rules_of, serving_mcp, texts
from running import gateway

JSON = {"accept": "application/json, text/event-stream", "content-type": "application/json"}


def start(endpoint: Endpoint, version: str = "2025-06-18", identity: Any = "first", **headers: str) -> httpx2.Response:
    """Begin a session without the SDK."""
    params = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    return post(endpoint, "initialize", params, identity=identity, **headers)


def post(endpoint: Endpoint, method: str, params: Any = None, identity: Any = 1, **headers: str) -> httpx2.Response:
    body = {"jsonrpc": "2.0", "id": identity, "method": method, "params": params or {}}
    return httpx2.post(endpoint.url, json=body, headers={**JSON, **headers}, timeout=30)


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[McpUpstream, McpUpstream]]:
    with McpUpstream("alpha") as alpha, McpUpstream("beta", json_response=True) as beta:
        yield alpha, beta


@pytest.fixture(scope="module")
def endpoint(servers: tuple[McpUpstream, McpUpstream]) -> Iterator[Endpoint]:
    alpha, beta = servers
    route = mcp_route(
        "alpha, toolSelector: {exclude: [size]}, forwardHeaders: [{name: x-user, backendHeader: x-on-behalf}], "
        "securityPolicy: {apiKey: {secretRef: {name: key}}}",
        "beta, toolSelector: {includeRegex: ['^(echo|si)']}, promptSelector: {exclude: [greet]}, "
        "securityPolicy: {apiKey: {inline: 'q&k', queryParam: key}}",
        "gone",
    )
    key = "apiVersion: v1\nkind: Secret\nmetadata: {name: key}\nstringData: {apiKey: abc}"
    backends = (backend("alpha", alpha.port), backend("beta", beta.port), backend("gone", _free_port()))
    with serving_mcp(gateway(), *backends, key, route) as served:
        yield served


def test_tools_of_all_servers_are_listed_with_prefixes_and_without_what_is_hidden(endpoint: Endpoint) -> None:
    async def work(client: Client) -> Any:
        return client.protocol_version, await client.list_tools()

    version, listed = endpoint.call(work)
    assert version == "2025-11-25"
    names = [tool.name for tool in listed.tools]
    assert names == ["alpha__echo", "alpha__count", "alpha__ask", "alpha__change", "beta__echo", "beta__size"]


def test_a_server_that_is_down_is_left_out(endpoint: Endpoint) -> None:
    async def work(client: Client) -> Any:
        with pytest.raises(MCPError, match="unknown tool"):
            await client.call_tool("gone__echo", {"text": "x"})
        return await client.list_prompts(), await client.list_resources()

    prompts, resources = endpoint.call(work)
    assert [one.name for one in prompts.prompts] == ["alpha__greet"]
    assert [str(one.uri) for one in resources.resources] == ["alpha+note://one", "beta+note://one"]


def test_calls_reach_their_server(endpoint: Endpoint) -> None:
    progress: list[float] = []

    async def on_progress(done: float, total: float | None, message: str | None) -> None:
        progress.append(done)

    async def work(client: Client) -> Any:
        return [
            texts(await client.call_tool("alpha__echo", {"text": "hé"})),
            texts(await client.call_tool("beta__echo", {"text": "beta__echo"})),
            texts(await client.call_tool("beta__size", {"text": "x" * 2_000_000})),
            texts(await client.call_tool("alpha__count", {"upto": 3}, progress_callback=on_progress)),
            (await client.get_prompt("alpha__greet", {"who": "me"})).messages[0].content.text,
            (await client.read_resource("alpha+note://one")).contents[0].text,
            (await client.read_resource("beta+note://one")).contents[0].text,
        ]

    assert endpoint.call(work) == [
        ["alpha: hé"],
        ["beta: beta__echo"],
        ["2000000"],
        ["done"],
        "alpha greets me",
        "a note of alpha",
        "a note of beta",
    ]
    assert progress == [0, 1, 2]


@pytest.mark.parametrize("name", ["alpha__size", "beta__count", "echo", "nobody__echo"])
def test_a_tool_that_is_not_shown_does_not_exist(endpoint: Endpoint, name: str) -> None:
    identity = start(endpoint).headers["mcp-session-id"]
    answer = post(endpoint, "tools/call", {"name": name, "arguments": {}}, **{"mcp-session-id": identity})
    assert answer.status_code == 400
    assert answer.json()["error"] == {"code": -32602, "message": f"unknown tool: {name}"}


def test_a_server_may_ask_the_client(endpoint: Endpoint) -> None:
    async def answer(context: Any, params: Any) -> types.ElicitResult:
        return types.ElicitResult(action="accept", content={"name": "ann"})

    async def work(client: Client) -> Any:
        return texts(await client.call_tool("alpha__ask", {}))

    assert endpoint.call(work, elicitation_callback=answer) == ["accept"]


def test_notifications_come_on_one_stream(endpoint: Endpoint) -> None:
    async def work(client: Client) -> Any:
        await client.call_tool("alpha__change", {})
        async with asyncio.timeout(20):
            return await told.get()

    told: asyncio.Queue[str] = asyncio.Queue()

    async def on_message(message: Any) -> None:
        if isinstance(message, types.ResourceUpdatedNotification):
            await told.put(str(message.params.uri))

    assert endpoint.call(work, message_handler=on_message) == "alpha+note://one"


def test_clients_of_later_versions_fall_back(endpoint: Endpoint) -> None:
    async def work(client: Client) -> Any:
        return client.protocol_version, texts(await client.call_tool("beta__echo", {"text": "x"}))

    assert endpoint.call(work, mode="auto") == ("2025-11-25", ["beta: x"])


@pytest.mark.parametrize(
    ("asked", "answered"), [("2025-03-26", "2025-03-26"), ("2025-11-25", "2025-11-25"), ("1999-01-01", "2025-11-25")]
)
def test_the_version_is_negotiated_and_ids_are_kept(endpoint: Endpoint, asked: str, answered: str) -> None:
    answer = start(endpoint, asked, identity="a text")
    assert answer.json()["id"] == "a text"
    assert answer.json()["result"]["protocolVersion"] == answered
    assert answer.json()["result"]["instructions"] == "alpha: I am alpha\n\nbeta: I am beta"


def test_keys_reach_their_server_and_nothing_else_does(
    endpoint: Endpoint, servers: tuple[McpUpstream, McpUpstream]
) -> None:
    for one in servers:
        one.seen.clear()
    answer = start(endpoint, authorization="Bearer mine", cookie="a=b", **{"x-user": "ann", "x-anygate-mcp": "9"})
    assert answer.status_code == 200
    alpha, beta = ([each for each in one.seen if each[0] == "POST"][-1] for one in servers)
    assert alpha[2]["authorization"] == "Bearer abc"
    assert alpha[2]["x-on-behalf"] == "ann"
    assert alpha[1] == "/mcp"
    assert beta[1] == "/mcp?key=q%26k"
    for _, _, headers in (alpha, beta):
        assert "cookie" not in headers
        assert "x-user" not in headers
        assert not [name for name in headers if name.startswith("x-anygate")]
    assert "authorization" not in beta[2]


def test_sessions_are_sealed(endpoint: Endpoint, servers: tuple[McpUpstream, McpUpstream]) -> None:
    assert post(endpoint, "tools/list").status_code == 400
    identity = start(endpoint).headers["mcp-session-id"]
    known = {headers["mcp-session-id"] for one in servers for headers in one.headers() if "mcp-session-id" in headers}
    assert not any(one in identity for one in known)
    flipped = identity[:-5] + ("A" if identity[-5] != "A" else "B") + identity[-4:]
    assert post(endpoint, "tools/list", **{"mcp-session-id": flipped}).status_code == 404
    assert post(endpoint, "tools/list", **{"mcp-session-id": identity}).status_code == 200
    deleted = httpx2.delete(endpoint.url, headers={"mcp-session-id": identity})
    assert deleted.status_code == 200
    # The servers have ended theirs, so clients learn that they have to begin again.
    assert post(endpoint, "tools/list", **{"mcp-session-id": identity}).status_code == 404


def test_what_is_no_message_is_refused(endpoint: Endpoint) -> None:
    def send(content: bytes) -> Any:
        return httpx2.post(endpoint.url, content=content, headers=JSON, timeout=30)

    assert send(b"nonsense").json()["error"]["code"] == -32700
    assert send(b"[]").json()["error"]["message"] == "batches are not supported"
    assert send(b'{"a":1}').status_code == 400
    assert send(b"{" * 100_000).status_code == 400
    assert send(b"").status_code == 400
    assert send(b"x" * 5_000_000).status_code == 413
    assert httpx2.put(endpoint.url, headers=JSON).status_code == 405


def test_bare_names_belong_to_the_server_that_lists_them(servers: tuple[McpUpstream, McpUpstream]) -> None:
    route = mcp_route(
        "alpha, prefixMode: Never, toolSelector: {include: [echo]}", "beta, toolSelector: {include: [size]}"
    )
    with serving_mcp(gateway(), *(backend(one.name, one.port) for one in servers), route) as endpoint:

        async def work(client: Client) -> Any:
            listed = await client.list_tools()
            return [tool.name for tool in listed.tools], texts(await client.call_tool("echo", {"text": "x"}))

        assert endpoint.call(work) == (["echo", "beta__size"], ["alpha: x"])


def test_without_any_server_there_is_no_session() -> None:
    with serving_mcp(gateway(), backend("gone", _free_port()), mcp_route("gone", "nobody")) as endpoint:
        answer = start(endpoint)
        assert answer.status_code == 500
        assert answer.json()["error"]["message"] == "no MCP server can be reached"
        assert rules_of(endpoint.result) == ["backend-not-found"]


def test_a_server_without_its_key_is_left_out(servers: tuple[McpUpstream, McpUpstream]) -> None:
    route = mcp_route("alpha, securityPolicy: {apiKey: {secretRef: {name: none}}}", "beta")
    with serving_mcp(gateway(), *(backend(one.name, one.port) for one in servers), route) as endpoint:
        servers[0].seen.clear()

        async def work(client: Client) -> Any:
            return {tool.name.partition("__")[0] for tool in (await client.list_tools()).tools}

        assert endpoint.call(work) == {"beta"}
        assert servers[0].seen == []
        assert rules_of(endpoint.result) == ["mcp-credential-not-found"]
