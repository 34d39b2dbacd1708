import asyncio
import queue
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anygate.stubs import EchoStub
from anygate.stubs.grpc import GrpcEcho, MessageFraming, is_grpc

METHOD = "/shop.Cart/Add"


@pytest.fixture
def channel(socket_path: str) -> Iterator[grpc.Channel]:
    options = [("grpc.max_receive_message_length", -1), ("grpc.default_authority", "shop.test")]
    with grpc.insecure_channel(f"unix:{socket_path}", options=options) as opened:
        yield opened


def call_unary(channel: grpc.Channel, sent: bytes, **options: Any) -> tuple[bytes, dict[str, Any]]:
    answer, call = channel.unary_unary(METHOD).with_call(sent, timeout=20, **options)
    return answer, dict(call.initial_metadata())


@pytest.mark.anyio
async def test_a_unary_call_is_echoed_with_what_arrived(channel: grpc.Channel, stub: EchoStub) -> None:
    answer, metadata = await asyncio.to_thread(
        call_unary, channel, b"\x0a\x03abc", metadata=[("x-user", "ann"), ("trace-bin", b"\x00\xff")]
    )
    assert answer == b"\x0a\x03abc"
    assert metadata["x-stub-backend"] == "web.shop"
    assert metadata["x-stub-path"] == METHOD
    assert metadata["x-stub-authority"] == "shop.test"
    assert metadata["x-stub-header-x-user"] == "ann"
    assert metadata["x-stub-header-trace-bin"] == b"\x00\xff"
    assert stub.records[-1].path == METHOD


@pytest.mark.anyio
@pytest.mark.parametrize("size", [0, 1, 100_000, 20_000_000])
async def test_a_message_of_any_size_comes_back(channel: grpc.Channel, size: int) -> None:
    assert (await asyncio.to_thread(call_unary, channel, bytes(size)))[0] == bytes(size)


@pytest.mark.anyio
async def test_a_compressed_message_comes_back(channel: grpc.Channel) -> None:
    answer, _ = await asyncio.to_thread(call_unary, channel, b"a" * 50_000, compression=grpc.Compression.Gzip)
    assert answer == b"a" * 50_000


@pytest.mark.anyio
async def test_each_message_comes_back_before_the_next_is_sent(channel: grpc.Channel) -> None:
    def talk() -> list[bytes]:
        spoken: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        call = channel.stream_stream(METHOD)(iter(spoken.get, None), timeout=20)
        received = []
        for number in range(5):
            spoken.put(f"message {number}".encode())
            received.append(next(call))
        spoken.put(None)
        return received + list(call)

    assert await asyncio.to_thread(talk) == [f"message {number}".encode() for number in range(5)]


@pytest.mark.anyio
async def test_a_stream_of_many_messages_keeps_its_order(channel: grpc.Channel) -> None:
    sent = [bytes([number % 256]) * (number * 37 % 5000) for number in range(1000)]
    call = channel.stream_stream(METHOD)
    assert await asyncio.to_thread(lambda: list(call(iter(sent), timeout=20))) == sent


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("14", grpc.StatusCode.UNAVAILABLE),
        ("7", grpc.StatusCode.PERMISSION_DENIED),
        ("503", grpc.StatusCode.UNAVAILABLE),
        ("404", grpc.StatusCode.UNIMPLEMENTED),
        ("17", grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
async def test_a_status_is_obeyed(channel: grpc.Channel, status: str, code: grpc.StatusCode) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        await asyncio.to_thread(call_unary, channel, b"", metadata=[("x-stub-status", status)])
    assert raised.value.code() is code


@pytest.mark.anyio
async def test_a_delay_can_outlast_a_deadline(channel: grpc.Channel) -> None:
    call = channel.unary_unary(METHOD)
    with pytest.raises(grpc.RpcError) as raised:
        await asyncio.to_thread(call, b"", timeout=0.1, metadata=[("x-stub-delay", "30s")])
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def frame(*messages: bytes) -> bytes:
    return b"".join(b"\x00" + len(message).to_bytes(4, "big") + message for message in messages)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40)), st.data())
def test_messages_are_followed_whatever_the_cuts(messages: list[bytes], data: st.DataObject) -> None:
    whole, framing = frame(*messages), MessageFraming()
    while whole:
        cut = data.draw(st.integers(1, len(whole)))
        framing.feed(whole[:cut])
        whole = whole[cut:]
    assert framing.is_whole
    assert framing.messages == len(messages)


def test_a_call_that_ends_inside_a_message_fails() -> None:
    call = GrpcEcho()
    call.feed(frame(b"abc")[:-1])
    call.end()
    assert ("grpc-status", "13") in call.build_trailers()


@pytest.mark.parametrize(
    ("content_type", "found"),
    [
        ("application/grpc", True),
        ("application/grpc+proto", True),
        ("Application/gRPC; x=1", True),
        ("application/grpc-web", False),
        ("application/json", False),
        (None, False),
    ],
)
def test_grpc_is_known_by_its_content_type(content_type: str | None, found: bool) -> None:
    assert is_grpc(content_type) is found
