import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    InformationalResponseReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)

from anygate.stubs import EchoStub, RequestRecord

pytestmark = pytest.mark.anyio

HEAD = [(":method", "GET"), (":scheme", "http"), (":authority", "shop.test"), (":path", "/")]


class RawClient:
    """A client that decides itself when to read and which windows to open."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))

    @classmethod
    async def connect(cls, path: str) -> "RawClient":
        client = cls(*await asyncio.open_unix_connection(path))
        client.h2.initiate_connection()
        client.flush()
        return client

    def ask(self, stream_id: int, *headers: tuple[str, str], path: str = "/", end: bool = True) -> None:
        self.h2.send_headers(stream_id, [*HEAD[:3], (":path", path), *headers], end_stream=end)
        self.flush()

    def flush(self) -> None:
        self.writer.write(self.h2.data_to_send())

    async def read(self, *wanted: type[Event], count: int = 1) -> list[Any]:
        """Return everything received until `count` events of the wanted kinds have been seen."""
        seen: list[Any] = []
        while sum(isinstance(event, wanted) for event in seen) < count:
            chunk = await self.reader.read(65_536)
            if not chunk:
                break
            seen += self.h2.receive_data(chunk)
            self.flush()
        return seen

    async def close(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


@pytest.fixture
async def raw(socket_path: str) -> AsyncIterator[RawClient]:
    opened = await RawClient.connect(socket_path)
    yield opened
    await opened.close()


@pytest.fixture
async def client(socket_path: str) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.AsyncHTTPTransport(uds=socket_path, http1=False, http2=True)
    async with httpx2.AsyncClient(transport=transport, base_url="http://shop.test") as opened:
        yield opened


async def test_a_request_comes_back_as_json(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/cart?id=7", content=b"abc", headers={"X-User": "ann"})
    assert answer.http_version == "HTTP/2"
    assert answer.headers["x-stub-backend"] == "web.shop"
    assert answer.headers["x-stub-body-bytes"] == "3"
    echoed = answer.json()
    assert (echoed["path"], echoed["host"], echoed["proto"]) == ("/cart?id=7", "shop.test", "HTTP/2.0")
    assert echoed["headers"]["x-user"] == ["ann"]
    assert not any(name.startswith(":") for name in echoed["headers"])


async def test_streams_are_answered_side_by_side(client: httpx2.AsyncClient, stub: EchoStub) -> None:
    await client.get("/")
    slow = asyncio.create_task(client.get("/slow", headers={"x-stub-delay": "30s"}))
    answers = await asyncio.gather(*(client.get(f"/{number}") for number in range(100)))
    assert [answer.json()["path"] for answer in answers] == [f"/{number}" for number in range(100)]
    assert stub.connections == 1
    assert not slow.done()
    slow.cancel()
    await asyncio.gather(slow, return_exceptions=True)


@pytest.mark.parametrize("status", [204, 304, 404, 503])
async def test_a_status_is_obeyed(client: httpx2.AsyncClient, status: int) -> None:
    answer = await client.get("/", headers={"x-stub-status": str(status)})
    assert answer.status_code == status
    assert (answer.content == b"") == (status in (204, 304))


async def test_head_gets_no_body(client: httpx2.AsyncClient) -> None:
    assert (await client.head("/")).content == b""


async def test_large_bodies_pass_both_ways(client: httpx2.AsyncClient) -> None:
    answer = await client.post(
        "/", content=bytes(10_000_000), headers={"x-stub-body-size": "10000000", "x-stub-chunks": "9"}
    )
    assert answer.headers["x-stub-body-bytes"] == "10000000"
    assert len(answer.content) == 10_000_000
    assert answer.json()["method"] == "POST"


async def test_a_reset_ends_the_stream_and_not_the_connection(raw: RawClient) -> None:
    raw.ask(1, ("x-stub-reset", "1"))
    seen = await raw.read(StreamReset)
    assert isinstance(seen[-1], StreamReset)
    raw.ask(3)
    assert any(isinstance(event, ResponseReceived) for event in await raw.read(StreamEnded))


async def test_100_continue_is_sent(raw: RawClient) -> None:
    raw.ask(1, ("expect", "100-continue"), end=False)
    await raw.read(InformationalResponseReceived)
    raw.h2.send_data(1, b"hi", end_stream=True)
    raw.flush()
    answer = next(event for event in await raw.read(StreamEnded) if isinstance(event, ResponseReceived))
    assert {str(name): str(value) for name, value in answer.headers}["x-stub-body-bytes"] == "2"


async def test_a_stream_without_window_does_not_stall_the_others(raw: RawClient) -> None:
    raw.ask(1, ("x-stub-body-size", "65535"))
    await raw.read(StreamEnded)
    raw.h2.increment_flow_control_window(1_000_000)  # the connection may go on, stream 3 may not
    raw.ask(3, ("x-stub-body-size", "500000"))
    seen = await raw.read(DataReceived, count=4)
    assert sum(len(event.data) for event in seen if isinstance(event, DataReceived)) == 65_535
    raw.ask(5)
    ended = [event for event in await raw.read(StreamEnded) if isinstance(event, StreamEnded)]
    assert [event.stream_id for event in ended] == [5]
    raw.h2.increment_flow_control_window(1_000_000, stream_id=3)
    raw.flush()
    assert any(event.stream_id == 3 for event in await raw.read(StreamEnded) if hasattr(event, "stream_id"))


async def test_a_cancelled_stream_is_forgotten(raw: RawClient, stub: EchoStub) -> None:
    raw.ask(1, ("x-stub-delay", "1m"))
    raw.h2.reset_stream(1)
    raw.flush()
    raw.ask(3)
    await raw.read(StreamEnded)
    await raw.close()
    await stub.stop(deadline=30)


async def test_a_violation_is_a_goaway_and_the_end(raw: RawClient) -> None:
    raw.ask(1)
    await raw.read(StreamEnded)
    raw.writer.write(b"\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00")  # a window update of zero
    seen = await raw.read(ConnectionTerminated)
    assert seen[-1].error_code == 1
    assert await raw.reader.read() == b""


async def test_a_stop_says_goaway_and_completes_open_streams(
    raw: RawClient, stub: EchoStub, arrivals: asyncio.Queue[RequestRecord]
) -> None:
    raw.ask(1, ("x-stub-delay", "150ms"))
    await arrivals.get()
    stopped = asyncio.create_task(stub.stop(deadline=5))
    received = await raw.reader.read(65_536)
    while b"\x00\x00\x08\x07" not in received:  # the head of a GOAWAY frame
        received += await raw.reader.read(65_536)
    received += await raw.reader.read()
    await stopped
    assert b'"path":"/"' in received


async def test_a_client_that_drains_still_gets_its_answers(raw: RawClient, stub: EchoStub) -> None:
    raw.ask(1, ("x-stub-delay", "50ms"))
    raw.writer.write(b"\x00\x00\x08\x07\x00\x00\x00\x00\x00" + bytes(8))  # GOAWAY, no error
    assert b'"path":"/"' in await raw.reader.read()


async def test_an_upgrade_from_http_1_is_answered_on_stream_1(socket_path: str) -> None:
    client = RawClient(*await asyncio.open_unix_connection(socket_path))
    settings = (client.h2.initiate_upgrade_connection() or b"").decode()
    client.writer.write(
        f"GET /up HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade, HTTP2-Settings\r\n"
        f"Upgrade: h2c\r\nHTTP2-Settings: {settings}\r\n\r\n".encode()
    )
    head = await client.reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    client.flush()
    seen = await client.read(StreamEnded)
    body = b"".join(event.data for event in seen if isinstance(event, DataReceived))
    assert b'"path":"/up"' in body
    assert b'"proto":"HTTP/2.0"' in body
    client.ask(3, path="/next")
    seen = await client.read(StreamEnded)
    assert any(isinstance(event, DataReceived) and b'"path":"/next"' in event.data for event in seen)
    await client.close()


async def test_an_unusable_upgrade_is_answered_as_http_1(socket_path: str) -> None:
    reader, writer = await asyncio.open_unix_connection(socket_path)
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: !\r\n\r\n")
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
    writer.close()
    await writer.wait_closed()
