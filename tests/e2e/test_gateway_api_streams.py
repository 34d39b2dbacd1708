"""TCP, UDP and gRPC through the gateway, and backends that are really there."""

import socket
from collections.abc import Iterator

import grpc
import httpx2
import pytest
from running import DEADLINE, Running, run_manifests, served_by, services
from test_gateway_api_tls import slice_of
from upstreams import http_server

GATEWAY = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web}
spec:
  gatewayClassName: envoy
  listeners:
  - {name: http, port: 80, protocol: HTTP}
  - {name: tcp, port: 5432, protocol: TCP}
  - {name: udp, port: 5353, protocol: UDP}
  - {name: empty, port: 5433, protocol: TCP}
"""
ROUTES = """
apiVersion: gateway.networking.k8s.io/v1
kind: TCPRoute
metadata: {name: db}
spec: {parentRefs: [{name: web, sectionName: tcp}], rules: [{backendRefs: [{name: db, port: 80}]}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: TCPRoute
metadata: {name: lost}
spec: {parentRefs: [{name: web, sectionName: empty}], rules: [{backendRefs: [{name: missing, port: 80}]}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: UDPRoute
metadata: {name: dns}
spec: {parentRefs: [{name: web, sectionName: udp}], rules: [{backendRefs: [{name: dns, port: 80}]}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: calls}
spec:
  parentRefs: [{name: web, sectionName: http}]
  hostnames: [calls.test]
  rules:
  - matches: [{method: {service: shop.v1.Cart, method: Add}}]
    backendRefs: [{name: a, port: 80}]
  - matches: [{method: {service: shop.v1.Cart}}]
    backendRefs: [{name: b, port: 80}]
  - matches: [{headers: [{name: x-who, value: c}]}]
    backendRefs: [{name: c, port: 80}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: real}
spec:
  parentRefs: [{name: web, sectionName: http}]
  hostnames: [real.test]
  rules:
  - matches: [{path: {value: /slice}}]
    backendRefs: [{name: slice, port: 80}]
  - matches: [{path: {value: /name}}]
    backendRefs: [{name: external, port: PORT}]
  - matches: [{path: {value: /fqdn}}]
    backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: fqdn}]
  - matches: [{path: {value: /ip}}]
    backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: ip}]
  - matches: [{path: {value: /other}}]
    backendRefs: [{name: shared, namespace: allowed, port: 80}]
  - matches: [{path: {value: /denied}}]
    backendRefs: [{name: shared, namespace: denied, port: 80}]
---
apiVersion: v1
kind: Service
metadata: {name: external}
spec: {type: ExternalName, externalName: localhost, ports: [{port: PORT}]}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {name: fqdn}
spec: {endpoints: [{fqdn: {hostname: localhost, port: PORT}}]}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {name: ip}
spec: {endpoints: [{ip: {address: 127.0.0.1, port: PORT}}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: {name: in, namespace: allowed}
spec:
  from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: default}]
  to: [{group: "", kind: Service}]
---
apiVersion: v1
kind: Service
metadata: {name: shared, namespace: allowed}
spec: {ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: shared, namespace: denied}
spec: {ports: [{port: 80}]}
"""


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with http_server("really there") as port:
        texts = (GATEWAY, ROUTES.replace("PORT", str(port)), services("a", "b", "c", "db", "dns", "slice"))
        with run_manifests(*texts, slice_of("slice", port), ports=(80, 5432, 5353, 5433)) as found:
            yield found


def test_tcp(running: Running) -> None:
    with socket.create_connection(running.address(5432), DEADLINE) as channel:
        channel.sendall(b"select 1")
        read = b""
        while b"select 1" not in read and (more := channel.recv(65_536)):
            read += more
        assert read.endswith(b"select 1")
    with socket.create_connection(running.address(5433), DEADLINE) as channel:
        assert channel.recv(1) == b""


def test_udp(running: Running) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.settimeout(DEADLINE)
        channel.connect(running.address(5353))
        channel.send(b"who is there")
        assert b"who is there" in channel.recv(65_536)


def call(running: Running, method: str, **headers: str) -> str:
    """Make a gRPC call with bytes for messages; the stub that answered, or the status."""
    options = (("grpc.default_authority", "calls.test"),)
    with grpc.insecure_channel("{}:{}".format(*running.address(80)), options=options) as channel:
        unary = channel.unary_unary(method, request_serializer=bytes, response_deserializer=bytes)
        sent = [(name.replace("_", "-"), value) for name, value in headers.items()]
        try:
            _, done = unary.with_call(b"hello", metadata=sent, timeout=DEADLINE)
        except grpc.RpcError as problem:
            return problem.code().name
        return dict(done.initial_metadata())["x-stub-backend"].removesuffix(".default")


def test_grpc(running: Running) -> None:
    assert call(running, "/shop.v1.Cart/Add") == "a"
    assert call(running, "/shop.v1.Cart/Remove") == "b"
    assert call(running, "/other.Service/Do", x_who="c") == "c"
    assert call(running, "/other.Service/Do") == "UNIMPLEMENTED"
    assert call(running, "/shop.v1.Cart/Add", x_stub_status="14") == "UNAVAILABLE"


@pytest.mark.parametrize("path", ["/slice", "/name", "/fqdn", "/ip"])
def test_real_backends(running: Running, path: str) -> None:
    answer = httpx2.get(running.url() + path, headers={"host": "real.test"}, timeout=DEADLINE)
    assert answer.text == "really there"


def test_reference_grants(running: Running) -> None:
    headers = {"host": "real.test"}
    answer = httpx2.get(running.url() + "/other", headers=headers, timeout=DEADLINE)
    assert served_by(answer) == "shared.allowed"
    assert httpx2.get(running.url() + "/denied", headers=headers, timeout=DEADLINE).status_code == 500
    assert "ref-not-permitted" in running.rules()


def test_the_table_tells_real_from_stub(running: Running) -> None:
    assert running.table is not None
    kinds = {row[0].partition(".")[0]: row[1] for row in running.table.backends}
    assert {name: kinds[name] for name in ("slice", "external", "ip", "a", "dns")} == {
        "slice": "real",
        "external": "real",
        "ip": "real",
        "a": "stub",
        "dns": "stub",
    }
