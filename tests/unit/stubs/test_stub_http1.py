import asyncio
import hashlib
import json
import tracemalloc
from collections.abc import AsyncIterator

import httpx2
import pytest

from anygate.stubs import EchoStub, RequestRecord

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client(socket_path: str) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.AsyncHTTPTransport(uds=socket_path)
    async with httpx2.AsyncClient(transport=transport, base_url="http://shop.test") as opened:
        yield opened


async def exchange(socket_path: str, sent: bytes) -> bytes:
    """Send bytes, stop sending, and return everything that comes back."""
    reader, writer = await asyncio.open_unix_connection(socket_path)
    writer.write(sent)
    writer.write_eof()
    received = await reader.read()
    writer.close()
    await writer.wait_closed()
    return received


async def test_a_request_comes_back_as_json(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/cart?id=7", headers={"X-User": "ann"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-stub-backend"] == "web.shop"
    echoed = answer.json()
    assert list(echoed) == ["service", "namespace", "pod", "path", "host", "method", "proto", "headers"]
    assert (echoed["path"], echoed["host"], echoed["proto"]) == ("/cart?id=7", "shop.test", "HTTP/1.1")
    assert echoed["headers"]["X-User"] == ["ann"]


async def test_one_connection_serves_many_requests(client: httpx2.AsyncClient, stub: EchoStub) -> None:
    for number in range(5):
        assert (await client.get(f"/{number}")).json()["path"] == f"/{number}"
    assert stub.connections == 1
    assert stub.requests == 5


async def test_head_has_the_head_of_get_and_no_body(client: httpx2.AsyncClient) -> None:
    answer = await client.head("/")
    assert answer.status_code == 200
    assert int(answer.headers["content-length"]) > 100
    assert answer.content == b""


@pytest.mark.parametrize("status", [201, 204, 205, 302, 304, 404, 429, 503, 599])
async def test_a_status_is_obeyed(client: httpx2.AsyncClient, status: int) -> None:
    answer = await client.get("/", headers={"x-stub-status": str(status)})
    assert answer.status_code == status
    assert (await client.get("/next")).json()["path"] == "/next"


async def test_a_delay_is_obeyed(client: httpx2.AsyncClient) -> None:
    started = asyncio.get_running_loop().time()
    await client.get("/", headers={"x-stub-delay": "120ms"})
    assert asyncio.get_running_loop().time() - started >= 0.12


async def test_chunks_are_sent_as_ordered(socket_path: str) -> None:
    received = await exchange(
        socket_path, b"GET / HTTP/1.1\r\nHost: a\r\nx-stub-chunks: 3\r\nConnection: close\r\n\r\n"
    )
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"transfer-encoding: chunked" in head.lower()
    sizes = [int(line, 16) for line in body.split(b"\r\n")[::2] if line]
    assert len(sizes) == 4
    assert sizes[-1] == 0


async def test_a_reset_drops_the_connection_unanswered(client: httpx2.AsyncClient) -> None:
    with pytest.raises(httpx2.RemoteProtocolError):
        await client.get("/", headers={"x-stub-reset": "1"})


async def test_pipelined_requests_are_answered_in_order(socket_path: str) -> None:
    slow = b"GET /1 HTTP/1.1\r\nHost: a\r\nx-stub-delay: 50ms\r\n\r\n"
    quick = b"POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
    last = b"GET /3 HTTP/1.1\r\nHost: a\r\n\r\n"
    received = await exchange(socket_path, slow + quick + last)
    assert [part[:4] for part in received.split(b'"path":"')[1:]] == [b'/1",', b'/2",', b'/3",']


async def test_a_body_is_awaited_only_after_100_continue(socket_path: str) -> None:
    reader, writer = await asyncio.open_unix_connection(socket_path)
    writer.write(b"PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"hi")
    head = await reader.readuntil(b"\r\n\r\n")
    assert b"x-stub-body-bytes: 2" in head
    writer.close()
    await writer.wait_closed()


async def test_http_1_0_is_answered_and_closed(socket_path: str) -> None:
    received = await exchange(socket_path, b"GET /old HTTP/1.0\r\n\r\n")
    assert json.loads(received.partition(b"\r\n\r\n")[2])["proto"] == "HTTP/1.0"


@pytest.mark.parametrize(
    "sent",
    [
        b"garbage\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nBad Header: 1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab",
        b"PRI * HTT",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
async def test_malformed_input_is_a_400_and_the_end(socket_path: str, sent: bytes) -> None:
    received = await exchange(socket_path, sent)
    assert received.startswith(b"HTTP/1.1 400 ")
    assert b"connection: close" in received.lower()


async def test_a_false_http_2_preface_is_a_505(socket_path: str) -> None:
    received = await exchange(socket_path, b"PRI * HTTP/2.0\r\n\r\nNO\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 505 ")


async def test_a_head_too_large_is_a_431(socket_path: str) -> None:
    received = await exchange(socket_path, b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 100_000)
    assert received.startswith(b"HTTP/1.1 431 ")


async def test_connect_is_refused(socket_path: str) -> None:
    received = await exchange(socket_path, b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 501 ")


async def test_fifty_megabytes_pass_through_little_memory(client: httpx2.AsyncClient) -> None:
    block = bytes(500_000)

    async def blocks() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield block

    tracemalloc.start()
    try:
        answer = await client.post("/", content=blocks())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert answer.headers["x-stub-body-bytes"] == "50000000"
    assert answer.headers["x-stub-body-sha256"] == hashlib.sha256(bytes(50_000_000)).hexdigest()
    assert peak < 8_000_000


async def test_an_answer_that_nobody_reads_does_not_pile_up(socket_path: str, stub: EchoStub) -> None:
    reader, writer = await asyncio.open_unix_connection(socket_path, limit=4096)
    tracemalloc.start()
    try:
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nx-stub-body-size: 100000000\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        other_reader, other_writer = await asyncio.open_unix_connection(socket_path)
        other_writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert (await other_reader.read()).startswith(b"HTTP/1.1 200 OK")
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()
    for opened in (writer, other_writer):
        opened.transport.abort()
    assert stub.requests == 2


async def test_a_stop_completes_what_is_in_progress(
    client: httpx2.AsyncClient,
    stub: EchoStub,
    arrivals: asyncio.Queue[RequestRecord],
    socket_path: str,
) -> None:
    idle_reader, idle_writer = await asyncio.open_unix_connection(socket_path)
    arrived = asyncio.create_task(client.get("/slow", headers={"x-stub-delay": "150ms"}))
    await arrivals.get()
    await stub.stop(deadline=5)
    answer = await arrived
    assert answer.json()["path"] == "/slow"
    assert answer.headers["connection"] == "close"
    assert await idle_reader.read() == b""
    idle_writer.close()
    assert stub.connections == 0
    with pytest.raises(OSError):
        await asyncio.open_unix_connection(socket_path)


async def test_a_stop_drops_what_outlasts_the_deadline(
    client: httpx2.AsyncClient, stub: EchoStub, arrivals: asyncio.Queue[RequestRecord]
) -> None:
    arrived = asyncio.create_task(client.get("/", headers={"x-stub-delay": "1m"}))
    await arrivals.get()
    await stub.stop(deadline=0.05)
    with pytest.raises(httpx2.HTTPError):
        await arrived


async def test_records_tell_what_arrived(client: httpx2.AsyncClient, stub: EchoStub) -> None:
    for number in range(120):
        await client.post(f"/{number}", content=b"ab", headers={"x-n": str(number)})
    assert stub.requests == 120
    assert len(stub.records) == 100
    last = stub.records[-1]
    assert (last.method, last.path, last.host, last.backend) == ("POST", "/119", "shop.test", "web.shop")
    assert ("x-n", "119") in last.headers
    assert last.body_bytes == 2
