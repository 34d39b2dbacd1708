"""Stream rules of ApisixRoutes on the real Envoy: plugins, TLS to nodes, server names of one port, what is closed."""

import socket
from collections import Counter
from collections.abc import Iterator

import pytest
from certificates import server_context, tls_secret
from running import Running, run_manifests, services
from test_apisix_connections import connected, tls
from upstreams import http_server

from anygate.runner.destinations import parse_resolution

NAMED = 9110
TCP = (9100, 9101, 9102, 9103, 9104, 9105, NAMED)
GET = b"GET / HTTP/1.0\r\n\r\n"


def rules(name: str, *entries: str) -> str:
    lines = "\n".join(f"  - {{{one}}}" for one in entries)
    return (
        f"apiVersion: apisix.apache.org/v2\nkind: ApisixRoute\nmetadata: {{name: {name}}}\nspec:\n  stream:\n{lines}\n"
    )


def entry(
    name: str, port: int, more: str = "", *, host: str = "", service: str = "bytes", protocol: str = "TCP"
) -> str:
    asked = f"ingressPort: {port}" + (f", host: {host!r}" if host else "")
    return (
        f"name: {name}, protocol: {protocol}, match: {{{asked}}}, "
        f"backend: {{serviceName: {service}, servicePort: 80}}{more}"
    )


def plugin(name: str, config: str) -> str:
    return f", plugins: [{{name: {name}, config: {{{config}}}}}]"


def split(upstreams: str, match: str = "") -> str:
    asked = f"match: [{{vars: [{match}]}}], " if match else ""
    return plugin("traffic-split", f"rules: [{{{asked}weighted_upstreams: [{upstreams}]}}]")


COUNTED = "conn: 2, burst: 0, default_conn_delay: 0.1, key: "
OTHER = "{upstream: {nodes: {'other.default.svc:80': 1}}, weight: 1}"
STREAMS = rules(
    "streams",
    entry("limited", 9100, plugin("limit-conn", COUNTED + "server_addr")),
    entry("unlimited", 9101, plugin("limit-conn", COUNTED + "remote_addr")),
    entry("split", 9102, split(OTHER + ", {weight: 1}")),
    entry("moved", 9103, split(OTHER)),
    entry("lost", 9104, split(OTHER, "[remote_addr, '==', '10.0.0.1']")),
    entry("secure", 9105, service="secure"),
    entry("near", 9106, plugin("ip-restriction", "whitelist: [127.0.0.0/8]"), protocol="UDP"),
    entry("far", 9107, plugin("ip-restriction", "whitelist: [10.0.0.0/8]"), protocol="UDP"),
    entry("refused", 9108, plugin("ip-restriction", "blacklist: [127.0.0.0/8]"), protocol="UDP"),
    entry("others", 9109, plugin("ip-restriction", "blacklist: [10.0.0.0/8]"), protocol="UDP"),
    entry("wild", NAMED, host="*.x.test"),
    entry("one", NAMED, host="one.x.test", service="other"),
    entry("guarded", NAMED, plugin("ip-restriction", "{}"[1:-1]), host="guarded.x.test"),
)
UNREAD = rules("unread", entry("unread", NAMED, plugin("ip-limit", ""), host="unread.x.test"))
SECURE = """
apiVersion: apisix.apache.org/v2
kind: ApisixUpstream
metadata: {name: secure}
spec: {portLevelSettings: [{port: 80, scheme: tls}]}
"""


@pytest.fixture(scope="module")
def streams() -> Iterator[Running]:
    texts = (tls_secret("wild", "*.x.test"), tls("wild", '"*.x.test"', "wild"), services("bytes", "other", "secure"))
    with (
        http_server("bytes") as plain,
        http_server("other") as other,
        http_server("secure", server_context("a")) as secure,
    ):
        ports = {"bytes": plain, "other": other, "secure": secure}
        found = [parse_resolution(f"{name}=127.0.0.1:{port}") for name, port in ports.items()]
        with run_manifests(STREAMS, UNREAD, SECURE, *texts, ports=TCP[:4], resolutions=found) as running:
            yield running


def ask(running: Running, port: int) -> str:
    """The word of the server that answers, nothing if the connection is closed."""
    with socket.create_connection(running.address(port), timeout=10) as client:
        try:
            client.sendall(GET)
            return client.makefile("rb").read().decode().rpartition("\n")[2]
        except ConnectionError:
            return ""


def test_connections_of_a_port_are_counted(streams: Running) -> None:
    with socket.create_connection(streams.address(9100), timeout=10) as one:
        one.sendall(b"GET")
        with socket.create_connection(streams.address(9100), timeout=10) as two:
            two.sendall(b"GET")
            assert ask(streams, 9100) == ""
            assert ask(streams, 9101) == "bytes"


def test_connections_are_shared_out(streams: Running) -> None:
    assert Counter(ask(streams, 9102) for _ in range(40)).keys() == {"bytes", "other"}
    assert ask(streams, 9103) == "other"


def test_a_split_by_what_nobody_can_ask_for_is_not_served(streams: Running) -> None:
    with pytest.raises(ConnectionRefusedError):
        ask(streams, 9104)


def test_nodes_are_talked_to_over_tls(streams: Running) -> None:
    assert ask(streams, 9105) == "secure"


@pytest.mark.parametrize(("name", "found"), [("any", "bytes"), ("one", "other"), ("guarded", ""), ("unread", "")])
def test_a_server_name_that_is_closed_is_not_left_to_a_wider_one(streams: Running, name: str, found: str) -> None:
    try:
        with connected(streams, f"{name}.x.test", NAMED) as client:
            client.sendall(GET)
            assert client.makefile("rb").read().decode().rpartition("\n")[2] == found
    except OSError:
        assert found == ""


def test_datagrams_are_let_in_by_their_source() -> None:
    texts = (STREAMS, SECURE, services("bytes", "other", "secure"))
    with run_manifests(*texts, ports=TCP[:4]) as running, socket.socket(type=socket.SOCK_DGRAM) as client:
        client.settimeout(10)
        for port in (9107, 9108):
            client.sendto(b"dropped", running.address(port))
        for port in (9106, 9109):
            client.sendto(b"near", running.address(port))
            assert client.recvfrom(100) == (b"near", running.address(port))
