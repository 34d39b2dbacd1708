"""TLS on both sides: HTTPS by server name, client certificates, passthrough, termination, and TLS to backends."""

import socket
import ssl
from collections.abc import Iterator

import httpx2
import pytest
from certificates import ca_config_map, client_context, leaf, server_context, tls_secret
from running import DEADLINE, Running, gateway, run_manifests, served_by, services
from upstreams import http_server

PORTS = (443, 444, 445, 446, 447)
GATEWAY = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web}
spec:
  gatewayClassName: envoy
  listeners:
  - {name: a, port: 443, protocol: HTTPS, hostname: a.test, tls: {certificateRefs: [{name: a}]}}
  - {name: wild, port: 443, protocol: HTTPS, hostname: "*.wild.test", tls: {certificateRefs: [{name: wild}]}}
  - {name: client, port: 444, protocol: HTTPS, hostname: a.test, tls: {certificateRefs: [{name: a}]}}
  - {name: through, port: 445, protocol: TLS, hostname: "*.wild.test", tls: {mode: Passthrough}}
  - {name: end, port: 446, protocol: TLS, hostname: a.test, tls: {mode: Terminate, certificateRefs: [{name: a}]}}
  - {name: broken, port: 447, protocol: HTTPS, tls: {certificateRefs: [{name: missing}]}}
  tls:
    frontend:
      default: {}
      perPort:
      - port: 444
        tls: {validation: {caCertificateRefs: [{kind: ConfigMap, name: clients, group: ""}]}}
"""


def http_route(name: str, section: str, backend: str, hosts: str = "") -> str:
    hostnames = f"hostnames: [{hosts}]" if hosts else ""
    return f"""
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: {name}}}
spec:
  parentRefs: [{{name: web, sectionName: {section}}}]
  {hostnames}
  rules: [{{backendRefs: [{{name: {backend}, port: 80}}]}}]
"""


def stream_route(kind: str, name: str, section: str, backend: str, version: str = "v1") -> str:
    return f"""
apiVersion: gateway.networking.k8s.io/{version}
kind: {kind}
metadata: {{name: {name}}}
spec:
  parentRefs: [{{name: web, sectionName: {section}}}]
  {"hostnames: ['*.wild.test']" if name == "through" else "hostnames: [a.test]"}
  rules: [{{backendRefs: [{{name: {backend}, port: 80}}]}}]
"""


def slice_of(service: str, port: int) -> str:
    return f"""
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {service}-1, labels: {{kubernetes.io/service-name: {service}}}}}
addressType: IPv4
ports: [{{port: {port}}}]
endpoints: [{{addresses: [127.0.0.1]}}]
"""


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with http_server("past the gateway", server_context("x.wild.test")) as port:
        texts = (
            GATEWAY,
            services("a", "b", "through"),
            slice_of("through", port),
            tls_secret("a", "a.test"),
            tls_secret("wild", "*.wild.test"),
            ca_config_map("clients", "clients"),
            http_route("a", "a", "a"),
            http_route("wild", "wild", "b"),
            http_route("client", "client", "a"),
            http_route("broken", "broken", "a"),
            stream_route("TLSRoute", "through", "through", "through"),
            stream_route("TLSRoute", "end", "end", "b"),
        )
        with run_manifests(*texts, ports=PORTS) as found:
            yield found


def get(
    running: Running, name: str, port: int = 443, context: ssl.SSLContext | None = None, host: str = ""
) -> httpx2.Response:
    """Ask for a server name; `host` is the Host header if it is to be another."""
    with httpx2.Client(verify=context or client_context(), timeout=DEADLINE) as client:
        headers = {"host": host or name}
        return client.get(running.url(port, "https"), headers=headers, extensions={"sni_hostname": name})


def test_each_server_name_has_its_own_certificate_and_routes(running: Running) -> None:
    assert served_by(get(running, "a.test")) == "a"
    assert served_by(get(running, "one.wild.test")) == "b"
    with pytest.raises(httpx2.ConnectError):
        get(running, "unknown.test")


def test_a_connection_for_one_server_is_no_way_to_another(running: Running) -> None:
    assert get(running, "a.test", host="one.wild.test").status_code == 421
    assert get(running, "a.test", host="unknown.test").status_code == 404


def test_http2_over_tls(running: Running) -> None:
    with httpx2.Client(verify=client_context(), http2=True, timeout=DEADLINE) as client:
        answer = client.get(
            running.url(443, "https"), headers={"host": "a.test"}, extensions={"sni_hostname": "a.test"}
        )
    assert (answer.http_version, served_by(answer)) == ("HTTP/2", "a")


def test_client_certificates(running: Running) -> None:
    good = client_context(present=leaf("client.test", ca="clients"))
    assert served_by(get(running, "a.test", 444, good)) == "a"
    for context in (client_context(), client_context(present=leaf("client.test", ca="strangers"))):
        with pytest.raises(httpx2.TransportError):
            get(running, "a.test", 444, context)


def test_passthrough(running: Running) -> None:
    answer = get(running, "x.wild.test", 445)
    assert answer.text == "past the gateway"
    with pytest.raises(httpx2.TransportError):
        get(running, "a.test", 445)


def test_termination_to_bytes(running: Running) -> None:
    with (
        socket.create_connection(running.address(446), DEADLINE) as plain,
        client_context().wrap_socket(plain, server_hostname="a.test") as channel,
    ):
        channel.sendall(b"hello")
        assert _read_until(channel, b"hello").endswith(b"hello")


def test_a_listener_without_its_certificate_is_not_there(running: Running) -> None:
    with pytest.raises(httpx2.ConnectError):
        get(running, "a.test", 447)
    assert "certificate-invalid" in running.rules()


BACKEND_TLS = """
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {{name: {name}}}
spec:
  targetRefs: [{{group: "", kind: Service, name: {name}}}]
  validation: {{hostname: {hostname}, caCertificateRefs: [{{group: "", kind: ConfigMap, name: {ca}}}]}}
"""


def test_tls_to_backends() -> None:
    with http_server("over tls", server_context("inner.test")) as port:
        texts = [gateway(), ca_config_map("own"), ca_config_map("strange", "strangers")]
        for name, hostname, ca in (
            ("good", "inner.test", "own"),
            ("wrong-ca", "inner.test", "strange"),
            ("wrong-name", "other.test", "own"),
            ("no-ca", "inner.test", "missing"),
        ):
            texts += [services(name), slice_of(name, port), http_route(name, "http", name, f"{name}.test")]
            texts += [BACKEND_TLS.format(name=name, hostname=hostname, ca=ca)]
        with run_manifests(*texts, stubs="none") as running, httpx2.Client(timeout=DEADLINE) as client:

            def ask(name: str) -> httpx2.Response:
                return client.get(running.url(), headers={"host": f"{name}.test"})

            assert ask("good").text == "over tls"
            assert ask("wrong-ca").status_code == 503
            assert ask("wrong-name").status_code == 503
            assert ask("no-ca").status_code == 500


def _read_until(channel: socket.socket, text: bytes) -> bytes:
    read = b""
    while text not in read and (more := channel.recv(65_536)):
        read += more
    return read
