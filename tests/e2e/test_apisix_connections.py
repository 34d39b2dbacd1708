"""APISIX's ports on the real Envoy: TLS by server name, client certificates, streams, and what `links` writes."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from certificates import ca_config_map, client_context, leaf, tls_secret
from program import run_anygate
from running import Running, run_manifests, served_by, services
from test_apisix_routes import route, rule

HTTP, TLS = 9080, 9443


def tls(name: str, hosts: str, secret: str, more: str = "") -> str:
    return (
        f"apiVersion: apisix.apache.org/v2\nkind: ApisixTls\nmetadata: {{name: {name}}}\n"
        f"spec: {{hosts: [{hosts}], secret: {{name: {secret}, namespace: default}}{more}}}\n"
    )


def stream(name: str, protocol: str, port: int, more: str = "", service: str = "bytes") -> str:
    return (
        f"apiVersion: apisix.apache.org/v2\nkind: ApisixRoute\nmetadata: {{name: {name}}}\nspec:\n  stream:\n"
        f"  - {{name: {name}, protocol: {protocol}, match: {{ingressPort: {port}{more}}},"
        f" backend: {{serviceName: {service}, servicePort: 80}}}}\n"
    )


@pytest.fixture(scope="module")
def secured() -> Iterator[Running]:
    texts = (
        tls_secret("exact", "a.x.test"),
        tls_secret("wild", "*.x.test", "open.test"),
        tls_secret("guarded", "guarded.test"),
        tls("exact", "a.x.test", "exact"),
        tls("wild", '"*.x.test", open.test', "wild"),
        tls("guarded", "guarded.test", "guarded", ", client: {caSecret: {name: clients, namespace: default}}"),
        tls(
            "partly",
            "partly.test",
            "guarded",
            ', client: {caSecret: {name: clients, namespace: default}, skip_mtls_uri_regex: ["^/public/"]}',
        ),
        tls("lost", "lost.x.test", "exact", ", client: {caSecret: {name: nowhere, namespace: default}}"),
        tls("unread", "unread.x.test", "exact", ", client: {caSecret: 5}"),
        tls(
            "ahead",
            "ahead.x.test",
            "exact",
            ', client: {caSecret: {name: clients, namespace: default}, skip_mtls_uri_regex: ["(?=a)"]}',
        ),
        route(
            "hosts",
            rule("all", 'paths: ["/*"]', "open"),
            rule("guarded", 'hosts: [guarded.test, partly.test], paths: ["/*"]', "guarded"),
        ),
        services("open", "guarded"),
    )
    with run_manifests(*texts, authority_secret("clients"), ports=(HTTP, TLS)) as running:
        yield running


def authority_secret(name: str) -> str:
    text = ca_config_map(name).replace("kind: ConfigMap", "kind: Secret")
    return text.replace("binaryData:", "data:")


@contextmanager
def connected(
    running: Running, name: str, port: int = TLS, context: ssl.SSLContext | None = None
) -> Iterator[ssl.SSLSocket]:
    context = context or client_context()
    with (
        socket.create_connection(running.address(port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=name) as secure,
    ):
        yield secure


def fetch(running: Running, name: str, host: str = "", path: str = "/", context: ssl.SSLContext | None = None) -> str:
    """The first line of the answer."""
    with connected(running, name, context=context) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nhost: {host or name}\r\nconnection: close\r\n\r\n".encode())
        return client.makefile("rb").read().decode()


def subjects(running: Running, name: str) -> list[str]:
    context = client_context()
    context.check_hostname = False
    with connected(running, name, context=context) as client:
        found = client.getpeercert()
        assert found is not None
        return [str(value) for _, value in found["subjectAltName"]]


def test_an_exact_name_gets_its_certificate_before_a_wildcard(secured: Running) -> None:
    assert subjects(secured, "a.x.test") == ["a.x.test"]
    assert subjects(secured, "b.x.test") == subjects(secured, "open.test") == ["*.x.test", "open.test"]


@pytest.mark.parametrize("name", ["lost", "unread", "ahead"])
def test_a_name_whose_clients_cannot_be_checked_is_closed_and_never_left_to_a_wider_one(
    secured: Running, name: str
) -> None:
    context = client_context()
    context.check_hostname = False
    assert fetch(secured, f"{name}.x.test", context=context).startswith("HTTP/1.1 503 ")
    assert fetch(secured, "b.x.test", host=f"{name}.x.test").startswith("HTTP/1.1 421 ")
    assert fetch(secured, "b.x.test").startswith("HTTP/1.1 200 ")


def test_a_name_without_a_certificate_is_refused(secured: Running) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)), connected(secured, "nobody.test"):
        pass


def test_any_host_may_be_asked_for_on_a_connection_but_one_that_wants_client_certificates(secured: Running) -> None:
    assert "x-stub-backend: open.default" in fetch(secured, "open.test", "elsewhere.test")
    assert fetch(secured, "open.test", "guarded.test").startswith("HTTP/1.1 421 ")


def test_clients_have_to_show_a_certificate(secured: Running) -> None:
    mine = client_context(present=leaf("client.test"))
    assert "x-stub-backend: guarded.default" in fetch(secured, "guarded.test", context=mine)
    for context in (client_context(), client_context(present=leaf("client.test", ca="other"))):
        assert try_fetch(secured, "guarded.test", context) == ""


def try_fetch(running: Running, name: str, context: ssl.SSLContext) -> str:
    """The answer, nothing if the connection is refused: a client may learn that only when it reads."""
    try:
        return fetch(running, name, context=context)
    except (ssl.SSLError, ConnectionError):
        return ""


def test_some_paths_need_no_client_certificate(secured: Running) -> None:
    context = client_context()
    context.check_hostname = False
    mine = client_context(present=leaf("client.test"))
    mine.check_hostname = False
    assert "x-stub-backend: guarded.default" in fetch(secured, "partly.test", path="/public/a", context=context)
    assert fetch(secured, "partly.test", path="/private", context=context).startswith("HTTP/1.1 400 ")
    assert fetch(secured, "partly.test", path="/private?/public/", context=context).startswith("HTTP/1.1 400 ")
    assert "x-stub-backend: guarded.default" in fetch(secured, "partly.test", path="/private", context=mine)


def test_streams_by_port_transport_and_server_name() -> None:
    texts = (
        stream("tcp", "TCP", 9100),
        stream("udp", "UDP", 9100),
        stream("named", "TCP", 9101, ", host: a.x.test"),
        tls_secret("exact", "a.x.test"),
        tls("exact", "a.x.test", "exact"),
        services("bytes"),
    )
    with run_manifests(*texts, ports=(9100, 9101)) as running:
        with socket.create_connection(running.address(9100), timeout=10) as client:
            client.sendall(b"over tcp\n")
            assert b"over tcp" in client.recv(100)
        with socket.socket(type=socket.SOCK_DGRAM) as client:
            client.settimeout(10)
            client.sendto(b"over udp", running.address(9100))
            assert b"over udp" in client.recv(100)
        with connected(running, "a.x.test", 9101) as secure:
            secure.sendall(b"over tls\n")
            assert b"over tls" in secure.recv(100)
        with pytest.raises((ssl.SSLError, ConnectionError)), connected(running, "b.x.test", 9101):
            pass


def test_a_stream_closes_connections_from_elsewhere() -> None:
    plugins = "plugins: [{name: ip-restriction, config: {whitelist: [%s]}}], backend:"
    texts = [
        stream(name, "TCP", port).replace("backend:", plugins % network)
        for name, port, network in (("near", 9100, "127.0.0.0/8"), ("far", 9101, "10.0.0.0/8"))
    ]
    with run_manifests(*texts, services("bytes"), ports=(9100, 9101)) as running:
        with socket.create_connection(running.address(9100), timeout=10) as client:
            client.sendall(b"near\n")
            assert b"near" in client.recv(100)
        with socket.create_connection(running.address(9101), timeout=10) as client:
            try:
                client.sendall(b"far\n")
                assert client.recv(100) == b""
            except ConnectionError:
                pass


STACK = """
domain: lab.test
namespace: apps
apisix: {tls_secret: null}
components:
- {name: grafana, type: grafana, namespace: monitoring}
- name: myapp
  type: image_base
  ports: |
    http:8000:TCP
    grpc:9090:TCP
    agent:5000:TCP:stream
links:
- {link: apisix-grafana, to: grafana, subdomain: dash, websocket: true, apisix_timeout: {read: 300}}
- {link: apisix-image_base, to: myapp, subdomain: myapp, route_all: true}
"""


def test_what_links_writes_runs(tmp_path: Path) -> None:
    stack, out = tmp_path / "stack.yaml", tmp_path / "route"
    stack.write_text(STACK)
    done = run_anygate("links", stack, "-o", out)
    assert done.returncode == 0, done.stderr
    with run_manifests(path=out, ports=(HTTP, 5000)) as running:
        found = {}
        for host in ("dash", "myapp", "grpc-myapp", "nobody"):
            answer = httpx2.get(running.url(HTTP) + "/", headers={"host": f"{host}.lab.test"})
            found[host] = served_by(answer)
        assert found == {
            "dash": "grafana.monitoring",
            "myapp": "myapp.apps",
            "grpc-myapp": "myapp.apps",
            "nobody": "404",
        }
        with socket.create_connection(running.address(5000), timeout=10) as client:
            client.sendall(b"agent\n")
            assert b"agent" in client.recv(100)
