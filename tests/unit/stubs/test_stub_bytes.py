"""TCP and UDP stubs, and what every stub makes of arbitrary bytes."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from anygate.stubs import EchoStub, UdpAddress
from anygate.stubs.echo import Backend
from anygate.stubs.open_connections import OpenConnections
from anygate.stubs.request_log import RequestLog
from anygate.stubs.wire import H2_PREFACE, Wire

pytestmark = pytest.mark.anyio


async def test_tcp_bytes_come_back_before_the_end(quiet_loop: None, tmp_path: Path) -> None:
    stub = EchoStub("db", "shop", "tcp")
    await stub.start(tmp_path / "db.sock")
    reader, writer = await asyncio.open_unix_connection(tmp_path / "db.sock")
    writer.write(b"x")
    assert await reader.readexactly(1) == b"x"
    sent = bytes(range(256)) * 20_000

    async def send() -> None:
        writer.write(sent)
        await writer.drain()
        writer.write_eof()

    received, _ = await asyncio.gather(reader.read(), send())
    assert received == sent
    writer.close()
    await stub.stop()
    assert stub.requests == 1


async def test_tcp_tells_its_name_when_asked(quiet_loop: None, tmp_path: Path) -> None:
    stub = EchoStub("db", "shop", "tcp")
    await stub.start(tmp_path / "db.sock")
    reader, writer = await asyncio.open_unix_connection(tmp_path / "db.sock")
    writer.write(b"x-stub?\n")
    assert await reader.readline() == b"db.shop\n"
    writer.write(b"x-stub?\n")
    assert await reader.readline() == b"x-stub?\n"
    await stub.stop()
    assert await reader.read() == b""
    writer.close()


class Collector(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.received: asyncio.Queue[bytes] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.received.put_nowait(data)


async def test_udp_datagrams_come_back(quiet_loop: None) -> None:
    stub = EchoStub("dns", "shop", "udp")
    address = await stub.start()
    assert isinstance(address, UdpAddress)
    assert address.host == "127.0.0.1"
    transport, collector = await asyncio.get_running_loop().create_datagram_endpoint(
        Collector, remote_addr=(address.host, address.port)
    )
    for sent, expected in [(b"hello", b"hello"), (b"x-stub?\n", b"dns.shop\n")]:
        transport.sendto(sent)
        assert await asyncio.wait_for(collector.received.get(), 5) == expected
    transport.close()
    await stub.stop()
    assert stub.requests == 2


class Pipe(asyncio.Transport):
    """Keeps what is written, as a socket's peer would see it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closed
        self.written += data

    def close(self) -> None:
        self.closed = True

    abort = close

    def pause_reading(self) -> None:
        pass

    resume_reading = pause_reading


HTTP1 = b"POST /a HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
KEY = b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
FRAME_HEAD = st.builds(
    lambda length, kind, flags, stream: length.to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big"),
    st.integers(0, 20),
    st.integers(0, 10),
    st.integers(0, 255),
    st.integers(0, 5),
)
PIECES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([H2_PREFACE, HTTP1, HTTP1.replace(b"POST", b"GET") + KEY, b"\r\n", b"\r\n\r\n", b"5\r\n"]),
    st.builds(lambda head, rest: head + rest, FRAME_HEAD, st.binary(max_size=20)),
)
UNKNOWN_SETTING = b"HTTP2-Settings: AAQ_____\r\n\r\n"  # a window larger than allowed


@given(st.lists(PIECES, max_size=12), st.booleans())
@example([b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n" + UNKNOWN_SETTING], False)
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_taken(pieces: list[bytes], finish: bool) -> None:
    async def feed() -> None:
        pipe, wire = Pipe(), Wire(RequestLog(Backend("web", "shop")), OpenConnections())
        wire.connection_made(pipe)
        for piece in pieces:
            wire.data_received(piece)
            await asyncio.sleep(0)
        if finish and not pipe.closed:
            wire.finish()
        if not pipe.closed:
            wire.eof_received()
        wire.connection_lost(None)

    asyncio.run(feed())
