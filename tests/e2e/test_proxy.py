"""The ADS server and the local Envoy together, with real traffic."""

import asyncio
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import httpx2 as httpx
import pytest

from anygate.envoy import api
from anygate.envoy.snapshot import (
    CLUSTER,
    ENDPOINTS,
    LISTENER,
    ROUTES,
    Resource,
    Snapshot,
    resource,
)
from anygate.errors import EnvironmentProblem
from anygate.proxy.bootstrap import build_bootstrap
from anygate.proxy.envoy import Change, Crashed, LocalEnvoy, Options, Ready
from anygate.proxy.log import LogLine
from anygate.proxy.ports import Port, check_ports, parse_bind_failures
from anygate.proxy.run_folder import RunFolder
from anygate.xds.messages import Acked, Connected, Disconnected, Event, Nacked
from anygate.xds.server import AdsServer, Applied, Client

pytestmark = pytest.mark.anyio
DEADLINE = 20.0
ADS = {"ads": {}, "resource_api_version": "V3"}
MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = "envoy.extensions.filters.http.router.v3.Router"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def address(port: int) -> dict[str, object]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def listener(name: str, port: int, *, routes: str = "web", shares: bool = False, note: str = "") -> Resource:
    config = api.typed(
        MANAGER,
        stat_prefix=name + note,
        rds={"route_config_name": routes, "config_source": ADS},
        http_filters=[{"name": "router", "typed_config": api.typed(ROUTER)}],
    )
    built = api.build(
        "envoy.config.listener.v3.Listener",
        name=name,
        address=address(port),
        enable_reuse_port=api.bool_value(shares),
        filter_chains=[{"filters": [{"name": "http", "typed_config": config}]}],
    )
    return resource(LISTENER, name, api.serialise(built))


def route(target: str, *, name: str = "web", regex: str = "/.*") -> Resource:
    match = {"safe_regex": {"regex": regex}}
    host = {"name": "all", "domains": ["*"], "routes": [{"match": match, "route": {"cluster": target}}]}
    built = api.build("envoy.config.route.v3.RouteConfiguration", name=name, virtual_hosts=[host])
    return resource(ROUTES, name, api.serialise(built))


def cluster(name: str, *, note: str = "", limit: int = 1024) -> Resource:
    built = api.build(
        "envoy.config.cluster.v3.Cluster",
        name=name,
        type="EDS",
        alt_stat_name=note,
        eds_cluster_config={"eds_config": ADS},
        circuit_breakers={"thresholds": [{"max_connections": api.uint32(limit)}]},
    )
    return resource(CLUSTER, name, api.serialise(built))


def endpoints(name: str, port: int) -> Resource:
    built = api.build(
        "envoy.config.endpoint.v3.ClusterLoadAssignment",
        cluster_name=name,
        endpoints=[{"lb_endpoints": [{"endpoint": {"address": address(port)}}]}],
    )
    return resource(ENDPOINTS, name, api.serialise(built))


class Backend:
    """Answers its name; on `/slow` it sends one half and waits to be released for the other."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.port = 0
        self.is_halfway = asyncio.Event()
        self.release = asyncio.Event()
        self._conversations: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def serve(self) -> "AsyncIterator[Backend]":
        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._conversations.add(asyncio.create_task(self._converse(reader, writer)))

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for conversation in self._conversations:
                conversation.cancel()
            await asyncio.gather(*self._conversations, return_exceptions=True)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    await self._answer(await reader.readuntil(b"\r\n\r\n"), writer)
        finally:
            writer.close()

    async def _answer(self, head: bytes, writer: asyncio.StreamWriter) -> None:
        body = self.name.encode()
        size = 2 * len(body) if b" /slow " in head else len(body)
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n".encode() + body)
        if size != len(body):
            self.is_halfway.set()
            await self.release.wait()
            writer.write(body)
        await writer.drain()


class Rig:
    """One ADS server and one Envoy, and everything they reported."""

    def __init__(self, folder: RunFolder, concurrency: int = 1, patience: float = 5.0) -> None:
        self.folder = folder
        self.patience = patience
        self.events: list[Event | Change] = []
        self.lines: list[LogLine] = []
        self._news = asyncio.Event()
        self.server = self.make_server()
        self.envoy = LocalEnvoy(
            folder,
            build_bootstrap(xds=folder.xds_socket, admin=folder.admin_socket),
            options=Options(concurrency=concurrency),
            on_change=self.note,
            on_log=self.lines.append,
        )

    def make_server(self) -> AdsServer:
        return AdsServer(on_event=self.note_event, patience=self.patience)

    async def listen(self) -> None:
        await self.server.start(f"unix:{self.folder.xds_socket}")

    def note_event(self, _client: Client, event: Event) -> None:
        self.note(event)

    def note(self, event: Event | Change) -> None:
        self.events.append(event)
        self._news.set()

    async def apply(self, *resources: Resource) -> Applied:
        return await self.server.applied(self.server.publish(Snapshot(resources)))

    async def seen(self, wanted: Callable[[Event | Change], bool], since: int = 0) -> Event | Change:
        async with asyncio.timeout(DEADLINE):
            while True:
                for event in self.events[since:]:
                    if wanted(event):
                        return event
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def rig(*resources: Resource, concurrency: int = 1, patience: float = 5.0) -> AsyncIterator[Rig]:
    with RunFolder() as folder:
        made = Rig(folder, concurrency, patience)
        await made.listen()
        number = made.server.publish(Snapshot(resources))
        await made.envoy.start()
        try:
            async with asyncio.timeout(DEADLINE):
                await made.envoy.ready()
                await made.server.applied(number)
            yield made
        finally:
            await made.envoy.stop()
            await made.server.stop()


async def get(client: httpx.AsyncClient, port: int, path: str = "/") -> str:
    response = await client.get(f"http://127.0.0.1:{port}{path}")
    response.raise_for_status()
    return response.text


async def closed(port: int) -> None:
    """Wait until nobody listens on a port any more."""
    async with asyncio.timeout(DEADLINE):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionError:
                return
            writer.close()


def web(port: int, backend: Backend) -> list[Resource]:
    name = backend.name
    return [listener("web", port), route(name), cluster(name), endpoints(name, backend.port)]


async def test_traffic_flows_once_the_snapshot_is_applied() -> None:
    port = free_port()
    async with Backend("one").serve() as one, rig(*web(port, one)) as made, httpx.AsyncClient() as client:
        assert await get(client, port) == "one"
        dump = await made.envoy.admin.config_dump(resource="dynamic_active_clusters")
        assert [entry["cluster"]["name"] for entry in dump["configs"]] == ["one"]
        assert {found.node.id for found in made.server.clients} == {"local"}
    assert made.lines == []


async def test_an_empty_snapshot_is_ready() -> None:
    async with rig() as made:
        assert await made.envoy.admin.is_ready()


async def test_a_route_and_its_cluster_change_under_load_without_a_failed_request() -> None:
    port = free_port()
    answers: list[str] = []
    done = asyncio.Event()

    async def hammer(client: httpx.AsyncClient) -> None:
        while not done.is_set():
            answers.append(await get(client, port))

    async with (
        Backend("one").serve() as one,
        Backend("two").serve() as two,
        rig(*web(port, one), concurrency=2) as made,
        httpx.AsyncClient() as client,
        asyncio.TaskGroup() as tasks,
    ):
        for _ in range(4):
            tasks.create_task(hammer(client))
        for number in range(20):
            backend = (two, one)[number % 2]
            applied = await made.apply(*web(port, backend))
            assert applied.refusals == ()
            assert await get(client, port) == backend.name
        done.set()
    assert set(answers) == {"one", "two"}


async def test_a_changed_cluster_is_warm_at_once_though_its_endpoints_did_not_change() -> None:
    port = free_port()
    async with Backend("one").serve() as one, rig(*web(port, one)) as made, httpx.AsyncClient() as client:
        others = [found for found in web(port, one) if found.type_url != CLUSTER]
        async with asyncio.timeout(3):
            await made.apply(cluster("one", limit=7), *others)
        stats = await made.envoy.admin.stats(r"^cluster_manager\.(warming|active)_clusters$")
        assert stats["cluster_manager.warming_clusters"] == 0
        assert await get(client, port) == "one"


async def test_a_refused_listener_is_named_and_the_others_serve() -> None:
    port, other, taken = free_port(), free_port(), socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    busy = taken.getsockname()[1]
    with taken:
        async with Backend("one").serve() as one, rig(*web(port, one)) as made, httpx.AsyncClient() as client:
            applied = await made.apply(*web(port, one), listener("new", other), listener("bad", busy))
            ((_, refusal),) = applied.refusals
            assert (refusal.type_url, refusal.names) == (LISTENER, ("bad",))
            (failure,) = parse_bind_failures(refusal.message)
            assert failure.port == Port("127.0.0.1", busy)
            assert failure.reason == "address already in use"
            assert str(os.getpid()) in failure.owner
            assert await get(client, port) == "one"
            assert await get(client, other) == "one"
            before = len(made.events)
            assert (await made.apply(*web(port, one), listener("new", other))).refusals == ()
            assert not any(isinstance(event, Nacked) for event in made.events[before:])


async def test_a_refused_route_keeps_the_former_one_and_its_cluster() -> None:
    port = free_port()
    async with (
        Backend("one").serve() as one,
        Backend("two").serve() as two,
        rig(*web(port, one)) as made,
        httpx.AsyncClient() as client,
    ):
        resources = [found for found in web(port, two) if found.type_url != ROUTES]
        applied = await made.apply(*resources, route("two", regex="("))
        assert [refusal.names for _, refusal in applied.refusals] == [("web",)]
        assert await get(client, port) == "one"
        assert (await made.apply(*resources, route("two"))).refusals == ()
        assert await get(client, port) == "two"


async def test_a_field_that_envoy_does_not_know_is_refused() -> None:
    port = free_port()
    async with Backend("one").serve() as one, rig(*web(port, one)) as made, httpx.AsyncClient() as client:
        good = cluster("good")
        odd = resource(CLUSTER, "odd", cluster("odd").body + b"\xfa\xff\x07\x01x")
        applied = await made.apply(*web(port, one), good, odd)
        assert [refusal.names for _, refusal in applied.refusals] == [("odd",)]
        assert await get(client, port) == "one"
        stats = await made.envoy.admin.stats(r"^cluster_manager\.(warming|active)_clusters$")
        assert sum(stats.values()) == 3  # ours, the one for ADS, and the good sibling


async def test_a_missing_route_does_not_hold_up_the_start() -> None:
    port = free_port()
    async with rig(listener("web", port, routes="absent")), httpx.AsyncClient() as client:
        response = await client.get(f"http://127.0.0.1:{port}/")
        assert response.status_code == 404


async def test_missing_endpoints_do_not_hold_up_the_start() -> None:
    port = free_port()
    async with rig(listener("web", port), route("one"), cluster("one")), httpx.AsyncClient() as client:
        response = await client.get(f"http://127.0.0.1:{port}/")
        assert response.status_code == 503


async def test_a_missing_secret_does_not_hold_up_the_start() -> None:
    port = free_port()
    config = {"name": "absent", "sds_config": ADS}
    tls = api.typed(
        "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        common_tls_context={"tls_certificate_sds_secret_configs": [config]},
    )
    built = api.message("envoy.config.listener.v3.Listener").FromString(listener("web", port).body)
    built.filter_chains[0].transport_socket.name = "tls"
    built.filter_chains[0].transport_socket.typed_config.CopyFrom(tls)
    secure = resource(LISTENER, "web", api.serialise(built))
    async with rig(secure, route("one"), cluster("one")) as made:
        assert await made.envoy.admin.is_ready()


async def test_envoy_serves_on_without_ads_and_gets_nothing_it_has_when_ads_is_back() -> None:
    port = free_port()
    async with Backend("one").serve() as one, rig(*web(port, one)) as made, httpx.AsyncClient() as client:
        await made.server.stop()
        await made.seen(lambda event: isinstance(event, Disconnected))
        assert await get(client, port) == "one"
        made.server = made.make_server()
        since = len(made.events)
        number = made.server.publish(Snapshot(web(port, one)))
        await made.listen()
        async with asyncio.timeout(DEADLINE):
            await made.server.applied(number)
        assert [type(event) for event in made.events[since:]] == [Connected]
        assert await get(client, port) == "one"
        assert made.lines == []


async def test_a_killed_envoy_is_started_again_and_serves() -> None:
    port = free_port()
    async with Backend("one").serve() as one, rig(*web(port, one)) as made, httpx.AsyncClient() as client:
        first = made.envoy.pid
        assert first is not None
        since = len(made.events)
        os.kill(first, signal.SIGKILL)
        crash = await made.seen(lambda event: isinstance(event, Crashed), since)
        assert isinstance(crash, Crashed)
        assert crash.reason == "was ended by SIGKILL"
        await made.seen(lambda event: isinstance(event, Ready), since)
        assert made.envoy.pid not in (None, first)
        assert await get(client, port) == "one"


async def test_stop_lets_an_answer_in_flight_finish() -> None:
    port = free_port()
    async with Backend("one").serve() as one, rig(*web(port, one)) as made, httpx.AsyncClient() as client:
        slow = asyncio.create_task(get(client, port, "/slow"))
        await one.is_halfway.wait()
        stopping = asyncio.create_task(made.envoy.stop())
        again = asyncio.create_task(made.envoy.stop())
        await closed(port)
        assert not stopping.done()
        one.release.set()
        assert await slow == "oneone"
        async with asyncio.timeout(DEADLINE):
            await asyncio.gather(stopping, again)
        assert made.envoy.pid is None
        assert list(check_ports([Port("127.0.0.1", port)])) == []


async def test_a_cluster_that_does_not_get_warm_holds_up_routes_only_for_a_while() -> None:
    port = free_port()
    built = api.message("envoy.config.cluster.v3.Cluster").FromString(cluster("cold").body)
    built.health_checks.add(
        timeout=timedelta(seconds=60),
        interval=timedelta(seconds=60),
        healthy_threshold=api.uint32(1),
        unhealthy_threshold=api.uint32(1),
        http_health_check={"path": "/slow"},
    )
    async with (
        Backend("one").serve() as one,
        Backend("two").serve() as two,
        rig(*web(port, one), patience=0.1) as made,
        httpx.AsyncClient() as client,
    ):
        cold = resource(CLUSTER, "cold", api.serialise(built))
        before = len(made.events)
        resources = [*web(port, two), cluster("one"), endpoints("one", one.port)]
        made.server.publish(Snapshot([*resources, cold, endpoints("cold", two.port)]))
        await made.seen(lambda event: isinstance(event, Acked) and event.type_url == ROUTES, before)
        assert await get(client, port) == "two"
        assert not any(isinstance(event, Acked) and event.type_url == CLUSTER for event in made.events[before:])


async def test_a_snapshot_is_applied_once_every_connected_envoy_has_it() -> None:
    ports = free_port(), free_port()
    async with Backend("one").serve() as one, rig(*web(ports[0], one)) as made, httpx.AsyncClient() as client:
        with RunFolder() as folder:
            bootstrap = build_bootstrap(xds=made.folder.xds_socket, admin=folder.admin_socket, node_id="second")
            second = LocalEnvoy(folder, bootstrap, options=Options(concurrency=1))
            await second.start()
            try:
                number = made.server.publish(Snapshot(web(ports[1], one)))
                async with asyncio.timeout(DEADLINE):
                    applied = await made.server.applied(number, clients=2)
                # Both were told to listen on one port and not to share it.
                ((loser, refusal),) = applied.refusals
                assert loser.node.id in ("local", "second")
                assert refusal.names == ("web",)
                assert await get(client, ports[1]) == "one"
            finally:
                await second.stop()


async def test_an_ads_address_that_cannot_be_used_is_a_problem_of_the_environment() -> None:
    with RunFolder() as folder, pytest.raises(EnvironmentProblem, match="cannot serve configuration"):
        await AdsServer().start(f"unix:{folder.path}/absent/xds.sock")


async def test_a_stop_that_is_cancelled_kills() -> None:
    port = free_port()
    async with Backend("one").serve() as one, rig(*web(port, one)) as made, httpx.AsyncClient() as client:
        slow = asyncio.create_task(get(client, port, "/slow"))
        await one.is_halfway.wait()
        stopping = asyncio.create_task(made.envoy.stop())
        await closed(port)
        stopping.cancel()
        with pytest.raises(httpx.RemoteProtocolError):
            await slow
        async with asyncio.timeout(DEADLINE):
            await made.envoy.stop()
        assert made.envoy.pid is None


async def test_stop_before_the_process_runs_leaves_nothing_behind() -> None:
    with RunFolder() as folder:
        envoy = LocalEnvoy(folder, build_bootstrap(xds=folder.xds_socket, admin=folder.admin_socket))
        await envoy.start()
        await asyncio.sleep(0)
        async with asyncio.timeout(DEADLINE):
            await envoy.stop()
        assert envoy.pid is None


async def test_an_envoy_that_cannot_start_is_a_problem_of_the_environment() -> None:
    with RunFolder() as folder:
        bootstrap = build_bootstrap(xds=folder.xds_socket, admin=folder.path / "absent" / "admin.sock")
        envoy = LocalEnvoy(folder, bootstrap)
        await envoy.start()
        with pytest.raises(EnvironmentProblem, match="Envoy does not start"):
            async with asyncio.timeout(DEADLINE):
                await envoy.ready()
        await envoy.stop()


ORPHAN = """
import asyncio, sys
from anygate.proxy.bootstrap import build_bootstrap
from anygate.proxy.envoy import LocalEnvoy, Started
from anygate.proxy.run_folder import RunFolder

async def main():
    folder = RunFolder()
    def tell(change):
        if isinstance(change, Started):
            print(change.pid, folder.path, flush=True)
    bootstrap = build_bootstrap(xds=folder.xds_socket, admin=folder.admin_socket)
    envoy = LocalEnvoy(folder, bootstrap, on_change=tell)
    await envoy.start()
    while not folder.admin_socket.exists():  # Envoy runs, past the launcher
        await asyncio.sleep(0.01)
    print("up", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_envoy_dies_with_a_parent_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid, folder = parent.stdout.readline().split()
        watch = os.pidfd_open(int(pid))
        try:
            assert parent.stdout.readline() == "up\n"
            parent.kill()
            assert select.select([watch], [], [], DEADLINE)[0], "Envoy outlived its parent"
        finally:
            os.close(watch)
            shutil.rmtree(folder)


def test_a_port_that_somebody_shares_freely_is_still_taken() -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = Port("127.0.0.1", taken.getsockname()[1])
        (failure,) = check_ports([port])
        assert failure.port == port
        assert str(os.getpid()) in str(failure)


def test_a_udp_port_is_checked_as_well() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        (failure,) = check_ports([Port("127.0.0.1", taken.getsockname()[1], "udp")])
        assert str(os.getpid()) in failure.owner
