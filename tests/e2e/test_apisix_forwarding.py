"""APISIX's forward-auth on the real Envoy: what the service is asked, what clients and backends see of its answer."""

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import create_server
from threading import Thread
from typing import Any

import httpx2
import pytest
from running import Running, run_manifests

from anygate.proxy.admin import Admin

PORT = 9080
SERVICES = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80}]}
---
apiVersion: v1
kind: Secret
metadata: {name: telling}
stringData: {extra_headers.X-Key: hidden-key}
---
apiVersion: apisix.apache.org/v2
kind: ApisixConsumer
metadata: {name: ann}
spec:
  authParameter: {keyAuth: {value: {key: key-of-ann}}}
  plugins: [{name: response-rewrite, config: {headers: {set: {X-Mine: ann}}}}]
---
apiVersion: apisix.apache.org/v2
kind: ApisixRoute
metadata: {name: all}
spec:
  http:
"""


@dataclass
class Asked:
    """One request that the service got."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Service:
    """A service that answers by the request's `x-want`: a status."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)


@contextmanager
def serving() -> Iterator[Service]:
    service = Service()

    class Answerer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            names = {name.lower(): value for name, value in self.headers.items()}
            service.asked.append(Asked(self.requestline, names, body))
            status = int(names.get("x-want", "200"))
            text = f"said {status}".encode()
            self.send_response(status)
            for name, value in (("X-User", "ann"), ("X-Why", "because"), ("X-Other", "o"), ("Location", "/login")):
                self.send_header(name, value)
            self.send_header("Set-Cookie", "a=1")
            self.send_header("Set-Cookie", "b=2")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_POST = do_GET  # noqa: N815 - the name is the library's

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answerer)
    service.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def rule(name: str, config: str, more: str = "") -> str:
    return (
        f"    - name: {name}\n      match: {{paths: ['/{name}', '/{name}/*']}}\n"
        f"      backends: [{{serviceName: web, servicePort: 80}}]\n"
        f"      plugins: [{{name: forward-auth, config: {{{config}}}{more}}}]\n"
    )


def render(url: str, silent: str) -> str:
    listed = "request_headers: [X-Want, X-Mine], upstream_headers: [X-User, X-Gone]"
    rules = (
        rule("get", f'uri: "{url}/check?a=1", {listed}, client_headers: [X-Why, Set-Cookie]'),
        rule(
            "post",
            f'uri: "{url}", request_method: POST, extra_headers: {{X-Where: "$request_uri by $http_x_mine"}}',
            ", secretRef: telling",
        ),
        rule("dead", f'uri: "{silent}", timeout: 100, status_on_error: 503'),
        rule("forbidden", f'uri: "{silent}", timeout: 100'),
        rule("open", f'uri: "{silent}", timeout: 100, allow_degradation: true, {listed}'),
        rule("known", f'uri: "{url}", {listed}').replace("plugins: [", "plugins: [{name: key-auth, config: {}}, "),
        rule("usually-open", f'uri: "{url}", allow_degradation: true, {listed}'),
    )
    return SERVICES + "".join(rules)


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with serving() as found:
        yield found


@pytest.fixture(scope="module")
def silent() -> Iterator[str]:
    """Where connections are taken, and nothing is ever said."""
    with create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture(scope="module")
def gateway(service: Service, silent: str) -> Iterator[Running]:
    with run_manifests(render(service.url, silent), ports=(PORT,)) as running:
        yield running


@pytest.fixture
def client(gateway: Running, service: Service) -> Iterator[httpx2.Client]:
    service.asked.clear()
    with httpx2.Client(base_url=gateway.url(PORT)) as found:
        yield found


def test_the_service_is_asked_at_its_own_address_about_each_request(client: httpx2.Client, service: Service) -> None:
    headers = {"host": "Shop.test:80", "x-mine": "m", "x-secret": "s", "x-forwarded-method": "faked"}
    answer = client.post("/get/a?b=c", headers=headers, content=b"body")
    assert answer.status_code == 200
    (asked,) = service.asked
    assert asked.line == "GET /check?a=1 HTTP/1.1"
    assert asked.body == b""
    told = {name.removeprefix("x-forwarded-"): value for name, value in asked.headers.items() if "forwarded" in name}
    assert told == {"proto": "http", "method": "POST", "host": "shop.test", "uri": "/get/a?b=c", "for": "127.0.0.1"}
    assert asked.headers["host"] == service.url.removeprefix("http://")
    assert asked.headers["x-mine"] == "m"
    assert "x-secret" not in asked.headers


def test_backends_see_what_the_service_says_in_place_of_the_client(client: httpx2.Client) -> None:
    seen = client.get("/get", headers={"x-user": "faked", "x-gone": "faked"}).json()["headers"]
    assert seen["x-user"] == ["ann"]
    assert "x-gone" not in seen
    assert "x-other" not in seen
    assert not [name for name in seen if "anygate" in name]


@pytest.mark.parametrize("status", [302, 401, 500, 503])
def test_clients_see_what_the_service_refuses_with(client: httpx2.Client, status: int) -> None:
    for path in ("/get", "/usually-open"):
        answer = client.get(path, headers={"x-want": str(status)})
        assert (answer.status_code, answer.text) == (status, f"said {status}")
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert "x-other" not in answer.headers
        assert "location" not in answer.headers
    refused = client.get("/get", headers={"x-want": str(status)})
    assert refused.headers["x-why"] == "because"
    assert refused.headers.get_list("set-cookie") == ["a=1", "b=2"]


def test_the_body_and_texts_are_told_where_they_should_be(client: httpx2.Client, service: Service) -> None:
    headers = {"x-mine": "m", "x-anygate-told-0": "faked", "x-where": "faked"}
    seen = client.put("/post?c", content=b"the body", headers=headers).json()
    (asked,) = service.asked
    assert (asked.line, asked.body) == ("POST / HTTP/1.1", b"the body")
    assert asked.headers["x-where"] == "/post?c by m"
    assert asked.headers["x-key"] == "hidden-key"
    assert asked.headers["x-forwarded-method"] == "PUT"
    assert (seen["method"], seen["headers"]["content-length"]) == ("PUT", ["8"])


def test_nobody_passes_when_nobody_answers_unless_that_is_asked_for(client: httpx2.Client) -> None:
    dead = client.get("/dead")
    assert (dead.status_code, dead.headers["content-type"]) == (503, "text/html; charset=utf-8")
    assert "<center><h1>503 Service Temporarily Unavailable</h1></center>" in dead.text
    assert client.get("/forbidden").status_code == 403
    assert client.get("/open", headers={"x-user": "ann"}).status_code == 200


def test_rules_of_consumers_ask_once(client: httpx2.Client, service: Service) -> None:
    known = {"apikey": "key-of-ann", "x-anygate-told-0": "faked"}
    assert client.get("/known", headers={**known, "x-want": "403"}).status_code == 403
    answer = client.get("/known", headers=known)
    assert (answer.status_code, answer.headers["x-mine"]) == (200, "ann")
    assert [asked.headers["x-forwarded-proto"] for asked in service.asked] == ["http", "http"]


def test_nothing_hidden_is_shown(gateway: Running) -> None:
    folder = gateway.session.folder
    assert folder is not None
    dump = json.dumps(asyncio.run(Admin(folder.admin_socket).config_dump()))
    assert "x-anygate-told" in dump
    assert "hidden-key" not in dump


def test_a_connection_from_before_the_check_is_checked_too(service: Service, silent: str) -> None:
    text = render(service.url, silent)
    with (
        run_manifests(re.sub(r"\n *plugins:.*", "", text), ports=(PORT,)) as running,
        httpx2.Client(base_url=running.url(PORT)) as client,
    ):
        assert client.get("/get", headers={"x-want": "401"}).status_code == 200
        running.write(text)
        running.await_word("reloaded")
        assert client.get("/get", headers={"x-want": "401"}).status_code in (401, 403)
