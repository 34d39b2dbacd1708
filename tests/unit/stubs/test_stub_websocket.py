import asyncio
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect, unix_connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from anygate.stubs import EchoStub

pytestmark = pytest.mark.anyio


def converse(path: str, **options: Any) -> connect:
    return unix_connect(path, "ws://shop.test/chat", max_size=None, proxy=None, **options)


async def test_text_and_binary_come_back(socket_path: str, stub: EchoStub) -> None:
    async with converse(socket_path) as socket:
        assert socket.response is not None
        assert socket.response.headers["x-stub-backend"] == "web.shop"
        await socket.send("grüße")
        assert await socket.recv() == "grüße"
        await socket.send(b"\x00\xff")
        assert await socket.recv() == b"\x00\xff"
        await socket.send("")
        assert await socket.recv() == ""
    assert socket.close_code == 1000
    assert (stub.records[-1].method, stub.records[-1].path) == ("GET", "/chat")


@pytest.mark.parametrize("size", [65_536, 3_000_000])
async def test_a_large_message_comes_back_whole(socket_path: str, size: int) -> None:
    async with converse(socket_path) as socket:
        sent = "ü" * size
        received, _ = await asyncio.gather(socket.recv(), socket.send(sent))
        assert received == sent


async def test_a_message_sent_in_fragments_comes_back(socket_path: str) -> None:
    async with converse(socket_path) as socket:
        await socket.send(["one ", "two ", "three"])
        assert await socket.recv() == "one two three"


async def test_a_ping_gets_its_pong(socket_path: str) -> None:
    async with converse(socket_path) as socket:
        await asyncio.wait_for(await socket.ping(b"here"), 5)


async def test_the_first_subprotocol_offered_is_chosen(socket_path: str) -> None:
    async with converse(socket_path, subprotocols=[Subprotocol("chat.v2"), Subprotocol("chat")]) as socket:
        assert socket.subprotocol == "chat.v2"


async def test_a_refusal_can_be_ordered(socket_path: str) -> None:
    with pytest.raises(InvalidStatus) as raised:
        await converse(socket_path, additional_headers={"x-stub-status": "403"}).__aenter__()
    assert raised.value.response.status_code == 403


async def test_a_stop_says_goodbye(socket_path: str, stub: EchoStub) -> None:
    async with converse(socket_path) as socket:
        await stub.stop(deadline=5)
        with pytest.raises(ConnectionClosed):
            await socket.recv()
    assert isinstance(socket, ClientConnection)
    assert socket.close_code == 1001


async def test_text_that_is_not_utf_8_ends_the_conversation(socket_path: str) -> None:
    async with converse(socket_path) as socket:
        await socket.send(b"\xff", text=True)
        with pytest.raises(ConnectionClosed):
            await socket.recv()
    assert socket.close_code == 1007


@pytest.mark.parametrize(
    "headers",
    [
        b"Sec-WebSocket-Version: 13\r\n",
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n",
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    ],
)
async def test_a_handshake_that_lacks_something_is_a_400(socket_path: str, headers: bytes) -> None:
    reader, writer = await asyncio.open_unix_connection(socket_path)
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" + headers + b"\r\n")
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
    writer.close()
    await writer.wait_closed()
