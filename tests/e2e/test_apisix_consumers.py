"""Consumers of APISIX with plugins of their own, by real requests through the real Envoy."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from zlib import crc32

import apisix_objects
import httpx2
import pytest
from filter_gateway import Upstream
from running import DEADLINE, Running, run_manifests, services

from anygate.cli.app import main

HTTP = 9080
USER = "x-consumer-username"
IPS = "ip-restriction, config"


def consumer(name: str, *plugins: str, credential: str = "") -> str:
    known = credential or f"keyAuth: {{value: {{key: key-of-{name}}}}}"
    return apisix_objects.consumer(name, known, *map("{{name: {}}}".format, plugins))


def route(name: str, *plugins: str, more: str = "", host: str = "web.test") -> str:
    match, target = f'paths: ["/{name}/*"], hosts: [{host}]', "upstreams: [{name: web}]"
    return apisix_objects.route(name, *map("{{name: {}}}".format, plugins), match=match, target=target, more=more)


KEY = "key-auth, config: {hide_credentials: true}"
BOTH = "basicAuth: {value: {username: %s, password: pass}}"
CONSUMERS = (
    consumer("plain")
    + consumer("inside", f"{IPS}: {{whitelist: [127.0.0.1]}}")
    + consumer("outside", f"{IPS}: {{blacklist: [127.0.0.1], message: not you}}")
    + consumer("answered", "response-rewrite, config: {status_code: 299, headers: {set: {X-Mine: answered}}}")
    + consumer("short", "client-control, config: {max_body_size: 10}")
    + consumer("faulty", "fault-injection, config: {abort: {http_status: 418, body: faulty}}")
    + consumer("browsing", "cors, config: {allow_origins: 'https://mine.test'}")
    + consumer("rewriting", "proxy-rewrite, config: {uri: /mine, headers: {set: {X-Mine: rewriting}}}")
    + consumer(
        "counted",
        "limit-count, config: {count: 2, time_window: 3600, rejected_code: 429, key: consumer_name}",
        "response-rewrite, config: {headers: {set: {X-Mine: counted}}}",
    )
    + consumer("unknown", "no-such-plugin, config: {}")
    + consumer("bound", "consumer-restriction, config: {type: route_id, whitelist: [default_web_web]}")
    + consumer("served", "consumer-restriction, config: {type: service_id, blacklist: [default_web_0]}")
    + consumer(
        "hashed", f"consumer-restriction, config: {{type: route_id, blacklist: ['{crc32(b'default_web_web'):x}']}}"
    )
    + consumer("secure", "redirect, config: {http_to_https: true}")
    + consumer("guest", "response-rewrite, config: {headers: {set: {X-Mine: guest}}}")
    + consumer("carl", "response-rewrite, config: {headers: {set: {X-Mine: carl}}}", credential=BOTH % "carl")
    + consumer(
        "twice",
        "key-auth, config: {key: key-of-twice}",
        "response-rewrite, config: {headers: {set: {X-Mine: twice}}}",
        credential=BOTH % "twice",
    )
)
ROUTES = (
    route("web", KEY)
    + route("other", KEY)
    + route("open")
    + route("basic", "basic-auth, config: {hide_credentials: true}")
    + route("anonymous", "key-auth, config: {anonymous_consumer: default_guest}")
    + route("guarded", KEY, f"{IPS}: {{blacklist: [127.0.0.1]}}")
    + route("answering", KEY, "response-rewrite, config: {headers: {add: ['X-Route: once']}, body: 'of the route'}")
    + route("routed", KEY, "proxy-rewrite, config: {uri: /route}")
    + route("cors", KEY, "cors, config: {allow_origins: 'https://route.test'}")
    + route("faults", KEY, "fault-injection, config: {abort: {http_status: 419, vars: [[[http_x_fault, ==, hit]]]}}")
    + route("members", KEY, "consumer-restriction, config: {whitelist: [default_inside]}")
    + route("groups", KEY, "consumer-restriction, config: {type: consumer_group_id, whitelist: [g]}")
    + route("socket", KEY, more="websocket: true")
    + route("nowhere", KEY).replace("{name: web}]", "{name: nowhere}]")
)


def upstream(name: str, port: int) -> str:
    return f"""
---
apiVersion: apisix.apache.org/v2
kind: ApisixUpstream
metadata: {{name: {name}}}
spec: {{externalNodes: [{{type: Domain, name: 127.0.0.1, port: {port}}}]}}
"""


@pytest.fixture(scope="module")
def gateway() -> Iterator[Running]:
    with ExitStack() as stack:
        server = stack.enter_context(Upstream("web"))
        text = CONSUMERS + ROUTES + upstream("web", server.port) + upstream("nowhere", 1)
        yield stack.enter_context(run_manifests(text, ports=(HTTP,), stubs="none"))


class Asking:
    """A client by the name of a consumer."""

    def __init__(self, client: httpx2.Client) -> None:
        self._client = client

    def __call__(self, name: str, path: str, method: str = "GET", **more: Any) -> httpx2.Response:
        headers = {"apikey": f"key-of-{name}", **more.pop("headers", {})}
        return self._client.request(method, path, headers=headers, **more)


@pytest.fixture
def ask(gateway: Running) -> Iterator[Asking]:
    with httpx2.Client(base_url=gateway.url(HTTP), headers={"host": "web.test"}) as client:
        yield Asking(client)


def seen(answer: httpx2.Response) -> dict[str, Any]:
    """What the backend got."""
    found: dict[str, Any] = json.loads(answer.text)
    assert "path" in found, (answer.status_code, answer.text)
    return found


def test_each_consumer_has_the_addresses_of_its_own(ask: Asking) -> None:
    assert ask("plain", "/web/a").status_code == 200
    assert seen(ask("inside", "/web/a?x=1"))["path"] == "/web/a?x=1"
    refused = ask("outside", "/web/a")
    assert (refused.status_code, refused.json()) == (403, {"message": "not you"})
    assert refused.headers["content-type"] == "text/plain; charset=utf-8"


def test_the_plugin_of_a_consumer_takes_the_place_of_the_routes(ask: Asking) -> None:
    assert ask("plain", "/guarded/a").status_code == 403
    assert ask("inside", "/guarded/a").status_code == 200
    assert ask("guest", "/guarded/a").status_code == 403
    assert ask("nobody", "/guarded/a").status_code == 401


def test_answers(ask: Asking) -> None:
    assert "x-mine" not in ask("plain", "/web/a").headers
    mine = ask("answered", "/web/a")
    assert (mine.status_code, mine.headers["x-mine"]) == (299, "answered")
    routes = ask("plain", "/answering/a")
    assert (routes.text, routes.headers.get_list("x-route")) == ("of the route", ["once"])
    mine = ask("answered", "/answering/a")
    assert seen(mine)["path"] == "/answering/a"
    assert "x-route" not in mine.headers
    kept = ask("inside", "/answering/a")
    assert (kept.text, kept.headers.get_list("x-route")) == ("of the route", ["once"])


def test_bodies(ask: Asking) -> None:
    assert ask("short", "/web/a", "POST", content=b"x" * 10).status_code == 200
    assert ask("short", "/web/a", "POST", content=b"x" * 11).status_code == 413
    large = b"x" * 3_000_000
    assert len(seen(ask("inside", "/web/a", "POST", content=large))["body"]) == len(large)
    assert ask("plain", "/web/a", "POST", content=b"x" * 11).status_code == 200


def test_faults(ask: Asking) -> None:
    mine = ask("faulty", "/web/a")
    assert (mine.status_code, mine.text) == (418, "faulty")
    assert ask("plain", "/web/a").status_code == 200
    # The route's own come first, whoever asks, and those of a consumer come too late where it has some.
    assert ask("nobody", "/faults/a", headers={"x-fault": "hit"}).status_code == 419
    assert ask("faulty", "/faults/a", headers={"x-fault": "hit"}).status_code == 419
    assert ask("faulty", "/faults/a").status_code == 200


def test_origins(ask: Asking) -> None:
    origin = {"origin": "https://mine.test"}
    assert ask("browsing", "/web/a", headers=origin).headers["access-control-allow-origin"] == "https://mine.test"
    assert "access-control-allow-origin" not in ask("plain", "/web/a", headers=origin).headers
    assert ask("browsing", "/cors/a", headers=origin).headers.get_list("access-control-allow-origin") == [
        "https://mine.test"
    ]
    theirs = {"origin": "https://route.test"}
    assert "access-control-allow-origin" not in ask("browsing", "/cors/a", headers=theirs).headers
    for name in ("plain", "inside", "nobody"):
        found = ask(name, "/cors/a", headers=theirs).headers.get_list("access-control-allow-origin")
        assert found == ["https://route.test"], name
    preflight = ask("nobody", "/cors/a", "OPTIONS", headers={**theirs, "access-control-request-method": "GET"})
    assert preflight.status_code == 200


def test_what_backends_are_asked(ask: Asking) -> None:
    mine = seen(ask("rewriting", "/web/a"))
    assert (mine["path"], mine["headers"]["x-mine"]) == ("/mine", "rewriting")
    assert seen(ask("plain", "/web/a"))["path"] == "/web/a"
    # As in APISIX, the route has rewritten the request by the time that it is known who asks.
    assert seen(ask("rewriting", "/routed/a"))["path"] == "/route"
    assert seen(ask("inside", "/routed/a"))["path"] == "/route"


def test_redirects(ask: Asking, gateway: Running) -> None:
    sent = ask("secure", "/web/a?x=1")
    assert sent.status_code == 301
    assert sent.headers["location"] == "https://web.test:9443/web/a?x=1"
    assert ask("plain", "/web/a").status_code == 200


def test_what_backends_are_told(ask: Asking) -> None:
    own, plain = seen(ask("inside", "/web/a"))["headers"], seen(ask("plain", "/web/a"))["headers"]
    assert own.pop(USER) == "default_inside"
    assert plain.pop(USER) == "default_plain"
    for found in (own, plain):
        found.pop("x-request-id", None)
        assert "apikey" not in found
    assert own == plain
    assert own["x-real-ip"] == "127.0.0.1"


def test_limits_beside_other_plugins(ask: Asking) -> None:
    first = ask("counted", "/web/a")
    assert (first.status_code, first.headers["x-mine"]) == (200, "counted")
    assert first.headers["x-ratelimit-remaining"] == "1"
    assert ask("counted", "/other/a").headers["x-ratelimit-remaining"] == "0"
    assert ask("counted", "/web/a").status_code == 429
    assert "x-ratelimit-remaining" not in ask("plain", "/web/a").headers


def test_nobody_can_say_whose_rule_it_is(ask: Asking, gateway: Running) -> None:
    marks = {"x-anygate-rule": "default/web/web/default_inside", USER: "default_inside"}
    with httpx2.Client(base_url=gateway.url(HTTP), headers={"host": "web.test"}) as client:
        assert client.get("/web/a", headers=marks).status_code == 401
        told = client.get("/open/a", headers=marks).json()["headers"]
    assert not marks.keys() & told.keys()
    assert ask("outside", "/web/a", headers=marks).status_code == 403
    assert "x-anygate-rule" not in seen(ask("inside", "/web/a", headers=marks))["headers"]


def test_a_plugin_that_cannot_run_keeps_its_consumer_out_and_nobody_else(ask: Asking) -> None:
    assert ask("unknown", "/web/a").status_code == 503
    assert ask("unknown", "/open/a").status_code == 200
    assert ask("plain", "/web/a").status_code == 200


def test_an_anonymous_consumer_has_its_plugins(ask: Asking, gateway: Running) -> None:
    with httpx2.Client(base_url=gateway.url(HTTP), headers={"host": "web.test"}) as client:
        found = client.get("/anonymous/a")
    assert (found.headers["x-mine"], seen(found)["headers"][USER]) == ("guest", "default_guest")
    assert "x-mine" not in ask("plain", "/anonymous/a").headers
    assert ask("answered", "/anonymous/a").headers["x-mine"] == "answered"


def test_users_and_those_with_several_credentials(ask: Asking, gateway: Running) -> None:
    with httpx2.Client(base_url=gateway.url(HTTP), headers={"host": "web.test"}) as client:
        for name in ("carl", "twice"):
            found = client.get("/basic/a", auth=(name, "pass"))
            assert found.headers["x-mine"] == name
            assert seen(found)["headers"][USER] == f"default_{name}"
            assert "authorization" not in seen(found)["headers"]
        assert client.get("/basic/a", auth=("carl", "no")).status_code == 401
    assert ask("twice", "/web/a").headers["x-mine"] == "twice"


def said(answer: httpx2.Response) -> tuple[int, Any]:
    return answer.status_code, answer.json()


def test_consumers_that_may_use_some_routes(ask: Asking) -> None:
    assert ask("bound", "/web/a").status_code == 200
    assert said(ask("bound", "/other/a")) == (403, {"message": "The route_id is forbidden."})
    assert said(ask("served", "/web/a")) == (403, {"message": "The service_id is forbidden."})
    assert ask("served", "/other/a").status_code == 200
    assert ask("hashed", "/web/a").status_code == 403
    assert ask("hashed", "/other/a").status_code == 200
    assert said(ask("plain", "/members/a")) == (403, {"message": "The consumer_name is forbidden."})
    assert ask("inside", "/members/a").status_code == 200
    text = "The request is rejected, please check the consumer_group_id for this request"
    for name in ("plain", "inside"):
        assert said(ask(name, "/groups/a")) == (401, {"message": text})


def test_backends_that_are_not_there(ask: Asking) -> None:
    assert ask("plain", "/nowhere/a").status_code == 502
    assert ask("inside", "/nowhere/a").status_code == 502


def test_websockets(gateway: Running) -> None:
    for path, status in (("/socket/a", 200), ("/web/a", 403)):
        for name in ("plain", "inside"):
            lines = (
                f"GET {path} HTTP/1.1",
                "host: web.test",
                f"apikey: key-of-{name}",
                "connection: upgrade",
                "upgrade: websocket",
            )
            with socket.create_connection(gateway.address(HTTP), timeout=DEADLINE) as client:
                client.sendall("\r\n".join((*lines, "", "")).encode())
                # The backend knows no WebSockets, and answers as if it were any request.
                assert int(client.recv(12).split()[1]) == status, (path, name)


def test_bodies_are_streamed(gateway: Running) -> None:
    """What a client sends is with the backend before it has sent all, and so are answers on their way back."""
    with socket.create_server(("127.0.0.1", 0)) as server, ExitStack() as stack:
        server.settimeout(DEADLINE)
        port = server.getsockname()[1]
        text = consumer("inside", f"{IPS}: {{whitelist: [127.0.0.1]}}") + route("web", KEY) + upstream("web", port)
        running = stack.enter_context(run_manifests(text, ports=(HTTP,), stubs="none"))
        client = stack.enter_context(socket.create_connection(running.address(HTTP), timeout=DEADLINE))
        head = "POST /web/a HTTP/1.1\r\nhost: web.test\r\napikey: key-of-inside\r\ntransfer-encoding: chunked\r\n\r\n"
        client.sendall(head.encode() + b"5\r\nfirst\r\n")
        backend = stack.enter_context(server.accept()[0])
        backend.settimeout(DEADLINE)
        _await(backend, b"first")
        backend.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nearly\r\n")
        _await(client, b"early")
        client.sendall(b"6\r\nsecond\r\n0\r\n\r\n")
        _await(backend, b"second")


def _await(source: socket.socket, wanted: bytes) -> None:
    got = b""
    while wanted not in got:
        part = source.recv(4096)
        assert part, got
        got += part


def _reload(running: Running, text: str) -> None:
    running.write(text)
    running.await_word("reloaded")


def test_rules_for_consumers_follow_their_manifests() -> None:
    text = f"{services('web')}\n{route('web', KEY)}"
    text = text.replace("upstreams: [{name: web}]", "backends: [{serviceName: web, servicePort: 80}]")
    with run_manifests(text + consumer("ann"), ports=(HTTP,)) as running:
        key = {"host": "web.test", "apikey": "key-of-ann"}
        with httpx2.Client(base_url=running.url(HTTP), headers=key) as client:
            assert client.get("/web/a").status_code == 200
            _reload(running, text + consumer("ann", f"{IPS}: {{blacklist: [127.0.0.1]}}"))
            assert client.get("/web/a").status_code == 403
            _reload(running, text + consumer("ann", f"{IPS}: {{whitelist: [127.0.0.1]}}"))
            assert client.get("/web/a").status_code == 200
            _reload(running, text + consumer("ann"))
            assert client.get("/web/a").status_code == 200


def test_explain_knows_whose_rule_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known = CONSUMERS.replace(consumer("unknown", "no-such-plugin, config: {}"), "")
    (tmp_path / "in.yaml").write_text(known + ROUTES + upstream("web", 1) + upstream("nowhere", 1))

    def told(name: str, path: str, *more: str) -> str:
        url = f"http://web.test:{HTTP}{path}"
        assert main(["explain", str(tmp_path / "in.yaml"), url, "-H", f"apikey: key-of-{name}", *more]) == 0
        return capsys.readouterr().out

    assert "caller    default_rewriting" in told("rewriting", "/web/a")
    assert "GET /mine" in told("rewriting", "/web/a")
    assert "GET /web/a" in told("plain", "/web/a")
    assert "requests of default_" in told("plain", "/web/a")
    assert "418" in told("faulty", "/web/a")
    forged = told("plain", "/web/a", "-H", "x-anygate-rule: default/web/web/default_faulty")
    assert "418" not in forged
    assert "only the gateway says it: x-anygate-rule" in forged


def test_a_conversion_that_would_lose_the_guard_of_a_consumer_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = route("web", KEY) + consumer("ann", f"{IPS}: {{blacklist: [127.0.0.1]}}") + upstream("web", 1)
    (tmp_path / "in.yaml").write_text(text)
    assert main(["convert", str(tmp_path / "in.yaml"), "--to", "gateway-api"]) == 1
    told = capsys.readouterr()
    assert "requests of default_ann cannot be decided by rules of their own, and are refused" in told.err
    assert not told.out
    assert main(["convert", str(tmp_path / "in.yaml"), "--to", "gateway-api", "--allow-lossy"]) == 0
    assert "default_ann" in capsys.readouterr().out


def test_diff_sees_the_plugins_of_consumers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = route("web", KEY) + upstream("web", 1)
    for name, address in (("old", "127.0.0.1"), ("new", "127.0.0.2")):
        guarded = text + consumer("ann", f"{IPS}: {{blacklist: [{address}]}}")
        (tmp_path / f"{name}.yaml").write_text(guarded)
    assert main(["diff", str(tmp_path / "old.yaml"), str(tmp_path / "new.yaml")]) == 1
    assert "127.0.0.2" in capsys.readouterr().out


def test_compile_findings_name_the_consumers_field(gateway: Running) -> None:
    rules = {one.rule for one in gateway.findings}
    assert {"apisix-unknown-plugin", "apisix-consumer-plugin-late"} <= rules
