"""ApisixRoutes on the real Envoy: hosts, paths, conditions, shares of backends, and what happens when they fail."""

import socket
from collections import Counter
from collections.abc import Iterator
from time import monotonic

import httpx2
import pytest
from ai_gateway import Provider
from running import Running, is_free, run_manifests, served_by, services
from upstreams import http_server

PORT = 9080


def route(name: str, *rules: str) -> str:
    lines = "\n".join(f"  - {{{rule}}}" for rule in rules)
    return f"apiVersion: apisix.apache.org/v2\nkind: ApisixRoute\nmetadata: {{name: {name}}}\nspec:\n  http:\n{lines}\n"


def rule(name: str, match: str, service: str, more: str = "") -> str:
    return f"name: {name}, match: {{{match}}}, backends: [{{serviceName: {service}, servicePort: 80}}]{more}"


def upstream(name: str, spec: str) -> str:
    return f"apiVersion: apisix.apache.org/v2\nkind: ApisixUpstream\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n"


def ask(running: Running, path: str, host: str = "any.test", **headers: str) -> str:
    sent = {"host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return served_by(httpx2.get(running.url(PORT) + path, headers=sent))


def exprs(*entries: str) -> str:
    return f'paths: ["/*"], exprs: [{", ".join("{" + entry + "}" for entry in entries)}]'


TABLE = route(
    "table",
    rule("admin", "hosts: [a.x.io], paths: [/admin/*]", "admin"),
    rule("suffix", 'hosts: ["*x.io"], paths: ["/*"]', "suffix"),
    rule("below", 'hosts: ["*.x.io"], paths: ["/foo*"]', "below"),
    rule("anywhere", "paths: [/anywhere]", "anywhere", ", priority: 100"),
    rule("order", 'hosts: [order.test], paths: ["/a*"]', "short", ", priority: 100"),
    rule("order-2", "hosts: [order.test], paths: [/ab*]", "long"),
    rule("order-3", "hosts: [order.test], paths: [/abc]", "exact"),
    rule("order-4", "hosts: [order.test], paths: [/abc]", "preferred", ", priority: 1"),
    rule("glob", 'hosts: [order.test], paths: ["/x/*/y"]', "glob"),
    rule("post", "hosts: [order.test], paths: [/x], methods: [POST, PUT]", "post"),
)
ASKS = route(
    "asks",
    rule(
        "header",
        exprs(
            "subject: {scope: Path}, op: Equal, value: /header",
            "subject: {scope: Header, name: X-User}, op: Equal, value: beta",
        ),
        "header",
    ),
    rule(
        "not",
        exprs(
            "subject: {scope: Path}, op: Equal, value: /not",
            "subject: {scope: Header, name: X-User}, op: RegexNotMatch, value: ^beta",
        ),
        "negative",
    ),
    rule(
        "number",
        exprs(
            "subject: {scope: Path}, op: Equal, value: /number",
            'subject: {scope: Query, name: page}, op: GreaterThanEqual, value: "10"',
        ),
        "number",
    ),
    rule(
        "cookie",
        exprs(
            "subject: {scope: Path}, op: Equal, value: /cookie",
            "subject: {scope: Cookie, name: group}, op: In, set: [a, b]",
        ),
        "cookie",
    ),
    rule("html", exprs(r"subject: {scope: Path}, op: RegexMatchCaseInsensitive, value: '\.html$'"), "html"),
    rule("elsewhere", "paths: [/from], remoteAddrs: [10.0.0.0/8]", "elsewhere", ", priority: 1"),
    rule("here", "paths: [/from], remoteAddrs: [127.0.0.1]", "here"),
    rule("body", exprs("subject: {scope: Body, name: model}, op: Equal, value: a"), "body"),
)
NAMES = (
    *("admin", "suffix", "below", "anywhere", "short", "long", "exact", "preferred", "glob", "post"),
    *("header", "negative", "number", "cookie", "html", "elsewhere", "here", "body"),
)


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with run_manifests(TABLE, ASKS, services(*NAMES), ports=(PORT,)) as started:
        yield started


@pytest.mark.parametrize(
    ("host", "path", "wanted"),
    [
        ("a.x.io", "/admin/1", "admin"),
        ("a.x.io", "/foobar", "below"),
        ("a.x.io", "/else", "suffix"),
        ("a.x.io:8080", "/else", "suffix"),
        ("b.c.x.io", "/foo", "below"),
        ("x.io", "/foo", "suffix"),
        ("box.io", "/", "suffix"),
        ("x.io.test", "/", "404"),
        ("a.x.io", "/anywhere", "suffix"),
        ("other.test", "/anywhere", "anywhere"),
        ("order.test", "/anywhere", "short"),
        ("order.test", "/a1", "short"),
        ("order.test", "/ab", "long"),
        ("order.test", "/abc", "preferred"),
        ("order.test", "/x/1/2/y", "glob"),
        ("order.test", "/x/1/y/z", "404"),
        ("order.test", "/x", "404"),
    ],
)
def test_the_host_comes_first_then_the_path_then_the_priority(
    running: Running, host: str, path: str, wanted: str
) -> None:
    assert ask(running, path, host) == wanted


def test_methods_are_alternatives(running: Running) -> None:
    url = running.url(PORT) + "/x"
    found = [httpx2.request(method, url, headers={"host": "order.test"}) for method in ("POST", "PUT", "DELETE")]
    assert [served_by(answer) for answer in found] == ["post", "post", "404"]


@pytest.mark.parametrize(
    ("path", "headers", "wanted"),
    [
        ("/header", {"x_user": "beta"}, "header"),
        ("/header", {"x_user": "gamma"}, "404"),
        ("/not", {}, "negative"),
        ("/not", {"x_user": "gamma"}, "negative"),
        ("/not", {"x_user": "beta-tester"}, "404"),
        ("/number?page=10", {}, "number"),
        ("/number?a=1&page=10.5", {}, "number"),
        ("/number?page=9.99", {}, "404"),
        ("/number?page=x", {}, "404"),
        ("/number", {}, "404"),
        ("/cookie", {"cookie": "group=b; other=1"}, "cookie"),
        ("/cookie", {"cookie": "group=c"}, "404"),
        ("/a/b.HTML?x=1", {}, "html"),
        ("/a/b.htm?x=.html", {}, "404"),
        ("/from", {}, "here"),
        ("/from", {"x_forwarded_for": "10.1.2.3"}, "here"),
    ],
)
def test_every_condition_has_to_hold(running: Running, path: str, headers: dict[str, str], wanted: str) -> None:
    assert ask(running, path, **headers) == wanted


def test_what_no_route_takes_is_answered_as_apisix_does(running: Running) -> None:
    answer = httpx2.get(running.url(PORT) + "/nowhere")
    assert (answer.status_code, answer.text) == (404, '{"error_msg":"404 Route Not Found"}\n')
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_backends_learn_where_a_request_came_from_and_no_client_can_say_otherwise(running: Running) -> None:
    headers = {"host": "x.io", "x-real-ip": "1.2.3.4", "x-forwarded-host": "evil.test", "x-forwarded-port": "1"}
    seen = httpx2.get(running.url(PORT) + "/", headers=headers).json()["headers"]
    assert (seen["x-real-ip"], seen["x-forwarded-host"]) == (["127.0.0.1"], ["x.io"])
    assert seen["x-forwarded-port"] == [str(PORT + running.offset)]


def test_with_the_router_uri_the_path_decides_before_the_host() -> None:
    settings = "apiVersion: anygate.dev/v1alpha1\nkind: ApisixSettings\nmetadata: {name: s}\nspec: {router: uri}"
    table = route("table", rule("host", 'hosts: [a.io], paths: ["/*"]', "host"), rule("path", "paths: [/long]", "path"))
    with run_manifests(table, settings, services("host", "path"), ports=(PORT,)) as running:
        assert [ask(running, "/long", "a.io"), ask(running, "/other", "a.io")] == ["path", "host"]


def test_shares_are_exact() -> None:
    split = route(
        "split",
        'name: split, match: {paths: ["/*"]}, backends: '
        "[{serviceName: one, servicePort: 80, weight: 2}, {serviceName: two, servicePort: 80, weight: 1}, "
        "{serviceName: never, servicePort: 80, weight: 0}]",
    )
    with run_manifests(split, services("one", "two", "never"), ports=(PORT,)) as running, httpx2.Client() as client:
        for _ in range(3):
            counted = Counter(served_by(client.get(running.url(PORT))) for _ in range(90))
            assert counted == {"one": 60, "two": 30}


def test_a_backend_that_is_not_there_leaves_its_share_to_the_others() -> None:
    split = route(
        "split",
        'name: split, match: {paths: ["/*"]}, backends: '
        "[{serviceName: one, servicePort: 80}, {serviceName: gone, servicePort: 80}]",
    )
    with run_manifests(split, services("one"), ports=(PORT,)) as running:
        assert {ask(running, "/") for _ in range(10)} == {"one"}
        assert running.rules() == ["apisix-backend-missing"]


def test_nodes_are_asked_for_by_their_own_name_or_by_another() -> None:
    rules = (
        'name: node, match: {paths: ["/node"]}, upstreams: [{name: node}]',
        'name: rewrite, match: {paths: ["/rewrite"]}, upstreams: [{name: rewrite}]',
        'name: pass, match: {paths: ["/pass"]}, upstreams: [{name: pass}]',
    )
    nodes = "externalNodes: [{type: Domain, name: back.apps.svc.cluster.local, port: 8000}]"
    texts = (
        route("hosts", *rules),
        upstream("node", f"passHost: node, {nodes}"),
        upstream("rewrite", f"passHost: rewrite, upstreamHost: other.test, {nodes}"),
        upstream("pass", nodes),
    )
    with run_manifests(*texts, ports=(PORT,)) as running:

        def host_of(path: str) -> str:
            answer = httpx2.get(running.url(PORT) + path, headers={"host": "mine.test"})
            assert served_by(answer) == "back.apps"
            return str(answer.json()["host"])

        assert host_of("/node") == "back.apps.svc.cluster.local:8000"
        assert (host_of("/rewrite"), host_of("/pass")) == ("other.test", "mine.test")


@pytest.mark.parametrize(("websocket", "statuses"), [((True, False), (101, 403)), ((False, False), (200, 200))])
def test_websockets_only_where_a_route_allows_them(websocket: tuple[bool, ...], statuses: tuple[int, ...]) -> None:
    rules = [
        rule(f"r{at}", f"paths: [/{at}]", "back", f", websocket: {str(on).lower()}") for at, on in enumerate(websocket)
    ]
    with run_manifests(route("ws", *rules), services("back"), ports=(PORT,)) as running:
        assert tuple(_upgrade(running, f"/{at}") for at in range(2)) == statuses


def _upgrade(running: Running, path: str) -> int:
    """The status of the answer to a request for a WebSocket."""
    lines = (
        f"GET {path} HTTP/1.1",
        "host: a",
        "connection: upgrade",
        "upgrade: websocket",
        "sec-websocket-version: 13",
    )
    with socket.create_connection(running.address(PORT), timeout=10) as client:
        key = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="
        client.sendall("\r\n".join((*lines, key, "", "")).encode())
        return int(client.recv(12).split()[1])


def test_a_node_that_refuses_is_passed_over_and_without_another_one_it_is_502() -> None:
    free = next(port for port in range(30_000, 40_000) if is_free(port))
    with http_server("alive") as port:
        nodes = [f"{{type: Domain, name: localhost, port: {one}}}" for one in (free, port)]
        texts = (
            route(
                "retries",
                'name: both, match: {paths: ["/both"]}, upstreams: [{name: both}]',
                'name: once, match: {paths: ["/once"]}, upstreams: [{name: once}]',
            ),
            upstream("both", f"externalNodes: [{', '.join(nodes)}]"),
            upstream("once", f"retries: 0, externalNodes: [{nodes[0]}]"),
        )
        with run_manifests(*texts, ports=(PORT,), stubs="none") as running, httpx2.Client() as client:
            assert {client.get(running.url(PORT) + "/both").text for _ in range(10)} == {"alive"}
            assert client.get(running.url(PORT) + "/once").status_code == 502


def test_a_silent_node_is_504_and_no_node_at_all_503() -> None:
    times = "retries: 0, timeout: {read: 1s, send: 1s}"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        texts = (
            route(
                "slow",
                "name: slow, match: {paths: [/slow]}, upstreams: [{name: slow}]",
                rule("none", "paths: [/none]", "nobody"),
            ),
            upstream("slow", f"{times}, externalNodes: [{{type: Domain, name: localhost, port: {port}}}]"),
        )
        with run_manifests(*texts, services("nobody"), ports=(PORT,), stubs="none") as running:
            statuses = [httpx2.get(running.url(PORT) + path).status_code for path in ("/slow", "/none")]
            assert statuses == [504, 503]


def test_a_node_that_takes_no_connection_in_time_is_504() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        texts = (
            route("slow", "name: slow, match: {paths: [/slow]}, upstreams: [{name: slow}]"),
            upstream(
                "slow",
                "retries: 0, timeout: {connect: 1s}, "
                f"externalNodes: [{{type: Domain, name: 127.0.0.1, port: {port}}}]",
            ),
        )
        with run_manifests(*texts, ports=(PORT,), stubs="none") as running:
            assert httpx2.get(running.url(PORT) + "/slow", timeout=15).status_code == 504
        for one in waiting:
            one.close()


def test_an_unknown_plugin_closes_its_rule_and_no_other() -> None:
    texts = (
        route(
            "plugins",
            rule("closed", "paths: [/closed]", "back", ", plugins: [{name: no-such-plugin, enable: true}]"),
            rule("open", "paths: [/open]", "back"),
        ),
        services("back"),
    )
    with run_manifests(*texts, ports=(PORT,)) as running:
        assert [ask(running, "/closed"), ask(running, "/open")] == ["503", "back"]
        assert "apisix-unknown-plugin" in running.rules()


def test_nodes_are_probed_at_a_port_of_their_own_with_headers() -> None:
    """Two nodes answer requests; where probes go, only one of them listens."""
    probed = Provider("probed")
    with http_server("one") as one, http_server("two", address="127.0.0.2") as two, probed:
        check = (
            f"type: http, port: {probed.port}, httpPath: /live, requestHeaders: ['X-Probe: 100%'],"
            " healthy: {interval: 1s, successes: 1}, unhealthy: {interval: 1s, httpFailures: 1}"
        )
        nodes = f"{{type: Domain, name: 127.0.0.1, port: {one}}}, {{type: Domain, name: 127.0.0.2, port: {two}}}"
        texts = (
            route("probed", "name: probed, match: {paths: [/x]}, upstreams: [{name: probed}]"),
            upstream("probed", f"healthCheck: {{active: {{{check}}}}}, externalNodes: [{nodes}]"),
        )
        with run_manifests(*texts, ports=(PORT,), stubs="none") as running, httpx2.Client() as client:
            deadline = monotonic() + 20
            while {client.get(running.url(PORT) + "/x").text for _ in range(10)} != {"one"}:
                assert monotonic() < deadline
            assert (probed.seen[0].path, probed.seen[0].headers["x-probe"]) == ("/live", "100%")
