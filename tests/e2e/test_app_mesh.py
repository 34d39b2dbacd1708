"""App Mesh manifests served by the real Envoy: the walkthrough as its manual has it, and what it promises."""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from certificates import authority, client_context, leaf, server_context
from running import Running, run_manifests, served_by
from upstreams import http_server

PRODUCTS = Path(__file__).parents[2] / "examples" / "app-mesh" / "products"
HOST = "product-service.default.svc.cluster.local"


@pytest.fixture(scope="module")
def products() -> Iterator[Running]:
    with run_manifests(path=PRODUCTS, ports=(8080,)) as running:
        yield running


@pytest.mark.parametrize(
    ("path", "headers", "service", "seen"),
    [
        ("/products/items", {}, "product-service-v1", "/items"),
        ("/products/items", {"X-User-Type": "beta-tester"}, "product-service-v2", "/items"),
        ("/products/items", {"X-User-Type": "Beta-Tester"}, "product-service-v1", "/items"),
        ("/products/items", {"x-user-type": "beta-tester"}, "product-service-v2", "/items"),
        ("/products", {}, "product-service-v1", "/"),
        ("/products?id=1", {}, "product-service-v1", "/?id=1"),
        ("/productsX", {}, "product-service-v1", "/X"),
    ],
)
def test_the_walkthrough_answers_as_its_manual_says(
    products: Running, path: str, headers: dict[str, str], service: str, seen: str
) -> None:
    answer = httpx2.get(products.url(8080) + path, headers=headers)
    assert (served_by(answer), answer.json()["path"]) == (service, seen)
    assert answer.json()["host"] == (HOST if service.endswith("v1") else HOST.replace("service.", "service-v2.", 1))


def test_what_no_route_asks_for_is_not_found(products: Running) -> None:
    assert httpx2.get(products.url(8080) + "/other").status_code == 404


def test_a_weight_of_zero_gets_nothing(products: Running) -> None:
    with httpx2.Client() as client:
        counted = Counter(served_by(client.get(products.url(8080) + "/products")) for _ in range(1000))
    assert counted == {"product-service-v1": 1000}


@contextmanager
def asked_all_the_time(url: str, clients: int = 4) -> Iterator[Counter[str]]:
    """Ask by several clients until the block ends; afterwards the counter says who answered."""
    counted: Counter[str] = Counter()
    over = threading.Event()

    def ask() -> Counter[str]:
        own: Counter[str] = Counter()
        with httpx2.Client() as client:
            while not over.is_set():
                own[served_by(client.get(url))] += 1
        return own

    with ThreadPoolExecutor(clients) as pool:
        futures = [pool.submit(ask) for _ in range(clients)]
        try:
            yield counted
        finally:
            over.set()
        for future in futures:
            counted.update(future.result())


def test_weights_change_without_a_dropped_request(tmp_path: Path) -> None:
    path = tmp_path / "in.yaml"
    texts = [file.read_text() for file in sorted(PRODUCTS.glob("*.yaml"))]
    path.write_text("\n---\n".join(texts))
    with run_manifests(path=path, ports=(8080,)) as running, httpx2.Client() as client:
        text = path.read_text()
        url = running.url(8080) + "/products/items"
        with asked_all_the_time(url) as answered:
            running.write(text.replace("weight: 0", "weight: 10").replace("weight: 100", "weight: 90"))
            while served_by(client.get(url)) != "product-service-v2":
                pass
            counted = Counter(served_by(client.get(url)) for _ in range(1000))
            assert 50 < counted["product-service-v2"] < 160
            running.write(text.replace("weight: 0", "weight: 1").replace("weight: 100", "weight: 0"))
            while {served_by(client.get(url)) for _ in range(60)} != {"product-service-v2"}:
                pass
            assert {served_by(client.get(url)) for _ in range(200)} == {"product-service-v2"}
        # Not one of them got anything else, before, after and while the weights changed.
        assert answered.keys() == {"product-service-v1", "product-service-v2"}


MESH = """
apiVersion: appmesh.k8s.aws/v1beta2
kind: Mesh
metadata: {name: shop}
spec: {namespaceSelector: {}}
"""
NODE = """
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualNode
metadata: {name: %s}
spec:
  listeners: [{portMapping: {port: %d, protocol: %s}%s}]
  serviceDiscovery: {dns: {hostname: %s}}
---
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualService
metadata: {name: %s}
spec: {provider: {virtualNode: {virtualNodeRef: {name: %s}}}}
"""
GATEWAY = """
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualGateway
metadata: {name: web}
spec:
  namespaceSelector: {}
  listeners: %s
  %s
"""
ROUTE = """
apiVersion: appmesh.k8s.aws/v1beta2
kind: GatewayRoute
metadata: {name: %s}
spec:
  %sRoute:
    match: %s
    action: {target: {virtualService: {virtualServiceRef: {name: %s}}}}
"""


def node(name: str, port: int = 8080, protocol: str = "http", host: str = "", more: str = "") -> str:
    return NODE % (name, port, protocol, more, host or f"{name}.invalid", name, name)


def route(name: str, match: str, service: str, protocol: str = "http") -> str:
    return ROUTE % (name, protocol, match, service)


def write_certificate(folder: Path, *names: str) -> str:
    """The files of a certificate, as a listener's `certificate` or a policy's."""
    cert = leaf(*names)
    (folder / "chain.pem").write_bytes(b"".join(blob.bytes() for blob in cert.cert_chain_pems))
    (folder / "key.pem").write_bytes(cert.private_key_pem.bytes())
    (folder / "authority.pem").write_bytes(authority("own").cert_pem.bytes())
    return f"{{file: {{certificateChain: {folder}/chain.pem, privateKey: {folder}/key.pem}}}}"


def test_listeners_take_tls_from_files_and_permissive_ones_plain_requests_too(tmp_path: Path) -> None:
    certificate = write_certificate(tmp_path, "a.test")
    trust = f"validation: {{trust: {{file: {{certificateChain: {tmp_path}/authority.pem}}}}}}"
    listeners = f"""
  - {{portMapping: {{port: 443, protocol: http}}, tls: {{mode: STRICT, certificate: {certificate}}}}}
  - {{portMapping: {{port: 444, protocol: http}}, tls: {{mode: PERMISSIVE, certificate: {certificate}}}}}
  - {{portMapping: {{port: 445, protocol: http}}, tls: {{mode: STRICT, certificate: {certificate}, {trust}}}}}
  - portMapping: {{port: 446, protocol: http}}
    tls: {{mode: STRICT, certificate: {{acm: {{certificateARN: a}}}}}}"""
    texts = (MESH, GATEWAY % (listeners, ""), node("red"), route("all", "{prefix: /}", "red"))
    with run_manifests(*texts, ports=(443, 444, 445, 446)) as running:
        hosts = {"sni_hostname": "a.test"}
        with httpx2.Client(verify=client_context()) as client:
            for port in (443, 444):
                answer = client.get(running.url(port, "https"), headers={"host": "a.test"}, extensions=hosts)
                assert served_by(answer) == "red"
            with pytest.raises(httpx2.HTTPError):
                client.get(running.url(445, "https"), extensions=hosts)
        with httpx2.Client(verify=client_context(present=leaf("client.test"))) as client:
            assert served_by(client.get(running.url(445, "https"), extensions=hosts)) == "red"
        assert served_by(httpx2.get(running.url(444))) == "red"
        with pytest.raises(httpx2.HTTPError):
            httpx2.get(running.url(443))
        with pytest.raises(httpx2.HTTPError):
            httpx2.get(running.url(446))
        assert "mesh-secret-unavailable" in running.rules()


@pytest.mark.parametrize(("name", "status"), [("localhost", 200), ("other.test", 503)])
def test_a_client_policy_verifies_the_name_of_the_node(tmp_path: Path, name: str, status: int) -> None:
    write_certificate(tmp_path, "unused.test")
    policy = f"validation: {{trust: {{file: {{certificateChain: {tmp_path}/authority.pem}}}}}}"
    listeners = "[{portMapping: {port: 80, protocol: http}}]"
    gateway = GATEWAY % (listeners, f"backendDefaults: {{clientPolicy: {{tls: {{{policy}}}}}}}")
    with http_server("secure", context=server_context(name)) as port:
        texts = (MESH, gateway, node("red", port, host="localhost"), route("all", "{prefix: /}", "red"))
        with run_manifests(*texts, stubs="none") as running:
            assert httpx2.get(running.url()).status_code == status


def test_hosts_do_not_fall_back_and_ports_of_hosts_do_not_matter() -> None:
    listeners = "[{portMapping: {port: 80, protocol: http}}]"
    texts = (
        *(MESH, GATEWAY % (listeners, ""), node("red"), node("blue"), node("green")),
        route("apex", "{prefix: /apex, hostname: {exact: example.com}}", "red"),
        route("below", "{hostname: {suffix: .example.com}}", "blue"),
        route("everybody", "{prefix: /}", "green"),
        route("within", "{hostname: {suffix: -eu.test}}", "red"),
    )
    with run_manifests(*texts) as running, httpx2.Client() as client:

        def asked(host: str, path: str = "/apex") -> str:
            return served_by(client.get(running.url() + path, headers={"host": host}))

        assert asked("shop-eu.test") == "red"
        assert asked("shop.eu.test") == "green"
        assert asked("example.com") == asked("EXAMPLE.com:8080") == "red"
        assert asked("example.com", "/") == "404"
        assert asked("a.example.com") == asked("b.a.example.com:81") == "blue"
        assert asked("example.org") == "green"


def test_calls_that_no_route_takes_are_unimplemented() -> None:
    listeners = "[{portMapping: {port: 80, protocol: grpc}}]"
    texts = (
        *(MESH, GATEWAY % (listeners, ""), node("red", protocol="grpc")),
        route("calls", "{serviceName: shop.Colors}", "red", "grpc"),
    )
    with run_manifests(*texts) as running, httpx2.Client(http1=False, http2=True) as client:
        grpc = {"content-type": "application/grpc", "te": "trailers"}
        known = client.post(running.url() + "/shop.Colors/Get", headers=grpc, content=b"\0\0\0\0\0")
        assert served_by(known) == "red"
        unknown = client.post(running.url() + "/shop.Colors2/Get", headers=grpc, content=b"\0\0\0\0\0")
        assert (unknown.status_code, unknown.headers["grpc-status"]) == (200, "12")
        plain = client.post(running.url() + "/shop.Colors/Get", headers={"content-type": "text/plain"}, content=b"")
        assert plain.status_code == 404


def test_requests_are_written_down_as_the_gateway_says(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    listeners = "[{portMapping: {port: 80, protocol: http}}]"
    form = '{text: "%REQ(:METHOD)% %RESPONSE_CODE% %ROUTE_NAME%\\n"}'
    gateway = GATEWAY % (listeners, f"logging: {{accessLog: {{file: {{path: {log}, format: {form}}}}}}}")
    with run_manifests(MESH, gateway, node("red"), route("all", "{prefix: /}", "red")) as running:
        httpx2.get(running.url())
    # Envoy writes what it holds back when it ends.
    assert log.read_text() == "GET 200 GatewayRoute/default/all/rule/red.default/match/0\n"
