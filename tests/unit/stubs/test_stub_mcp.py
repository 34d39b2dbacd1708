"""The simulated MCP server, with a client of the official SDK."""

import asyncio
from typing import Any

import httpx2
import pytest
from mcp import Client

from anygate.stubs import StubSpec
from anygate.stubs.echo import Backend, EchoRequest, ReceivedBody
from anygate.stubs.mcp import LARGEST_BODY, MCP
from anygate.stubs.stub import EchoStub, UnixAddress
from anygate.stubs.stub_set import StubSet

BACKEND = Backend("tools", "default")


def ask(content: bytes, method: str = "POST", *headers: tuple[str, str]) -> Any:
    request = EchoRequest(method, "/mcp", "tools", "HTTP/1.1", headers)
    return MCP.answer(BACKEND, request, ReceivedBody(len(content), content=content))


def test_a_client_of_the_sdk_finds_everything() -> None:
    async def run() -> None:
        stub = EchoStub("tools", "default", "http", answerer=MCP)
        host, port = await stub.listen()
        try:
            async with Client(f"http://{host}:{port}/any/path", mode="legacy") as client:
                assert [tool.name for tool in (await client.list_tools()).tools] == ["echo", "add"]
                echoed = await client.call_tool("echo", {"text": "hé"})
                assert echoed.content[0].text == "tools.default: hé"
                assert (await client.call_tool("add", {"a": 1, "b": 2})).content[0].text == "3"
                assert (await client.call_tool("add", {"a": 1})).is_error
                assert (await client.call_tool("none", {})).is_error
                read = await client.read_resource((await client.list_resources()).resources[0].uri)
                assert read.contents[0].text == "hello from tools.default"
                prompt = await client.get_prompt("greet", {"name": "ann"})
                assert prompt.messages[0].content.text == "tools.default greets ann"
        finally:
            await stub.stop()

    asyncio.run(run())


def test_it_is_one_of_the_stubs() -> None:
    async def run() -> None:
        spec = StubSpec("tools", "default", "http", "mcp")
        async with StubSet() as stubs:
            address = (await stubs.ensure([spec]))[spec]
            assert isinstance(address, UnixAddress)
            transport = httpx2.AsyncHTTPTransport(uds=address.path)
            async with httpx2.AsyncClient(transport=transport, base_url="http://tools") as client:
                answer = await client.post("/mcp", json={"jsonrpc": "2.0", "id": 7, "method": "ping"})
                assert answer.json() == {"jsonrpc": "2.0", "id": 7, "result": {}}

    asyncio.run(run())


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400),
        (b"nonsense", 400),
        (b"[]", 400),
        (b"{}", 202),
        (b'{"jsonrpc":"2.0","method":"notifications/initialized"}', 202),
        (b'{"jsonrpc":"2.0","id":1,"method":"none"}', 200),
        (b'{"jsonrpc":"2.0","id":1,"method":7,"params":[]}', 200),
        (b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"arguments":[]}}', 200),
        (b"x" * (LARGEST_BODY + 1), 413),
    ],
)
def test_anything_is_answered(content: bytes, status: int) -> None:
    assert ask(content).status == status


def test_other_methods_and_orders() -> None:
    assert ask(b"", "GET").status == 405
    assert ask(b"", "DELETE").status == 200
    assert ask(b"{}", "POST", ("x-stub-status", "503")).status == 503
    assert ask(b"{}", "POST", ("x-stub-status", "x")).status == 400
