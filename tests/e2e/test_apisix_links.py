"""Every type of link and every attribute, from a stack file to an answer, by real requests through the real Envoy."""

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx2
import pytest
from program import run_anygate
from running import DEADLINE, Running, run_manifests, served_by
from websockets.asyncio.client import connect

from anygate.cli.app import main

HTTP, HTTPS = 9080, 9443
STREAMS = {"TCP": 50_000, "UDP": 50_053}
DIRECT = {
    "fastapi": "fastapi",
    "python": "python",
    "bridge": "bridge-bridge-bridge-service",
    "grafana": "grafana",
    "prometheus": "prometheus-operated",
    "loki": "loki-gateway",
    "minio": "minio",
    "keycloak": "keycloak",
    "keycloak_operator": "keycloak-operator-service",
    "rabbitmq": "rabbitmq",
    "langflow": "langflow",
    "vllm": "vllm-router-service",
    "open-webui": "open-webui",
    "flowise": "flowise",
    "backstage": "backstage",
    "clickhouse": "clickhouse-clickhouse",
    "opensearch": "opensearch-dashboards",
    "dex": "dex",
    "postgresql": "postgresql",
    "kubecost": "kubecost-cost-analyzer",
    "stack_agent": "stack-agent",
}
"""The Services behind them; image_base and external_source_code stand below, since they may be there several times."""

MORE = {"alertmanager-prometheus": "alertmanager-operated", "api-minio": "minio", "pipelines": "open-webui-pipelines"}
COMPONENTS = "".join(f"- {{name: {kind.replace('_', '-')}, type: {kind}}}\n" for kind in DIRECT)
PIPELINES = ", pipelines_subdomain: pipelines"
LINKS = "".join(
    f"- {{link: apisix-{kind}, subdomain: {kind.replace('_', '-')}{PIPELINES if kind == 'open-webui' else ''}}}\n"
    for kind in DIRECT
)
STACK = f"""
domain: lab.test
namespace: apps
apisix:
  gateways: [{{name: shop, subdomain: shop, api_key: {{secret: shop-key}}}}]
  ai_gateways: [{{name: llm, subdomain: llm, api_key: {{secret: llm-key}}}}]
components:
{COMPONENTS}
- {{name: sources, type: external_source_code}}
- {{name: orders-v1, type: external_source_code}}
- {{name: orders-v2, type: external_source_code}}
- name: myapp
  type: image_base
  ports: |
    http:8000:TCP
    grpc:9090:TCP
    # of its own
    agent:{STREAMS["TCP"]}:TCP:stream
    names:{STREAMS["UDP"]}:UDP:stream
- {{name: qwen, type: vllm, namespace: models, models: [{{name: qwen-7b}}]}}
links:
{LINKS.replace("apisix-vllm", "apisix-vllm, to: vllm")}
- {{link: apisix-external_source_code, to: sources, subdomain: sources}}
- {{link: apisix-image_base, subdomain: myapp, route_all: true, websocket: true}}
- {{link: gateway-external_source_code, to: orders-v1, weight: 3}}
- {{link: gateway-external_source_code, to: orders-v2, weight: 1}}
- {{link: ai_gateway-vllm, to: qwen, weight: 80}}
- {{link: ai_gateway-model, to: qwen/qwen-7b, weight: 20}}
- link: ai_gateway-external_ai
  to: openai
  subdomain: openai
  ai_endpoint: api.openai.com
  ai_provider_api_key: {{secret: openai-key}}
"""
SECRETS = """
apiVersion: v1
kind: Secret
metadata: {name: shop-key, namespace: ingress-apisix}
stringData: {key: key-of-the-shop}
---
apiVersion: v1
kind: Secret
metadata: {name: llm-key, namespace: ingress-apisix}
stringData: {key: key-of-models}
---
apiVersion: v1
kind: Secret
metadata: {name: openai-key, namespace: ingress-apisix}
stringData: {headers.set.Authorization: Bearer key-of-openai}
"""


@pytest.fixture(scope="module", params=["stack", "files"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The stack as it is, and the files that are written for it."""
    folder = tmp_path_factory.mktemp("served")
    plan, files = folder / "stack", folder / "files"
    for each in (plan, files):
        each.mkdir()
        (each / "secrets.yaml").write_text(SECRETS)
    (plan / "stack.yaml").write_text(STACK)
    links = ["links", str(plan / "stack.yaml"), "-o", str(files / "route")]
    assert [main(words) for words in (links, [*links, "--check"], ["diff", str(plan), str(files)])] == [0, 0, 0]
    folder = folder / request.param
    assert main(["check", str(folder)]) == 0
    with run_manifests(path=folder, ports=(HTTP, HTTPS, *STREAMS.values())) as running:
        yield running


def ask(running: Running, subdomain: str, path: str = "/x", **headers: str) -> httpx2.Response:
    sent = {"host": f"{subdomain}.lab.test", **headers}
    return httpx2.get(running.url(HTTP) + path, headers=sent, timeout=DEADLINE)


@pytest.mark.parametrize(
    ("subdomain", "service"), [*((key.replace("_", "-"), DIRECT[key]) for key in DIRECT), *MORE.items()]
)
def test_direct_links_lead_to_their_services(served: Running, subdomain: str, service: str) -> None:
    assert served_by(ask(served, subdomain)) == f"{service}.apps"


def test_hosts_have_tls(served: Running) -> None:
    context = ssl.create_default_context()
    # The certificate is the one that stands in for the stack's own.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(served.address(HTTPS), timeout=DEADLINE) as plain,
        context.wrap_socket(plain, server_hostname="grafana.lab.test") as secure,
    ):
        secure.sendall(b"GET / HTTP/1.1\r\nhost: grafana.lab.test\r\nconnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: secure.recv(65536), b""))
    assert b'"service":"grafana"' in answer


def test_all_ports_of_an_image(served: Running) -> None:
    assert [served_by(ask(served, name)) for name in ("sources", "myapp", "grpc-myapp")] == [
        "sources.apps",
        "myapp.apps",
        "myapp.apps",
    ]
    target = f"127.0.0.1:{HTTP + served.offset}"
    options = (("grpc.default_authority", "grpc-myapp.lab.test"),)
    with grpc.insecure_channel(target, options=options) as channel:
        said = channel.unary_unary("/any.Service/Method")(b"ping", timeout=DEADLINE)
    assert said == b"ping"
    with socket.create_connection(served.address(STREAMS["TCP"]), timeout=DEADLINE) as client:
        client.sendall(b"agent\n")
        assert client.recv(100) == b"agent\n"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(DEADLINE)
        client.sendto(b"name?", served.address(STREAMS["UDP"]))
        assert client.recv(100) == b"name?"


def test_a_gateway_shares_and_asks_for_its_key(served: Running) -> None:
    assert ask(served, "shop").status_code == 401
    assert ask(served, "shop", apikey="key-of-models").status_code == 403
    counted = Counter(served_by(ask(served, "shop", apikey="key-of-the-shop")) for _ in range(40))
    assert counted == {"orders-v1.apps": 30, "orders-v2.apps": 10}


def test_models(served: Running) -> None:
    assert ask(served, "llm", "/v1/models").status_code == 401
    assert ask(served, "llm", "/v1/models", apikey="key-of-the-shop").status_code == 403
    counted = Counter(served_by(ask(served, "llm", "/v1/models", apikey="key-of-models")) for _ in range(50))
    assert counted == {"qwen-router-service.models": 40, "qwen-7b.models": 10}
    assert ask(served, "llm", "/other", apikey="key-of-models").status_code == 404
    outside = ask(served, "openai", "/v1/models", apikey="key-of-models").json()
    assert outside["host"] == "api.openai.com"
    assert outside["headers"]["authorization"] == ["Bearer key-of-openai"]
    assert "apikey" not in outside["headers"]


ATTRIBUTES = """
domain: lab.test
apisix: {tls_secret: null}
components:
- {name: shop, type: fastapi}
- {name: charts, type: grafana}
- {name: board, type: langflow}
links:
- link: apisix-fastapi
  subdomain: shop
  cors: true
  rate_limiting: 3/1h
  proxy_rewrite: true
  max_body_size: 10
  additional_domain: |
    shop.example.net
    other.example.net
- link: apisix-grafana
  subdomain: charts
  whitelist: true
  ip_whitelist: 10.0.0.0/8
- link: apisix-langflow
  subdomain: board.panel
  websocket: true
  apisix_timeout: |
    read: 1
"""


@pytest.fixture(scope="module")
def attributes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    path = tmp_path_factory.mktemp("attributes") / "stack.yaml"
    path.write_text(ATTRIBUTES)
    with run_manifests(path=path, ports=(HTTP,)) as running:
        yield running


def test_headers_a_limit_and_further_hosts(attributes: Running) -> None:
    answer = ask(attributes, "shop")
    assert served_by(answer) == "shop"
    assert (answer.headers["access-control-allow-origin"], answer.headers["x-ratelimit-limit"]) == ("*", "3")
    assert answer.json()["headers"]["x-forwarded-proto"] == ["https"]
    assert answer.json()["headers"]["x-forwarded-port"] == ["443"]
    further = [
        httpx2.get(attributes.url(HTTP), headers={"host": f"{name}.example.net"}, timeout=DEADLINE)
        for name in ("shop", "other", "shop")
    ]
    assert [one.status_code for one in further] == [200, 200, 429]
    large = httpx2.post(attributes.url(HTTP), headers={"host": "shop.lab.test"}, content=b"a" * 11, timeout=DEADLINE)
    assert large.status_code == 413


def test_addresses_that_are_not_listed(attributes: Running) -> None:
    answer = ask(attributes, "charts")
    assert (answer.status_code, answer.json()) == (403, {"message": "Your IP address is not allowed"})


def test_timeouts(attributes: Running) -> None:
    assert served_by(ask(attributes, "board.panel")) == "board"
    assert ask(attributes, "board.panel", **{"x-stub-delay": "10s"}).status_code == 504


def test_a_websocket(attributes: Running) -> None:
    async def talk() -> str | bytes:
        host, port = attributes.address(HTTP)
        async with connect("ws://board.panel.lab.test/", host=host, port=port, proxy=None) as channel:
            await channel.send("hello")
            async with asyncio.timeout(DEADLINE):
                first = await channel.recv()
                return first if "hello" in str(first) else await channel.recv()

    assert asyncio.run(talk()) == "hello"


def test_files_follow_the_stack(tmp_path: Path) -> None:
    stack, route = tmp_path / "stack.yaml", tmp_path / "route"
    stack.write_text(ATTRIBUTES)
    assert main(["links", str(stack), "-o", str(route)]) == 0
    first = {path.name: path.read_bytes() for path in route.iterdir()}
    (route / "notes.yaml").write_text("mine: true\n")
    stack.write_text(ATTRIBUTES.partition("- link: apisix-langflow")[0])
    assert main(["links", str(stack), "-o", str(route)]) == 0
    assert {path.name for path in route.iterdir()} == {*first, "notes.yaml"} - {"langflow.yaml"}
    stack.write_text(ATTRIBUTES)
    assert main(["links", str(stack), "-o", str(route)]) == 0
    assert {path.name: path.read_bytes() for path in route.iterdir() if path.name != "notes.yaml"} == first


def test_a_mistake_in_a_stack_is_all_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "stack.yaml").write_text(ATTRIBUTES.replace("rate_limiting", "rate_limitting"))
    done = run_anygate("run", "--stub", tmp_path / "stack.yaml")
    assert (done.returncode, done.stdout) == (1, "")
    assert 'unknown field "rate_limitting"' in done.stderr
    assert done.stderr.endswith('hint: did you mean "rate_limiting"?\n\nfound 1 error\n')
