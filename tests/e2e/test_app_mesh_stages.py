"""What App Mesh did in two stages, on the real Envoy as one table of routes and as two: nobody may tell which it is."""

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx2
import pytest
from running import DEADLINE, Running, join, run_manifests, served_by
from websockets.asyncio.client import connect

from anygate.runner.destinations import Resolution

ALWAYS = """
apiVersion: anygate.dev/v1alpha1
kind: AppMeshSettings
metadata: {name: stages}
spec: {twoStage: always}
"""
MESH = """
apiVersion: appmesh.k8s.aws/v1beta2
kind: Mesh
metadata: {name: shop}
spec: {namespaceSelector: {}}
"""
GATEWAY = """
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualGateway
metadata: {name: web}
spec:
  namespaceSelector: {}
  listeners: [{portMapping: {port: 80, protocol: http}}, {portMapping: {port: 81, protocol: grpc}}]
  logging: {accessLog: {file: {path: %s, format: {text: "%%REQ(:METHOD)%% %%RESPONSE_CODE%%\\n"}}}}
"""
NODES = join(
    *(
        f"""
        apiVersion: appmesh.k8s.aws/v1beta2
        kind: VirtualNode
        metadata: {{name: {name}}}
        spec:
          listeners: [{{portMapping: {{port: 80, protocol: {protocol}}}}}]
          serviceDiscovery: {{dns: {{hostname: {name}.invalid}}}}
        """
        for name, protocol in (("red", "http"), ("blue", "http"), ("calls", "grpc"))
    )
)
ROUTERS = """
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualService
metadata: {name: colors}
spec: {awsName: colors.example, provider: {virtualRouter: {virtualRouterRef: {name: colors}}}}
---
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualRouter
metadata: {name: colors}
spec:
  listeners: [{portMapping: {port: 80, protocol: http}}]
  routes:
  - name: versions
    httpRoute:
      match: {path: {regex: "/v[0-9]+(/.*)?"}}
      action: {weightedTargets: [{virtualNodeRef: {name: red}, weight: 1}]}
  - name: slow
    httpRoute:
      match: {prefix: /slow}
      action: {weightedTargets: [{virtualNodeRef: {name: red}, weight: 1}]}
      timeout: {perRequest: {unit: ms, value: 300}}
  - name: once
    httpRoute:
      match: {prefix: /once}
      action: {weightedTargets: [{virtualNodeRef: {name: red}, weight: 1}]}
      retryPolicy: {maxRetries: 0, perRetryTimeout: {unit: s, value: 5}, httpRetryEvents: [server-error]}
  - name: others
    httpRoute:
      match: {prefix: /all}
      action: {weightedTargets: [{virtualNodeRef: {name: blue}, weight: 1}]}
---
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualService
metadata: {name: calls}
spec: {provider: {virtualRouter: {virtualRouterRef: {name: calls}}}}
---
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualRouter
metadata: {name: calls}
spec:
  listeners: [{portMapping: {port: 80, protocol: grpc}}]
  routes:
  - name: get
    grpcRoute:
      match: {serviceName: shop.Colors, methodName: Get}
      action: {weightedTargets: [{virtualNodeRef: {name: calls}, weight: 1}]}
"""
ROUTE = """
apiVersion: appmesh.k8s.aws/v1beta2
kind: GatewayRoute
metadata: {name: %s}
spec:
  %sRoute:
    match: %s
    action: {target: {virtualService: {virtualServiceRef: {name: %s}}}%s}
"""
ROUTES = (
    ROUTE % ("paths", "http", "{prefix: /paths}", "colors", ""),
    ROUTE % ("kept", "http", "{prefix: /kept}", "colors", ", rewrite: {hostname: {defaultTargetHostname: DISABLED}}"),
    ROUTE % ("calls", "grpc", "{serviceName: shop.Colors}", "calls", ""),
)
HEADER = "x-app-mesh-virtual-service"


class Served(NamedTuple):
    """Manifests in one of the forms, with the access log."""

    running: Running
    log: Path


@pytest.fixture(scope="module", params=["one table", "two stages"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    log = tmp_path_factory.mktemp("logs") / "access.log"
    more = [ALWAYS] if request.param == "two stages" else []
    with run_manifests(MESH, GATEWAY % log, NODES, ROUTERS, *ROUTES, *more, ports=(80, 81)) as running:
        yield Served(running, log)


@pytest.fixture
def client(served: Served) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=served.running.url()) as found:
        yield found


def test_the_second_stage_sees_what_the_first_one_makes(client: httpx2.Client) -> None:
    answer = client.get("/paths/v1/a?b=c")
    seen = answer.json()
    assert (served_by(answer), seen["path"], seen["host"]) == ("red", "/v1/a?b=c", "colors.example")
    assert served_by(client.get("/paths/v/a")) == "404"


@pytest.mark.parametrize("path", ["/paths../v1", "/paths..", "/paths%2e%2e/v1", "/paths./v1", "/paths/../v1"])
def test_a_path_cannot_leave_the_prefix_that_it_gets(client: httpx2.Client, path: str) -> None:
    assert client.get(path).status_code == 404


def test_a_host_that_is_kept_leads_to_its_service_without_a_header(client: httpx2.Client) -> None:
    answer = client.get("/kept/all", headers={"host": "shop.example.com", HEADER: "calls.default"})
    seen = answer.json()
    assert (served_by(answer), seen["path"], seen["host"]) == ("blue", "/all", "shop.example.com")
    assert HEADER not in seen["headers"]


def test_backends_see_the_client_once_and_nothing_of_envoy(client: httpx2.Client) -> None:
    sent = {f"x-own-{number}": "1" for number in range(80)}
    seen = client.get("/paths/v1", headers={**sent, "x-envoy-max-retries": "9"}).json()["headers"]
    assert sent.keys() <= seen.keys()
    assert [len(seen[name]) for name in ("x-forwarded-for", "x-forwarded-proto", "x-request-id")] == [1, 1, 1]
    assert "," not in seen["x-forwarded-for"][0]
    assert [name for name in seen if name.startswith("x-envoy-")] == ["x-envoy-external-address"]


def test_a_limit_of_a_route_holds(client: httpx2.Client) -> None:
    assert client.get("/paths/slow", headers={"x-stub-delay": "20s"}).status_code == 504
    assert client.get("/paths/v1", headers={"x-stub-delay": "400ms"}).status_code == 200


@pytest.mark.parametrize(("path", "tries"), [("/v1", 3), ("/once", 1)])
def test_what_fails_is_tried_again_as_often_as_its_route_says(
    served: Served, client: httpx2.Client, path: str, tries: int
) -> None:
    assert client.get(f"/paths{path}?tries", headers={"x-stub-status": "503"}).status_code == 503
    client.get("/paths/all?last")
    found = []
    served.running.await_request(lambda record: found.append(record.path) or record.path == "/all?last")  # type: ignore[func-returns-value]
    assert found.count(f"{path}?tries") == tries


def test_bodies_of_any_size_pass(client: httpx2.Client) -> None:
    answer = client.post("/paths/v1", headers={"x-stub-body-size": "3000000"}, content=bytes(2_000_000))
    assert (answer.headers["x-stub-body-bytes"], len(answer.content)) == ("2000000", 3_000_000)


@pytest.mark.parametrize("more", [(), (ALWAYS,)], ids=["one table", "two stages"])
def test_an_answer_that_breaks_off_is_not_taken_for_a_whole_one(tmp_path: Path, more: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with server.accept()[0] as connection:
                connection.recv(65_536)
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc")

        thread = threading.Thread(target=answer)
        thread.start()
        address = Resolution("red", 0, "127.0.0.1", server.getsockname()[1])
        texts = (MESH, GATEWAY % (tmp_path / "log"), NODES, ROUTERS, *ROUTES, *more)
        with run_manifests(*texts, ports=(80, 81), resolutions=[address]) as running:
            with pytest.raises(httpx2.RemoteProtocolError):
                httpx2.get(running.url() + "/paths/v1")
            thread.join()


def test_a_websocket_passes(served: Served) -> None:
    async def talk() -> str | bytes:
        address, port = served.running.address(80)
        uri = "ws://colors.test/paths/v1"
        async with connect(uri, host=address, port=port, proxy=None, open_timeout=DEADLINE) as channel:
            await channel.send("hello")
            async with asyncio.timeout(DEADLINE):
                first = await channel.recv()
                return first if "hello" in str(first) else await channel.recv()

    assert asyncio.run(talk()) == "hello"


def test_calls_pass_and_those_that_no_route_takes_are_unimplemented(served: Served) -> None:
    grpc = {"content-type": "application/grpc", "te": "trailers"}
    with httpx2.Client(base_url=served.running.url(81), http1=False, http2=True) as h2:
        known = h2.post("/shop.Colors/Get", headers=grpc, content=b"\0\0\0\0\0")
        assert served_by(known) == "calls"
        unknown = h2.post("/shop.Colors/Put", headers=grpc, content=b"\0\0\0\0\0")
        assert (unknown.status_code, unknown.headers["grpc-status"]) == (200, "12")


def test_each_request_has_one_line_in_the_log(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    with run_manifests(MESH, GATEWAY % log, NODES, ROUTERS, *ROUTES, ALWAYS, ports=(80, 81)) as running:
        for path in ("/paths/all", "/paths/none", "/none"):
            httpx2.get(running.url() + path)
    # Envoy writes what it holds back when it ends.
    assert Counter(log.read_text().splitlines()) == {"GET 200": 1, "GET 404": 2}


def test_stages_come_and_go_without_a_dropped_request(tmp_path: Path) -> None:
    plain = join(MESH, GATEWAY % (tmp_path / "log"), NODES, ROUTERS, *ROUTES)
    staged = join(plain, ALWAYS)
    answers: Counter[str] = Counter()
    over = threading.Event()
    with run_manifests(plain, ports=(80, 81)) as running:

        def ask() -> None:
            with httpx2.Client(base_url=running.url()) as client:
                while not over.is_set():
                    answers[served_by(client.get("/paths/v1"))] += 1

        askers = [threading.Thread(target=ask) for _ in range(4)]
        for asker in askers:
            asker.start()
        try:
            for text in (staged, plain, staged, plain):
                running.write(text)
                running.await_word("reloaded")
        finally:
            over.set()
            for asker in askers:
                asker.join()
    assert answers.keys() == {"red"}


def test_requests_in_a_stage_finish_before_the_end(tmp_path: Path) -> None:
    with (
        run_manifests(MESH, GATEWAY % (tmp_path / "log"), NODES, ROUTERS, *ROUTES, ALWAYS, ports=(80, 81)) as running,
        httpx2.Client(base_url=running.url()) as client,
    ):
        found: list[str] = []

        def ask() -> None:
            found.append(served_by(client.get("/paths/v1?late", headers={"x-stub-delay": "1s"})))

        asker = threading.Thread(target=ask)
        asker.start()
        running.await_request(lambda record: record.path == "/v1?late")
        running.close()
        asker.join()
        assert found == ["red"]
