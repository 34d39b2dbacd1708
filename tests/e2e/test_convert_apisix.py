"""Routes of APISIX and what they are converted to, each on its own Envoy: the same requests, the same answers."""

import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from certificates import client_context, tls_secret
from running import Running, join, run_manifests, served_by, services

from anygate.cli.app import main

PORTS = (9080, 9443, 9100)
ROUTES = (Path(__file__).parent / "convert_apisix.yaml").read_text()
ROUTED = ("admin", "suffix", "anywhere", "short", "long", "exact", "preferred", "first", "negative", "page", "cookie")
TREATED = ("post", "heavy", "light", "rewrite", "moved", "cors", "inside", "outside", "key")
IN_CLUSTER = join(
    services(*ROUTED, *TREATED),
    services("stream", port=7),
    tls_secret("order", "order.test", "*.x.io"),
)
KEYS = """
apiVersion: v1
kind: Secret
metadata: {name: apisix-consumers-keys}
stringData: {default_ann: key-of-ann, default_bob: key-of-bob}
"""
"""What the report leaves to people."""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Running]]:
    source, converted = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("converted")
    (source / "routes.yaml").write_text(ROUTES)
    (source / "cluster.yaml").write_text(IN_CLUSTER)
    assert main(["convert", str(source), "--to", "gateway-api", "--exact", "-o", str(converted)]) == 0
    (converted / "by-hand.yaml").write_text(join(KEYS, tls_secret("order", "order.test", "*.x.io")))
    with (
        run_manifests(path=source, ports=PORTS) as before,
        run_manifests(path=converted, ports=PORTS) as after,
    ):
        yield before, after


def ask(running: Running, method: str, host: str, path: str, headers: dict[str, str]) -> tuple[object, ...]:
    answer = httpx2.request(method, running.url(9080) + path, headers={"host": host, **headers})
    told = {name: answer.headers.get(name) for name in ("location", "access-control-allow-origin")}
    if answer.status_code != 200 or "service" not in answer.text:
        return answer.status_code, told
    seen = answer.json()
    sent = {name.lower(): value for name, value in seen["headers"].items()}
    kept = {name: sent.get(name) for name in ("x-set", "x-gone", "x-consumer-username")}
    return answer.status_code, told, served_by(answer), seen["path"], seen["host"], kept


@pytest.mark.parametrize(
    ("host", "path"),
    [
        ("a.x.io", "/admin/"),
        ("a.x.io", "/admin/1?q=2"),
        ("a.x.io", "/admin"),
        ("a.x.io", "/other"),
        ("a.x.io", "/anywhere"),
        ("b.a.x.io", "/admin/1"),
        ("x.io", "/admin/1"),
        ("nobody.test", "/anywhere"),
        ("nobody.test", "/anywhere/else"),
        ("order.test", "/a"),
        ("order.test", "/ax"),
        ("order.test", "/ab"),
        ("order.test", "/abcd"),
        ("order.test", "/abc"),
        ("order.test", "/anywhere"),
        ("asks.test", "/not"),
        ("asks.test", "/page?page=4"),
        ("asks.test", "/page?page=6"),
        ("asks.test", "/page"),
        ("asks.test", "/cookie"),
        ("asks.test", "/post"),
        ("any.test", "/rewrite/a/b?q=1"),
        ("any.test", "/moved"),
        ("any.test", "/cors"),
        ("any.test", "/inside"),
        ("any.test", "/outside"),
        ("any.test", "/key"),
        ("any.test", "/key?apikey=key-of-ann"),
    ],
)
@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", {}),
        ("GET", {"x-user": "beta", "x-consumer-username": "me", "x-gone": "1", "origin": "https://a.test"}),
        ("POST", {"cookie": "group=b", "apikey": "key-of-ann"}),
        ("GET", {"cookie": "group=c", "apikey": "key-of-bob", "origin": "https://other.test"}),
        ("OPTIONS", {"origin": "https://a.test", "access-control-request-method": "GET"}),
    ],
)
def test_both_answer_alike(
    pair: tuple[Running, Running], host: str, path: str, method: str, headers: dict[str, str]
) -> None:
    before, after = (ask(one, method, host, path, headers) for one in pair)
    assert after == before


@pytest.mark.parametrize(("path", "share"), [("/weights", 0.75), ("/node", 2 / 3)])
def test_shares_are_kept(pair: tuple[Running, Running], path: str, share: float) -> None:
    for one in pair:
        with httpx2.Client(base_url=one.url(9080)) as client:
            counted = Counter(served_by(client.get(path)) for _ in range(200))
        (_, most), _ = counted.most_common()
        assert abs(most / 200 - share) < 0.12, counted


def test_names_get_their_certificates(pair: tuple[Running, Running]) -> None:
    for one in pair:
        with (
            socket.create_connection(one.address(9443)) as plain,
            client_context().wrap_socket(plain, server_hostname="order.test") as secure,
        ):
            secure.sendall(b"GET /abc HTTP/1.1\r\nhost: order.test\r\nconnection: close\r\n\r\n")
            answer = b"".join(iter(lambda: secure.recv(65536), b""))
            assert b'"service":"first"' in answer


def test_streams_go_through(pair: tuple[Running, Running]) -> None:
    for one in pair:
        with socket.create_connection(one.address(9100)) as plain:
            plain.sendall(b"hello\n")
            assert plain.recv(100) == b"hello\n"
