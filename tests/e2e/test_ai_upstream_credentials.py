"""Credentials: from the configuration and from the request, missing ones, and those that come or change later."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx2
import pytest
from upstream_gateway import ORIGIN, PATHS, Row, backend, bootstrap, gateway, key, model_of, opaque, providers

from anygate.envoy.api import from_json, serialise
from anygate.envoy.build import build
from anygate.envoy.placement import Placement
from anygate.envoy.snapshot import CLUSTER, ENDPOINTS, LISTENER, SECRET, Snapshot, resource
from anygate.model import inference as i
from anygate.model.backend import Backend
from anygate.model.tls import Opaque
from anygate.proxy.bootstrap import build_bootstrap
from anygate.proxy.envoy import LocalEnvoy, Options
from anygate.proxy.run_folder import RunFolder
from anygate.xds.server import AdsServer

DEADLINE = 20.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


BODY = {"model": "m"}
SECRETS = [opaque("key-a", "Bearer configured"), opaque("key-b", "configured-b")]
AZURE = i.TokenCredential(origin=ORIGIN, secret="key-a", source=i.AzureToken(tenant="t", client_id="c"))


@pytest.mark.parametrize("header", ["authorization", "x-api-key", "api-key", "x-custom-key"])
def test_a_key_is_put_into_its_header(header: str) -> None:
    with providers(200) as [one]:
        made = [backend("a", one.port, credential=key("b", header))]
        with gateway(made, Row(["a"]), secrets=SECRETS) as running:
            assert running.post(BODY, **{header.replace("-", "_"): "client"}).status_code == 200
    assert one.seen[0].headers[header] == "configured-b"
    assert "client" not in one.seen[0].headers.values()


@pytest.mark.parametrize(
    ("credential", "given", "target", "value"),
    [
        (key("a"), "own", "authorization", "Bearer own"),
        (key("a"), "", "authorization", "Bearer configured"),
        (AZURE, "own", "authorization", "Bearer own"),
        (key("b", "x-api-key"), "own", "x-api-key", "own"),
        (key("b", "x-api-key"), "", "x-api-key", "configured-b"),
    ],
)
def test_a_request_may_bring_its_own_credential(
    credential: i.UpstreamCredential, given: str, target: str, value: str
) -> None:
    override = i.CredentialOverride(header="X-Own-Key")
    with providers(200) as [one]:
        made = [backend("a", one.port, credential=credential, override=override)]
        with gateway(made, Row(["a"]), Row(["a"], path="/egress", egress=True), secrets=SECRETS) as running:
            sent = {"x_own_key": given} if given else {}
            for path in ("", "/egress"):
                answer = running.post(BODY, path=path, authorization="Bearer client", x_anygate_credential="x", **sent)
                assert answer.status_code == 200
    for seen in one.seen:
        assert seen.headers[target] == value
        assert not {"x-own-key", "x-anygate-credential"} & set(seen.headers)
        assert [name for name, each in seen.headers.items() if "own" in each or "configured" in each] == [target]


@pytest.mark.parametrize("endpoint", ["chat", "messages"])
def test_without_its_own_credential_a_request_is_refused_if_it_has_to_have_one(endpoint: str) -> None:
    override = i.CredentialOverride(header="x-own-key", fallback=False)
    kind = "OpenAI" if endpoint == "chat" else "Anthropic"
    with providers(200) as [one]:
        made = [backend("a", one.port, kind, credential=key("a"), override=override)]
        with gateway(made, Row(["a"], endpoint), secrets=SECRETS) as running:
            for sent in ({}, {"x_own_key": ""}):
                answer = running.post(BODY, endpoint, **sent)
                assert (answer.status_code, answer.json()["error"]["message"]) == (401, "missing upstream credential")
            assert answer.headers["content-type"] == "application/json"
            assert one.seen == []
            assert running.post(BODY, endpoint, x_own_key="own").status_code == 200
    assert one.seen[0].headers["authorization"] == "Bearer own"


def test_a_requests_own_credential_is_for_its_provider_only_and_on_every_attempt() -> None:
    override = i.CredentialOverride(header="x-own-key", fallback=False)
    with providers(503, 503, 200) as [one, two, three]:
        made = [
            backend("a", one.port, credential=key("b", "x-api-key"), override=override),
            backend("b", two.port, credential=key("a")),
            backend("c", three.port, credential=key("b", "api-key"), override=override),
        ]
        rows = [Row(["a", "b", "c"]), Row(["b", "a", "c"], path="/other")]
        with gateway(made, *rows, secrets=SECRETS) as running:
            for path in ("", "/other"):
                assert running.post(BODY, path=path, x_own_key="own").status_code == 200
    expected = ({"x-api-key": "own"}, {"authorization": "Bearer configured"}, {"api-key": "own"})
    for server, mine in zip((one, two, three), expected, strict=True):
        assert len(server.seen) == 2
        for seen in server.seen:
            found = {name: each for name, each in seen.headers.items() if "own" in each or "configured" in each}
            assert found == mine


class Live:
    """An Envoy that is given its clusters and secrets over ADS."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.port = _free_port()
        self.server = AdsServer()
        self.envoy = LocalEnvoy(
            folder,
            build_bootstrap(xds=folder.xds_socket, admin=folder.admin_socket),
            options=Options(concurrency=1),
        )

    def publish(self, made: Sequence[Backend], *secrets: Opaque) -> int:
        model = model_of(made, secrets)
        listener = bootstrap(model, [Row(["a"])], Placement())["static_resources"]["listeners"][0]
        listener["address"]["socket_address"]["port_value"] = self.port
        body = serialise(from_json("envoy.config.listener.v3.Listener", listener))
        built = build(model).snapshot
        found = [each for kind in (CLUSTER, ENDPOINTS, SECRET) for each in built[kind].values()]
        return self.server.publish(Snapshot([*found, resource(LISTENER, "web", body)]))

    async def apply(self, made: Sequence[Backend], *secrets: Opaque) -> None:
        applied = await self.server.applied(self.publish(made, *secrets))
        assert not applied.refusals


@asynccontextmanager
async def live(made: Sequence[Backend], *secrets: Opaque) -> AsyncIterator[Live]:
    with RunFolder() as folder:
        running = Live(folder)
        await running.server.start(f"unix:{folder.xds_socket}")
        running.publish(made, *secrets)
        await running.envoy.start()
        try:
            async with asyncio.timeout(DEADLINE):
                await running.envoy.ready()
            yield running
        finally:
            await running.envoy.stop()
            await running.server.stop()


@pytest.mark.anyio
@pytest.mark.parametrize("credential", [key("a"), AZURE], ids=["key", "token"])
async def test_nothing_leaves_without_a_credential_and_a_new_one_holds_at_once(
    credential: i.UpstreamCredential,
) -> None:
    with providers(200) as [one]:
        made = [backend("a", one.port, credential=credential)]
        started = time.monotonic()
        async with live(made) as running, httpx2.AsyncClient(base_url=f"http://127.0.0.1:{running.port}") as client:
            assert time.monotonic() - started < DEADLINE / 2
            assert (await client.post(PATHS["chat"], json=BODY)).status_code == 401
            assert one.seen == []
            for value in ("Bearer first", "Bearer second"):
                await running.apply(made, opaque("key-a", value))
                assert (await client.post(PATHS["chat"], json=BODY)).status_code == 200
                assert one.seen[-1].headers["authorization"] == value


@pytest.mark.anyio
async def test_no_request_is_lost_while_keys_change() -> None:
    with providers(200) as [one]:
        made = [backend("a", one.port, credential=key("a"))]
        over = asyncio.Event()

        async def ask(client: httpx2.AsyncClient) -> set[int]:
            statuses = set()
            while not over.is_set():
                statuses.add((await client.post(PATHS["chat"], json=BODY)).status_code)
            return statuses

        async with (
            live(made, opaque("key-a", "Bearer 0")) as running,
            httpx2.AsyncClient(base_url=f"http://127.0.0.1:{running.port}") as client,
        ):
            asking = [asyncio.create_task(ask(client)) for _ in range(4)]
            for number in range(1, 21):
                await running.apply(made, opaque("key-a", f"Bearer {number}"))
            over.set()
            assert set().union(*await asyncio.gather(*asking)) == {200}
            assert (await client.post(PATHS["chat"], json=BODY)).status_code == 200
    assert one.seen[-1].headers["authorization"] == "Bearer 20"
    assert len({seen.headers["authorization"] for seen in one.seen}) > 1


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
