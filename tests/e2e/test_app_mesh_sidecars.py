"""Sidecars of App Mesh's nodes served by the real Envoy: what a workload calls, and what calls it."""

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest
from certificates import authority, leaf
from running import DEADLINE, Running, run_manifests, served_by
from upstreams import http_server

from anygate.cli.settings_source import make_settings
from anygate.runner.destinations import parse_resolution

RED_IN, SHOP_OUT, SHOP_NEXT = 15000, 15101, 15102
"""The sidecar of `red` has the first ports, since names decide; that of `shop` has the next hundred."""

MESH = """
apiVersion: appmesh.k8s.aws/v1beta2
kind: Mesh
metadata: {name: shop}
spec: {namespaceSelector: {}, egressFilter: {type: %s}}
"""
SHOP = """
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualNode
metadata: {name: shop}
spec: %s
"""
NODE = """
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualNode
metadata: {name: %s}
spec:
  listeners: [{portMapping: {port: 8080, protocol: %s}%s}]
  serviceDiscovery: {dns: {hostname: %s.test}}
---
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualService
metadata: {name: %s}
spec: {provider: {virtualNode: {virtualNodeRef: {name: %s}}}}
"""
GROUP = """
apiVersion: appmesh.k8s.aws/v1beta2
kind: BackendGroup
metadata: {name: colors}
spec: {virtualservices: [{name: blue}]}
"""


def node(name: str, more: str = "", protocol: str = "http") -> str:
    return NODE % (name, protocol, more and f", {more}", name, name, name)


def calls(*services: str, policy: str = "", more: str = "") -> str:
    """The node `shop` with these backends."""
    entry = "{virtualService: {virtualServiceRef: {name: %s}" + (f", clientPolicy: {policy}" if policy else "") + "}}"
    return SHOP % f"{{backends: [{', '.join(entry % name for name in services)}]{more and f', {more}'}}}"


def write_files(folder: Path, name: str) -> str:
    """The files of a certificate, as manifests name them."""
    cert = leaf(name)
    chain, key = folder / f"{name}.pem", folder / f"{name}-key.pem"
    chain.write_bytes(b"".join(blob.bytes() for blob in cert.cert_chain_pems))
    key.write_bytes(cert.private_key_pem.bytes())
    return f"certificate: {{file: {{certificateChain: {chain}, privateKey: {key}}}}}"


def write_trust(folder: Path, *names: str) -> str:
    (folder / "authority.pem").write_bytes(authority("own").cert_pem.bytes())
    wanted = f", subjectAlternativeNames: {{match: {{exact: [{', '.join(names)}]}}}}" if names else ""
    return f"validation: {{trust: {{file: {{certificateChain: {folder}/authority.pem}}}}{wanted}}}"


def run_sidecars(*texts: str, nodes: Sequence[str] = ("shop", "red"), **options: Any) -> Any:
    (settings,) = make_settings(nodes=nodes)
    ports = [port + block for port in (15000, 15001, 15002) for block in (0, 100)]
    return run_manifests(settings.text, *texts, ports=ports, stubs=options.pop("stubs", "all"), **options)


def ask(running: Running, host: str, path: str = "/", port: int = SHOP_OUT) -> httpx2.Response:
    return httpx2.get(running.url(port) + path, headers={"host": host})


@pytest.mark.parametrize(
    ("server", "wanted", "client", "status"),
    [
        ("red.test", "shop.test", "shop.test", 200),
        ("other.test", "shop.test", "shop.test", 503),
        ("red.test", "shop.test", "other.test", 503),
        ("red.test", "shop.test", "", 503),
    ],
)
def test_two_sidecars_verify_each_other(tmp_path: Path, server: str, wanted: str, client: str, status: int) -> None:
    serve = f"tls: {{mode: STRICT, {write_files(tmp_path, server)}, {write_trust(tmp_path, wanted)}}}"
    present = f"{write_files(tmp_path, client)}, " if client else ""
    policy = f"{{tls: {{{present}{write_trust(tmp_path)}}}}}"
    with run_sidecars(MESH % "DROP_ALL", calls("red", policy=policy), node("red", serve)) as running:
        answer = ask(running, "red.default", "/a?b=1")
        assert answer.status_code == status
        if status == 200:
            assert (served_by(answer), answer.json()["path"]) == ("red-app", "/a?b=1")
        with pytest.raises(httpx2.HTTPError):
            ask(running, "red.default", port=RED_IN)


def test_a_permissive_sidecar_takes_plain_requests_too_and_is_called_with_tls(tmp_path: Path) -> None:
    log = tmp_path / "red.log"
    serve = f"tls: {{mode: PERMISSIVE, {write_files(tmp_path, 'red.test')}}}"
    form = '{text: "%DOWNSTREAM_TLS_VERSION% %RESPONSE_CODE%\\n"}'
    logging = f"spec:\n  logging: {{accessLog: {{file: {{path: {log}, format: {form}}}}}}}\n"
    logged = node("red", serve).replace("spec:\n", logging, 1)
    with run_sidecars(MESH % "DROP_ALL", calls("red"), logged) as running:
        assert served_by(ask(running, "red.default")) == "red-app"
        assert served_by(ask(running, "red.default", port=RED_IN)) == "red-app"
    # Envoy writes what it holds back when it ends.
    assert sorted(log.read_text().splitlines()) == ["- 200", "TLSv1.3 200"]


def test_only_backends_and_members_of_groups_are_known() -> None:
    texts = (MESH % "DROP_ALL", calls("red", more="backendGroups: [{name: colors}]"), GROUP)
    with run_sidecars(*texts, node("red"), node("blue"), node("green"), nodes=["shop"]) as running:
        answers = [served_by(ask(running, f"{name}.default", port=15001)) for name in ("red", "blue", "green")]
        assert answers == ["red", "blue", "404"]


@pytest.mark.parametrize(("egress", "answer"), [("DROP_ALL", (404, "")), ("ALLOW_ALL", (200, "elsewhere"))])
def test_the_egress_filter_decides_about_other_hosts(egress: str, answer: tuple[int, str]) -> None:
    with (
        http_server("elsewhere", address="127.0.0.2") as port,
        run_sidecars(MESH % egress, calls("red"), node("red"), stubs="none", nodes=["shop"]) as running,
    ):
        found = ask(running, f"127.0.0.2:{port}", port=15001)
        assert (found.status_code, found.text) == answer
        # It would come back to the sidecar itself, again and again.
        assert ask(running, f"127.0.0.1:{15001 + running.offset}", port=15001).status_code == 404


def test_bytes_pass_both_sidecars(tmp_path: Path) -> None:
    serve = f"tls: {{mode: STRICT, {write_files(tmp_path, 'red.test')}}}"
    policy = f"{{tls: {{{write_trust(tmp_path)}}}}}"
    texts = (MESH % "DROP_ALL", calls("red", policy=policy), node("red", serve, "tcp"))
    with run_sidecars(*texts) as running, socket.create_connection(running.address(SHOP_OUT), DEADLINE) as connection:
        connection.settimeout(DEADLINE)
        connection.sendall(b"hello")
        assert connection.recv(5) == b"hello"


def test_workloads_are_where_they_are_resolved_to() -> None:
    with (
        http_server("mine") as port,
        run_sidecars(
            *(MESH % "DROP_ALL", calls("red"), node("red")),
            stubs="none",
            resolutions=[parse_resolution(f"red-app=127.0.0.1:{port}")],
        ) as running,
    ):
        assert ask(running, "red.default").text == "mine"
        assert running.table is not None
        assert [(row[0].rpartition(":")[2], row[3]) for row in running.table.urls] == [
            (str(RED_IN + running.offset), "VirtualNode/default/red/ingress, port 8080 in the manifest"),
            (str(SHOP_OUT + running.offset), "VirtualNode/default/shop/egress, port 8080 in the manifest"),
        ]
        kinds = {row[0]: row[1] for row in running.table.backends}
        assert kinds == {"red.default:8080": "sidecar", "red-app.default:8080": "resolved"}


def test_a_backend_that_cannot_be_called_safely_is_not_called() -> None:
    arn = "arn:aws:acm-pca:us-west-2:1:certificate-authority/a"
    policy = f'{{tls: {{validation: {{trust: {{acm: {{certificateAuthorityARNs: ["{arn}"]}}}}}}}}}}'
    texts = (MESH % "ALLOW_ALL", calls("red", policy=policy), node("red"))
    with run_sidecars(*texts, nodes=["shop"]) as running:
        assert ask(running, "red.default", port=15001).status_code == 500
        assert "mesh-secret-unavailable" in running.rules()


def test_limits_of_a_node_are_kept_by_its_own_sidecar() -> None:
    timeout = "timeout: {http: {perRequest: {unit: ms, value: 200}}}"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        moved = [parse_resolution(f"red-app=127.0.0.1:{silent.getsockname()[1]}")]
        texts = (MESH % "DROP_ALL", calls("red"), node("red", timeout))
        with run_sidecars(*texts, stubs="none", resolutions=moved) as running:
            assert ask(running, "red.default", port=RED_IN).status_code == 504
            assert "mesh-timeout-capped" not in running.rules()


def test_backends_change_places_without_a_dropped_request() -> None:
    texts = (MESH % "DROP_ALL", node("red"), node("db", protocol="tcp").replace("8080", "5432"))
    with run_sidecars(calls("red", "db"), *texts, nodes=["shop"]) as running:
        assert served_by(ask(running, "red.default", port=15001)) == "red"
        running.write(running.path.read_text().replace(calls("red", "db").strip(), calls("db", "red").strip()))
        assert "error" not in running.await_word("reloaded")
        assert served_by(ask(running, "red.default", port=15002)) == "red"
        with socket.create_connection(running.address(15001), DEADLINE) as connection:
            connection.settimeout(DEADLINE)
            connection.sendall(b"hello")
            assert connection.recv(5) == b"hello"
