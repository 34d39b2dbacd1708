"""HTTPRoute features, each with real requests: one run serves them all, told apart by their hostnames."""

import asyncio
import base64
from collections import Counter
from collections.abc import Iterator

import httpx2
import pytest
from running import DEADLINE, Running, gateway, join, run_manifests, served_by, services
from websockets.asyncio.client import connect

BACKENDS = ("a", "b", "c", "copy")


def route(name: str, rules: str, kind: str = "HTTPRoute") -> str:
    indented = "\n".join(f"  {line}" for line in join(rules).splitlines())
    return f"""
apiVersion: gateway.networking.k8s.io/v1
kind: {kind}
metadata: {{name: {name}}}
spec:
  parentRefs: [{{name: web}}]
  hostnames: [{name}.test]
  rules:
{indented}
"""


MATCHES = route(
    "matches",
    """
    - backendRefs: [{name: a, port: 80}]
    - matches: [{path: {type: PathPrefix, value: /b}}]
      backendRefs: [{name: b, port: 80}]
    - matches: [{path: {type: Exact, value: /b/exact}}]
      backendRefs: [{name: c, port: 80}]
    - matches: [{path: {type: RegularExpression, value: "/re/[0-9]+"}}]
      backendRefs: [{name: c, port: 80}]
    - matches: [{headers: [{name: x-who, value: b}]}]
      backendRefs: [{name: b, port: 80}]
    - matches: [{headers: [{name: x-who, value: b}, {name: x-more, type: RegularExpression, value: "y.*"}]}]
      backendRefs: [{name: c, port: 80}]
    - matches: [{queryParams: [{name: who, value: b}]}]
      backendRefs: [{name: b, port: 80}]
    - matches: [{method: DELETE}]
      backendRefs: [{name: c, port: 80}]
    """,
)
WEIGHTS = route(
    "weights",
    """
    - backendRefs: [{name: a, port: 80, weight: 80}, {name: b, port: 80, weight: 20}, {name: c, port: 80, weight: 0}]
    - matches: [{path: {value: /none}}]
    - matches: [{path: {value: /missing}}]
      backendRefs: [{name: missing, port: 80}]
    - matches: [{path: {value: /half}}]
      backendRefs: [{name: missing, port: 80}, {name: a, port: 80}]
    - matches: [{path: {value: /zero}}]
      backendRefs: [{name: a, port: 80, weight: 0}]
    """,
)
HEADERS = route(
    "headers",
    """
    - filters:
      - type: RequestHeaderModifier
        requestHeaderModifier: {set: [{name: x-set, value: new}], add: [{name: x-add, value: two}], remove: [x-gone]}
      - type: ResponseHeaderModifier
        responseHeaderModifier: {set: [{name: x-answer, value: "yes"}], remove: [x-stub-body-bytes]}
      backendRefs: [{name: a, port: 80}]
    """,
)
REDIRECTS = route(
    "redirects",
    """
    - matches: [{path: {value: /host}}]
      filters: [{type: RequestRedirect, requestRedirect: {hostname: other.test, port: 8080, statusCode: 301}}]
    - matches: [{path: {value: /scheme}}]
      filters: [{type: RequestRedirect, requestRedirect: {scheme: https}}]
    - matches: [{path: {value: /prefix}}]
      filters:
      - type: RequestRedirect
        requestRedirect: {hostname: other.test, path: {type: ReplacePrefixMatch, replacePrefixMatch: /new}}
    - matches: [{path: {value: /own}}]
      filters: [{type: RequestRedirect, requestRedirect: {path: {type: ReplaceFullPath, replaceFullPath: /there}}}]
    - matches: [{path: {value: /full}}]
      filters:
      - type: RequestRedirect
        requestRedirect: {hostname: other.test, path: {type: ReplaceFullPath, replaceFullPath: /one}}
    """,
)
REWRITES = route(
    "rewrites",
    """
    - matches: [{path: {value: /prefix}}]
      filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}}]
      backendRefs: [{name: a, port: 80}]
    - matches: [{path: {value: /full}}]
      filters:
      - type: URLRewrite
        urlRewrite: {hostname: inner.test, path: {type: ReplaceFullPath, replaceFullPath: /one}}
      backendRefs: [{name: a, port: 80}]
    """,
)
MIRRORS = route(
    "mirrors",
    """
    - filters: [{type: RequestMirror, requestMirror: {backendRef: {name: copy, port: 80}}}]
      backendRefs: [{name: a, port: 80}]
    - matches: [{path: {value: /some}}]
      filters: [{type: RequestMirror, requestMirror: {backendRef: {name: copy, port: 80}, percent: 50}}]
      backendRefs: [{name: a, port: 80}]
    """,
)
CORS = route(
    "cors",
    """
    - filters:
      - type: CORS
        cors:
          allowOrigins: ["https://app.test", "https://*.wild.test"]
          allowMethods: [GET, PUT]
          allowHeaders: [x-token]
          exposeHeaders: [x-seen]
          allowCredentials: true
          maxAge: 60
      backendRefs: [{name: a, port: 80}]
    """,
)
TIMEOUTS = route(
    "timeouts",
    """
    - matches: [{path: {value: /request}}]
      timeouts: {request: 100ms}
      backendRefs: [{name: a, port: 80}]
    - matches: [{path: {value: /attempt}}]
      timeouts: {request: 10s, backendRequest: 100ms}
      backendRefs: [{name: a, port: 80}]
    - matches: [{path: {value: /retry}}]
      retry: {attempts: 2, backoff: 10ms, codes: [503]}
      backendRefs: [{name: a, port: 80}]
    """,
)
STICKY = route(
    "sticky",
    """
    - sessionPersistence: {sessionName: stay, type: Cookie}
      backendRefs: [{name: a, port: 80}, {name: b, port: 80}]
    - matches: [{path: {value: /header}}]
      sessionPersistence: {sessionName: x-stay, type: Header}
      backendRefs: [{name: a, port: 80}, {name: b, port: 80}]
    """,
)
PLAIN = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: plain}
spec:
  parentRefs: [{name: web}]
  hostnames: ["*.wild.test", one.wild.test]
  rules:
  - matches: [{path: {value: /}}]
    backendRefs: [{name: b, port: 80}]
"""


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    texts = (MATCHES, WEIGHTS, HEADERS, REDIRECTS, REWRITES, MIRRORS, CORS, TIMEOUTS, STICKY, PLAIN)
    with run_manifests(gateway(), services(*BACKENDS), *texts) as found:
        yield found


@pytest.fixture(scope="module")
def client(running: Running) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=running.url(), timeout=DEADLINE) as found:
        yield found


def host(name: str, **headers: str) -> dict[str, str]:
    return {"host": f"{name}.test", **{key.replace("_", "-"): value for key, value in headers.items()}}


@pytest.mark.parametrize(
    ("method", "path", "headers", "backend"),
    [
        ("GET", "/", {}, "a"),
        ("GET", "/b", {}, "b"),
        ("GET", "/b/more", {}, "b"),
        ("GET", "/bx", {}, "a"),
        ("GET", "/b/exact", {}, "c"),
        ("GET", "/b/exact/", {}, "b"),
        ("GET", "/re/42", {}, "c"),
        ("GET", "/re/42x", {}, "a"),
        ("GET", "/", {"x_who": "b"}, "b"),
        ("GET", "/", {"x_who": "b", "x_more": "yes"}, "c"),
        ("GET", "/?who=b", {}, "b"),
        ("GET", "/?who=bb", {}, "a"),
        ("DELETE", "/", {}, "c"),
        # A path comes before a method, a method before headers, headers before query parameters.
        ("DELETE", "/b", {}, "b"),
        ("DELETE", "/", {"x_who": "b"}, "c"),
    ],
)
def test_match_precedence(client: httpx2.Client, method: str, path: str, headers: dict[str, str], backend: str) -> None:
    assert served_by(client.request(method, path, headers=host("matches", **headers))) == backend


def test_hostnames(client: httpx2.Client) -> None:
    assert served_by(client.get("/", headers={"host": "one.wild.test"})) == "b"
    assert served_by(client.get("/", headers={"host": "deep.one.wild.test"})) == "b"
    assert client.get("/", headers={"host": "wild.test"}).status_code == 404
    assert client.get("/", headers={"host": "unknown.test"}).status_code == 404


def test_weights_and_backends_that_are_not_there(running: Running, client: httpx2.Client) -> None:
    found = Counter(served_by(client.get("/", headers=host("weights"))) for _ in range(400))
    assert set(found) == {"a", "b"}
    assert 30 < found["b"] < 140
    for path in ("/none", "/missing", "/zero"):
        assert client.get(path, headers=host("weights")).status_code == 500, path
    half = Counter(served_by(client.get("/half", headers=host("weights"))) for _ in range(100))
    assert set(half) == {"a", "500"}
    assert "backend-not-found" in running.rules()


def test_header_edits(client: httpx2.Client) -> None:
    sent = host("headers", x_set="old", x_add="one", x_gone="here")
    answer = client.get("/", headers=sent)
    seen = answer.json()["headers"]
    assert seen["x-set"] == ["new"]
    assert ",".join(seen["x-add"]) == "one,two"
    assert "x-gone" not in seen
    assert answer.headers["x-answer"] == "yes"
    assert "x-stub-body-bytes" not in answer.headers


def test_redirects(running: Running, client: httpx2.Client) -> None:
    port = running.address(80)[1]

    def location(path: str) -> tuple[int, str]:
        answer = client.get(path, headers=host("redirects"))
        return answer.status_code, answer.headers["location"]

    assert location("/host/x?q=1") == (301, "http://other.test:8080/host/x?q=1")
    assert location("/scheme") == (302, "https://redirects.test/scheme")
    assert location("/prefix/x") == (302, "http://other.test/new/x")
    assert location("/full/x?q=1") == (302, "http://other.test/one?q=1")
    # To the gateway itself: where it really listens.
    assert location("/own") == (302, f"http://redirects.test:{port}/there")


def test_rewrites(client: httpx2.Client) -> None:
    seen = client.get("/prefix/deep?q=1", headers=host("rewrites")).json()
    assert (seen["path"], seen["host"]) == ("/deep?q=1", "rewrites.test")
    assert client.get("/prefix", headers=host("rewrites")).json()["path"] == "/"
    seen = client.get("/full/x?q=1", headers=host("rewrites")).json()
    assert (seen["path"], seen["host"]) == ("/one?q=1", "inner.test")


def test_mirrors(running: Running, client: httpx2.Client) -> None:
    assert served_by(client.get("/all?first", headers=host("mirrors"))) == "a"
    copied = running.await_request(lambda record: record.backend == "copy.default")
    assert copied.path == "/all?first"
    for _ in range(100):
        assert served_by(client.get("/some", headers=host("mirrors"))) == "a"
    client.get("/all?last", headers=host("mirrors"))
    paths = []
    while "/all?last" not in paths:
        paths.append(running.await_request(lambda record: record.backend == "copy.default").path)
    assert 20 < paths.count("/some") < 80


def test_cors(client: httpx2.Client) -> None:
    asked = {"access_control_request_method": "PUT", "access_control_request_headers": "x-token"}
    for origin in ("https://app.test", "https://x.wild.test"):
        answer = client.options("/", headers=host("cors", origin=origin, **asked))
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, origin)
        assert "PUT" in answer.headers["access-control-allow-methods"]
        assert answer.headers["access-control-allow-headers"] == "x-token"
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert answer.headers["access-control-max-age"] == "60"
    answer = client.get("/", headers=host("cors", origin="https://app.test"))
    assert (served_by(answer), answer.headers["access-control-expose-headers"]) == ("a", "x-seen")
    answer = client.options("/", headers=host("cors", origin="https://evil.test", **asked))
    assert "access-control-allow-origin" not in answer.headers


def test_timeouts_and_retries(running: Running, client: httpx2.Client) -> None:
    for path in ("/request", "/attempt"):
        assert client.get(path, headers=host("timeouts", x_stub_delay="5s")).status_code == 504
        assert client.get(path, headers=host("timeouts")).status_code == 200
    answer = client.get("/retry?once", headers=host("timeouts", x_stub_status="503"))
    assert answer.status_code == 503
    for _ in range(3):
        running.await_request(lambda record: record.path == "/retry?once")
    client.get("/retry?end", headers=host("timeouts"))
    assert running.requests.get(timeout=DEADLINE).path == "/retry?end"


def test_session_persistence(running: Running, client: httpx2.Client) -> None:
    url = running.url()
    for _ in range(5):
        with httpx2.Client(base_url=url) as one:
            first = one.get("/", headers=host("sticky"))
            cookie = first.headers["set-cookie"].partition(";")[0]
            assert cookie.startswith("stay=")
            stays = {served_by(one.get("/", headers=host("sticky", cookie=cookie))) for _ in range(20)}
            assert stays == {served_by(first)}
    first = client.get("/header", headers=host("sticky"))
    token = first.headers["x-stay"]
    assert {served_by(client.get("/header", headers=host("sticky", x_stay=token))) for _ in range(20)} == {
        served_by(first)
    }


def test_http2_without_tls(running: Running) -> None:
    with httpx2.Client(base_url=running.url(), http1=False, http2=True) as h2:
        answer = h2.get("/b", headers=host("matches"))
        assert (answer.http_version, served_by(answer)) == ("HTTP/2", "b")


def test_websocket(running: Running) -> None:
    async def talk() -> str | bytes:
        address, port = running.address(80)
        uri = "ws://matches.test/b"
        async with connect(uri, host=address, port=port, proxy=None, open_timeout=DEADLINE) as channel:
            await channel.send("hello")
            async with asyncio.timeout(DEADLINE):
                first = await channel.recv()
                return first if "hello" in str(first) else await channel.recv()

    assert asyncio.run(talk()) == "hello"


def test_bodies_of_any_size(client: httpx2.Client) -> None:
    body = base64.b64encode(bytes(3_000_000))
    answer = client.post("/", headers=host("matches", x_stub_body_size="2000000"), content=body)
    assert answer.headers["x-stub-body-bytes"] == str(len(body))
    assert len(answer.content) == 2_000_000
