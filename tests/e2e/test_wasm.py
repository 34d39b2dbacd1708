"""WasmPlugin with real traffic: both engines, kind modules and hostile ones."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest
import wasm_modules as wasm
from running import DEADLINE, Running, join, run_manifests, services

CALL = "ROUTE"


def route(name: str) -> str:
    return f"""
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {{name: {name}}}
    spec:
      parentRefs: [{{name: web}}]
      rules: [{{matches: [{{path: {{value: /{name}}}}}], backendRefs: [{{name: a, port: 80}}]}}]
    """


def plugin(name: str, source: str, more: str = "", target: str = "", order: str = "") -> str:
    target = target or f"{{group: gateway.networking.k8s.io, kind: HTTPRoute, name: {name}}}"
    return f"""
    apiVersion: gateway.nantian.dev/v1alpha1
    kind: WasmPlugin
    metadata: {{name: {name}{order}}}
    spec:
      wasm: {{{source}}}
      targetRefs: [{target}]
      {more}
    """


def inline(functions: str, host: str = "nantian") -> str:
    return f"inline: {wasm.inline(wasm.build(functions, host))}"


def native(request: str, **parts: str) -> str:
    return f"inline: {wasm.inline(wasm.build_proxy(request, **parts))}"


GATEWAY = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web}
spec: {gatewayClassName: nantian, listeners: [{name: http, port: 80, protocol: HTTP}]}
"""
COPY = wasm.build(wasm.COPY)
KIND = {
    "copy": (f"inline: {wasm.inline(COPY)}, sha256: {wasm.digest(COPY)}", ""),
    "pingora": (inline(wasm.COPY, "pingora"), ""),
    "limited": (inline(wasm.COPY), "hooks: [on_response]"),
    "body": (inline(wasm.BODY), ""),
    "context": (inline(wasm.CONTEXT), 'config: \'{"mode":"audit"}\''),
    "teapot": (inline(wasm.refusing(418)), ""),
    "odd": (inline(wasm.refusing(7)), ""),
    "negative": (inline(wasm.refusing(-1)), ""),
    "late": (inline(wasm.refusing(502, "on_response")), ""),
    "chunks": (inline(wasm.CHUNKS), ""),
    "native": (native(wasm.MARK), ""),
    "unhooked": (native(wasm.MARK), "hooks: [onResponse]"),
}
HOSTILE = {
    "loop": (inline(wasm.LOOP), "sandbox: {maxExecutionTimeMs: 20}"),
    "trap": (inline(wasm.TRAP), ""),
    "greedy": (inline(wasm.GREEDY), "sandbox: {maxMemoryBytes: 1048576}"),
    "deep": (inline(wasm.DEEP), ""),
    "outside": (inline(wasm.OUTSIDE), ""),
    "wrong-hash": (f"inline: {wasm.inline(COPY)}, sha256: '{'0' * 64}'", ""),
    "not-readable": (f"inline: {wasm.inline(COPY)}", "priority: first"),
    "no-module": ("inline: bm8gbW9kdWxl", ""),
    "broken": (f"inline: {wasm.inline(wasm.build(wasm.TRAP).replace(wasm.UNREACHABLE, wasm.ILLEGAL))}", ""),
    "no-alloc": (f"inline: {wasm.inline(wasm.build(wasm.refusing(0), parts=wasm.NO_ALLOC))}", ""),
    "two-sources": (f"inline: {wasm.inline(COPY)}, url: 'https://example.com/a.wasm'", ""),
    "no-source": ("", ""),
    "inside": ("url: 'https://10.0.0.1/a.wasm'", ""),
    "missing": ("configMap: {name: nowhere}", ""),
    "native-refusing": (native(wasm.MARK, starts="(i32.const 0)"), ""),
    "native-broken": (native(wasm.MARK, starts="unreachable"), ""),
    "native-large": (native(wasm.MARK, memory="1000"), ""),
    "native-trap": (native(wasm.NATIVE_TRAP), ""),
    "native-greedy": (native(wasm.NATIVE_GREEDY), "sandbox: {maxMemoryBytes: 1048576}"),
}
LATE = ("open-native-trap", "open-native-greedy", "open-not-readable")
"""What Envoy finds out with a request, and an object that says nothing that can be read."""
FORGIVEN = {
    f"open-{name}": (source, f"failurePolicy: FailOpen\n      {more}") for name, (source, more) in HOSTILE.items()
}


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    texts = [GATEWAY, services("a"), route("plain")]
    for name, (source, more) in {**KIND, **HOSTILE, **FORGIVEN}.items():
        texts += [route(name), plugin(name, source, more)]
    with run_manifests(*texts) as found:
        yield found


@pytest.fixture
def client(running: Running) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=running.url(), timeout=DEADLINE) as found:
        yield found


def seen(answer: httpx2.Response) -> dict[str, str]:
    assert answer.status_code == 200, (answer.status_code, answer.text)
    headers = answer.json()["headers"]
    return {name: value if isinstance(value, str) else value[0] for name, value in headers.items()}


@pytest.mark.parametrize("name", ["copy", "pingora"])
def test_headers_are_read_and_set(client: httpx2.Client, name: str) -> None:
    answer = client.get(f"/{name}", headers={"x-in": "hello"})
    assert seen(answer)["x-out"] == "hello"
    assert answer.headers["x-seen"] == "yes"
    assert "x-out" not in seen(client.get(f"/{name}"))


def test_only_the_hooks_that_are_named_are_called(client: httpx2.Client) -> None:
    answer = client.get("/limited", headers={"x-in": "hello"})
    assert "x-out" not in seen(answer)
    assert answer.headers["x-seen"] == "yes"


def test_a_body_is_read(client: httpx2.Client) -> None:
    assert seen(client.post("/body", content=b"the body"))["x-body"] == "the body"
    assert seen(client.get("/body")).get("x-body", "") == ""


def test_the_context_says_what_the_request_is(client: httpx2.Client) -> None:
    found = json.loads(seen(client.post("/context/x?y=1", content=b"\xff\xfe", headers={"x-own": "z"}))["x-context"])
    assert (found["method"], found["path"], found["headers"]["x-own"]) == ("POST", "/context/x?y=1", "z")
    assert (found["body"], found["config"]) == ("//4=", '{"mode":"audit"}')
    assert found["route"] == "HTTPRoute/default/context"


@pytest.mark.parametrize(("name", "status"), [("teapot", 418), ("odd", 403), ("negative", 403), ("late", 502)])
def test_what_a_plugin_returns_is_the_answer(client: httpx2.Client, name: str, status: int) -> None:
    assert client.get(f"/{name}").status_code == status


def test_parts_of_answers_are_seen(client: httpx2.Client) -> None:
    """The simulated service says in its answer what the path was."""
    assert client.get("/chunks/open").status_code == 200
    with pytest.raises(httpx2.HTTPError):
        client.get("/chunks/secret").raise_for_status()


def test_envoy_runs_modules_of_proxy_wasm(client: httpx2.Client) -> None:
    assert seen(client.get("/native"))["x-native"] == "yes"
    assert "x-native" not in seen(client.get("/unhooked"))


@pytest.mark.parametrize("name", HOSTILE)
def test_what_cannot_be_run_closes_its_route_alone(client: httpx2.Client, name: str) -> None:
    for _ in range(3):
        assert client.get(f"/{name}").status_code == 503
        assert client.get("/plain").status_code == 200
        assert client.get("/copy").status_code == 200


@pytest.mark.parametrize("name", [name for name in FORGIVEN if name not in LATE])
def test_what_may_fail_lets_requests_pass(client: httpx2.Client, name: str) -> None:
    assert client.get(f"/{name}").status_code == 200


def test_a_native_module_that_may_fail_is_left_out_after_its_first_failure(client: httpx2.Client) -> None:
    assert client.get("/open-native-trap").status_code in (200, 503)
    answers = [client.get("/open-native-trap").status_code for _ in range(8)]
    assert answers[-1] == 200


def test_everything_wrong_is_said(running: Running) -> None:
    found = set(running.rules())
    assert {"wasm-checksum", "wasm-invalid", "wasm-source", "wasm-unchecked"} <= found
    assert {"wasm-not-fetched", "wasm-not-started"} <= found


def test_several_plugins_are_called_in_their_order() -> None:
    gateway = "{group: gateway.networking.k8s.io, kind: Gateway, name: web}"
    service = '{group: "", kind: Service, name: a}'
    first = wasm.build(wasm.refusing(418))
    texts = [
        plugin("second", inline(wasm.refusing(429)), "priority: 2", target=gateway),
        plugin("first", f"inline: {wasm.inline(first)}", "priority: 1", target=service),
    ]
    with run_manifests(
        GATEWAY, services("a", "b"), route("a"), route("b").replace("name: a,", "name: b,"), *texts
    ) as run:
        assert httpx2.get(run.url() + "/a").status_code == 418
        assert httpx2.get(run.url() + "/b").status_code == 429


class _Files(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/moved.wasm":
            self.send_response(302)
            self.send_header("location", "/copy.wasm")
            self.end_headers()
            return
        self.send_response(200 if self.path == "/copy.wasm" else 404)
        self.send_header("content-length", str(len(COPY)))
        self.end_headers()
        self.wfile.write(COPY)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def files() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Files)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_modules_are_fetched_and_checked(files: str) -> None:
    sources = {
        "fetched": f"url: '{files}/copy.wasm', sha256: {wasm.digest(COPY)}",
        "moved": f"url: '{files}/moved.wasm'",
        "lost": f"url: '{files}/lost.wasm'",
        "other": f"url: '{files}/copy.wasm', sha256: '{'1' * 64}'",
        "mapped": "configMap: {name: modules}",
    }
    modules = f"""
    apiVersion: v1
    kind: ConfigMap
    metadata: {{name: modules}}
    binaryData: {{plugin.wasm: {wasm.inline(COPY)}}}
    """
    texts = [text for name, source in sources.items() for text in (route(name), plugin(name, source))]
    with run_manifests(GATEWAY, services("a"), modules, *texts) as running:
        with httpx2.Client(base_url=running.url(), timeout=DEADLINE) as client:
            found = {name: client.get(f"/{name}", headers={"x-in": "hello"}) for name in sources}
        assert {name: answer.status_code for name, answer in found.items()} == {
            "fetched": 200,
            "moved": 200,
            "lost": 503,
            "other": 503,
            "mapped": 200,
        }
        assert all(seen(found[name])["x-out"] == "hello" for name in ("fetched", "moved", "mapped"))
        assert running.rules().count("wasm-not-fetched") == 2


def test_plugins_change_while_requests_run() -> None:
    """A reload brings another module, and settings; requests see one or the other."""
    texts = (GATEWAY, services("a"), route("shop"))
    with run_manifests(*texts, plugin("shop", inline(wasm.COPY))) as running:
        url = running.url() + "/shop"
        assert httpx2.get(url).headers["x-seen"] == "yes"
        running.write(join(*texts, plugin("shop", inline(wasm.refusing(418)))))
        running.await_word("reloaded")
        assert httpx2.get(url).status_code == 418
        running.write(join(*texts))
        running.await_word("reloaded")
        assert httpx2.get(url).status_code == 200
