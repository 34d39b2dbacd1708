"""BackendLBPolicy with real traffic: how endpoints are chosen, kept and protected."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx2
import pytest
from running import DEADLINE, Running, join, run_manifests, services
from upstreams import http_server

KINDS = {
    "header": "{type: ConsistentHash, consistentHash: {keyType: Header, headerName: x-user}}",
    "host": "{consistentHash: {keyType: Hostname}}",
    "address": "{consistentHash: {keyType: SourceIP}}",
    "turns": "{type: RoundRobin}",
    "least": "{type: LeastRequest}",
    "random": "{type: Random}",
}
SERVERS = ("one", "two", "three")


def endpoints(name: str, ports: list[int]) -> str:
    return join(
        services(name),
        *(
            f"""
            apiVersion: discovery.k8s.io/v1
            kind: EndpointSlice
            metadata: {{name: {name}-{port}, labels: {{kubernetes.io/service-name: {name}}}}}
            addressType: IPv4
            ports: [{{port: {port}}}]
            endpoints: [{{addresses: [127.0.0.1]}}]
            """
            for port in ports
        ),
    )


def policy(name: str, spec: str) -> str:
    return f"""
    apiVersion: gateway.networking.k8s.io/v1alpha2
    kind: BackendLBPolicy
    metadata: {{name: {name}}}
    spec: {{targetRefs: [{{group: "", kind: Service, name: {name}}}], {spec}}}
    """


def rule(path: str, **weights: int) -> str:
    refs = ", ".join(f"{{name: {name}, port: 80, weight: {weight}}}" for name, weight in weights.items())
    return f"{{matches: [{{path: {{value: /{path}}}}}], backendRefs: [{refs}]}}"


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    rules = [rule(name, **{name: 1}) for name in (*KINDS, "bounded", "kept")]
    rules += [rule("split", kept=1, other=3), rule("drained", kept=0, other=1)]
    gateway = f"""
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {{name: web}}
    spec: {{gatewayClassName: envoy, listeners: [{{name: http, port: 80, protocol: HTTP}}]}}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {{name: all}}
    spec: {{parentRefs: [{{name: web}}], rules: [{", ".join(rules)}]}}
    """
    with ExitStack() as stack:
        ports = [stack.enter_context(http_server(name)) for name in SERVERS]
        other = stack.enter_context(http_server("other"))
        texts = [
            text
            for name, spec in KINDS.items()
            for text in (endpoints(name, ports), policy(name, f"loadBalancing: {spec}"))
        ]
        texts += [services("bounded"), policy("bounded", "circuitBreaker: {maxInflightRequests: 2}")]
        texts += [endpoints("kept", ports), endpoints("other", [other])]
        texts += [policy("kept", "sessionPersistence: {sessionName: cart, idleTimeout: 5m}")]
        yield stack.enter_context(run_manifests(gateway, *texts))


@pytest.fixture
def client(running: Running) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=running.url(), timeout=DEADLINE) as found:
        yield found


def answered(client: httpx2.Client, path: str, count: int, **headers: str) -> list[str]:
    return [client.get(path, headers=headers).text for _ in range(count)]


def test_a_header_chooses_the_endpoint(client: httpx2.Client) -> None:
    found = [set(answered(client, "/header", 5, **{"x-user": str(user)})) for user in range(20)]
    assert {len(servers) for servers in found} == {1}
    assert set.union(*found) == set(SERVERS)
    assert set(answered(client, "/header", 60)) == set(SERVERS)


def test_the_host_chooses_the_endpoint(client: httpx2.Client) -> None:
    found = [set(answered(client, "/host", 5, host=f"{number}.test")) for number in range(20)]
    assert {len(servers) for servers in found} == {1}
    assert set.union(*found) == set(SERVERS)


def test_the_address_chooses_the_endpoint(client: httpx2.Client) -> None:
    assert len(set(answered(client, "/address", 30))) == 1


@pytest.mark.parametrize("kind", ["turns", "least", "random"])
def test_all_endpoints_get_their_share(client: httpx2.Client, kind: str) -> None:
    found = answered(client, f"/{kind}", 90)
    counts = [found.count(name) for name in SERVERS]
    assert min(counts) > 10
    if kind == "turns":
        assert counts == [30, 30, 30]


def test_more_requests_at_once_than_allowed_are_refused(running: Running, client: httpx2.Client) -> None:
    with ThreadPoolExecutor() as pool:
        slow = [pool.submit(client.get, "/bounded", headers={"x-stub-delay": "2s"}) for _ in range(2)]
        for _ in slow:
            running.await_request(lambda record: record.path == "/bounded")
        refused = client.get("/bounded")
        assert refused.status_code == 503
        assert [one.result().status_code for one in slow] == [200, 200]
    assert client.get("/bounded").status_code == 200


def test_a_session_is_kept_whatever_the_weights(client: httpx2.Client) -> None:
    first = client.get("/kept")
    assert "cart=" in first.headers["set-cookie"]
    assert set(answered(client, "/kept", 20)) == {first.text}
    # A policy of one backend of a rule holds for all, and another rule has a cookie of its own.
    for path in ("/split", "/drained"):
        client.cookies.clear()
        start = client.get(path)
        assert not start.headers["set-cookie"].startswith("cart=")
        assert set(answered(client, path, 20)) == {start.text}
    client.cookies.clear()
    fresh = []
    for _ in range(60):
        fresh.append(client.get("/split").text)
        client.cookies.clear()
    assert 30 <= fresh.count("other") <= 56
    assert {client.get("/drained").text for _ in range(10)} == {"other"}


def test_a_session_reaches_a_backend_without_weight(running: Running) -> None:
    """What a client carries wins over weight 0: the endpoint is the same, and so is its address in the cookie."""
    with httpx2.Client(base_url=running.url(), timeout=DEADLINE) as client:
        first = client.get("/kept")
        token = first.headers["set-cookie"].partition("=")[2].partition(";")[0]
        name = client.get("/drained").headers["set-cookie"].partition("=")[0]
        client.cookies.clear()
        assert client.get("/drained").text == "other"
        client.cookies.clear()
        assert client.get("/drained", headers={"cookie": f"{name}={token}"}).text == first.text
