"""Rotation through a real Envoy: credentials change under load, and every request carries one that is good."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
from filter_gateway import OPTIONS, Answer, Upstream
from token_services import POLICY, Desk, entra, free_port, opaque

from anygate.credentials.delivery import Delivery, keys_file
from anygate.credentials.endpoints import Endpoints
from anygate.credentials.fetch import fetch
from anygate.credentials.rotation import Event, Failed, Fetched, Rotation
from anygate.credentials.sources import Outside
from anygate.credentials.token import AwsKeys
from anygate.credentials.wanted import Wanted
from anygate.envoy.api import build, serialise, typed
from anygate.envoy.snapshot import CLUSTER, LISTENER, Resource, Snapshot, resource
from anygate.envoy.upstream.files import PENDING
from anygate.manifests.sensitive import Sensitive
from anygate.model.inference import AwsExchange, AzureToken, OidcClient
from anygate.proxy.bootstrap import build_bootstrap
from anygate.proxy.envoy import LocalEnvoy, Options
from anygate.proxy.run_folder import RunFolder
from anygate.xds.server import AdsServer

pytestmark = pytest.mark.anyio
DEADLINE = 20.0
TOKEN = "ai-token/default/azure"
MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = "envoy.extensions.filters.http.router.v3.Router"
INJECTOR = "envoy.extensions.filters.http.credential_injector.v3.CredentialInjector"
GENERIC = "envoy.extensions.http.injected_credentials.generic.v3.Generic"
SIGNER = "envoy.extensions.filters.http.aws_request_signing.v3.AwsRequestSigning"
CODEC = "envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec"
ADS = {"ads": {}, "resource_api_version": "V3"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def address(port: int) -> dict[str, object]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def listener(port: int) -> Resource:
    routes = [{"match": {"prefix": "/"}, "route": {"cluster": "provider"}}]
    manager = typed(
        MANAGER,
        stat_prefix="web",
        route_config={"name": "web", "virtual_hosts": [{"name": "any", "domains": ["*"], "routes": routes}]},
        http_filters=[{"name": "router", "typed_config": typed(ROUTER)}],
    )
    chain = {"filters": [{"name": "http", "typed_config": manager}]}
    made = build("envoy.config.listener.v3.Listener", name="web", address=address(port), filter_chains=[chain])
    return resource(LISTENER, "web", serialise(made))


def cluster(port: int, upstream_filter: Any) -> Resource:
    filters = [
        {"name": "credential", "typed_config": upstream_filter},
        {"name": "codec", "typed_config": typed(CODEC)},
    ]
    options = typed(OPTIONS, explicit_http_config={"http_protocol_options": {}}, http_filters=filters)
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address(port)}}]}]
    made = build(
        "envoy.config.cluster.v3.Cluster",
        name="provider",
        type="STATIC",
        load_assignment={"cluster_name": "provider", "endpoints": endpoints},
        typed_extension_protocol_options={OPTIONS: options},
    )
    return resource(CLUSTER, "provider", serialise(made))


def injector() -> Any:
    generic = typed(GENERIC, credential={"name": TOKEN, "sds_config": ADS}, header="authorization")
    credential = {"name": "envoy.http.injected_credentials.generic", "typed_config": generic}
    return typed(INJECTOR, overwrite=True, credential=credential)


def signer(folder: Path, file: Path) -> Any:
    # Envoy reads the file again when something is moved into the folder.
    source = {"filename": str(file), "watched_directory": {"path": str(folder)}}
    provider = {"credentials_file_provider": {"credentials_data_source": source, "profile": "default"}}
    return typed(
        SIGNER, service_name="bedrock", region="eu-west-1", use_unsigned_payload=True, credential_provider=provider
    )


class Served:
    """A running Envoy, and how to give it what has changed."""

    def __init__(self, delivery: Delivery, snapshot: Snapshot, server: AdsServer, url: str) -> None:
        self.delivery, self.snapshot, self.server, self.url = delivery, snapshot, server, url
        self.publish()

    def publish(self) -> int:
        return self.server.publish(self.delivery.add_to(self.snapshot))


@asynccontextmanager
async def serve(delivery: Delivery, upstream: Upstream, credential: Any) -> AsyncIterator[Served]:
    port = free_port()
    snapshot = Snapshot([listener(port), cluster(upstream.port, credential)])
    with RunFolder() as folder:
        server = AdsServer()
        await server.start(f"unix:{folder.xds_socket}")
        bootstrap = build_bootstrap(xds=folder.xds_socket, admin=folder.admin_socket)
        envoy = LocalEnvoy(folder, bootstrap, options=Options(concurrency=1))
        served = Served(delivery, snapshot, server, f"http://127.0.0.1:{port}/")
        await envoy.start()
        try:
            async with asyncio.timeout(DEADLINE):
                await envoy.ready()
                assert (await server.applied(1)).refusals == ()
            yield served
        finally:
            await envoy.stop()
            await server.stop()


def azure(secret: str = "s") -> Wanted:
    one = opaque("azure", secret)
    source = AzureToken(tenant="t", client_id="c", secret="azure")
    return Wanted(TOKEN, source, POLICY, secrets=((one.name, one.value),))


async def test_tokens_change_before_their_end_without_a_refused_request(tmp_path: Path) -> None:
    desk = Desk(lives=[2, 2, 2, 2, 3600])
    seen: list[str] = []

    def let_in(request: dict[str, Any]) -> Answer:
        token = request["headers"].get("authorization", "")
        seen.append(token)
        return (200 if desk.accepts(token) else 401), {}, b""

    served: Served | None = None

    def publish() -> None:
        if served is not None:
            served.publish()

    events: list[Event] = []
    delivery = Delivery(tmp_path, publish)
    with entra(desk, tenant="t", client="c", secret="s") as service, Upstream("provider", let_in) as provider:
        outside = Outside(Endpoints(azure=f"http://127.0.0.1:{service.port}"))
        rotation = Rotation(partial(fetch, outside=outside), delivery, events.append)
        rotation.update([azure()])
        assert await rotation.attempted(DEADLINE)
        async with serve(delivery, provider, injector()) as served, httpx2.AsyncClient() as client:
            async with asyncio.timeout(DEADLINE):
                while "Bearer token-4" not in seen:
                    answer = await client.get(served.url, headers={"authorization": "Bearer of the client"})
                    assert answer.status_code == 200
        await rotation.stop()
    assert list(dict.fromkeys(seen)) == [f"Bearer token-{number}" for number in range(5)]
    assert events == []


async def test_without_a_token_nothing_reaches_the_provider(tmp_path: Path) -> None:
    desk = Desk()
    served: Served | None = None
    events: list[Event] = []
    delivery = Delivery(tmp_path, lambda: served.publish() if served else None)
    with entra(desk, tenant="t", client="c", secret="s") as service, Upstream("provider") as provider:
        outside = Outside(Endpoints(azure=f"http://127.0.0.1:{service.port}"))
        rotation = Rotation(partial(fetch, outside=outside), delivery, events.append)
        rotation.update([azure("wrong")])
        assert await rotation.attempted(DEADLINE)
        async with serve(delivery, provider, injector()) as served, httpx2.AsyncClient() as client:
            # Tried on Envoy 1.40: an empty secret does not hold up the cluster, and is answered with 401.
            assert (await client.get(served.url)).status_code == 401
            assert provider.seen == []
            rotation.update([azure()])
            assert await rotation.attempted(DEADLINE)
            await served.server.applied(served.publish())
            assert (await client.get(served.url)).status_code == 200
            assert provider.seen[-1]["headers"]["authorization"] == "Bearer token-0"
            other = AzureToken(tenant="other", client_id="c", secret="azure")
            rotation.update([Wanted(TOKEN, other, POLICY, secrets=azure().secrets)])
            await served.server.applied(served.publish())
            assert (await client.get(served.url)).status_code == 401
        await rotation.stop()
    assert [type(one) for one in events] == [Failed, Failed]
    assert Fetched not in map(type, events)


async def test_envoy_signs_with_the_keys_of_the_day(tmp_path: Path) -> None:
    source = AwsExchange(
        name="default/aws", role="r", session="s", oidc=OidcClient(issuer="i", client_id="c", secret="s")
    )
    one = Wanted("default/aws", source, POLICY, "eu-west-1")
    delivery = Delivery(tmp_path)
    delivery.put(one, None)

    def put(number: int) -> None:
        delivery.put(one, AwsKeys(f"KEY{number}", Sensitive(b"s"), Sensitive(f"session-{number}".encode()), 60))

    def who(request: dict[str, Any]) -> tuple[str, str]:
        found = re.search("Credential=([^/]+)/", request["headers"].get("authorization", ""))
        return found[1] if found else "", request["headers"].get("x-amz-security-token", "")

    file = keys_file(tmp_path, "default/aws")
    with Upstream("provider") as provider:
        async with serve(delivery, provider, signer(tmp_path, file)) as served, httpx2.AsyncClient() as client:
            await client.get(served.url)
            # The cluster of a provider stops what is signed with these; this one is without that.
            assert who(provider.seen[-1]) == (PENDING, "")
            async with asyncio.timeout(DEADLINE):
                for number in range(3):
                    put(number)
                    wanted = (f"KEY{number}", f"session-{number}")
                    while not provider.seen or who(provider.seen[-1]) != wanted:
                        assert (await client.get(served.url)).status_code == 200
    pairs = list(dict.fromkeys(map(who, provider.seen)))
    assert pairs[1:] == [(f"KEY{n}", f"session-{n}") for n in range(3)]
