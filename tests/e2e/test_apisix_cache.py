"""APISIX's proxy-cache on the real Envoy: what clients get, and which of their requests the backend sees."""

import json
import os
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from email.utils import formatdate
from itertools import count
from pathlib import Path
from threading import Barrier, Event
from time import monotonic
from typing import Any

import httpx2
import pytest
from filter_gateway import Upstream
from raw_provider import Asked, RawProvider
from running import DEADLINE, Running, run_manifests

PORT = 9080
MEMORY = "cache_strategy: memory, cache_zone: memory_cache"
KEY_AUTH = "{name: key-auth, config: {}}"
RULES = {
    "memory": [f"{{name: proxy-cache, config: {{{MEMORY}}}}}"],
    "short": [f"{{name: proxy-cache, config: {{{MEMORY}, cache_ttl: 1}}}}"],
    "chosen": [
        f"{{name: proxy-cache, config: {{{MEMORY}, cache_bypass: [$arg_bypass, $http_x_bypass], no_cache: [$arg_no],"
        " cache_http_status: [200, 500], cache_method: [GET, POST], cache_key: [$uri, $http_x_key]}}"
    ],
    "cookies": [f"{{name: proxy-cache, config: {{{MEMORY}, cache_set_cookie: true, hide_cache_headers: true}}}}"],
    "clients": [f"{{name: proxy-cache, config: {{{MEMORY}, cache_control: true}}}}"],
    "small": [f"{{name: proxy-cache, config: {{{MEMORY}, max_resp_body_size: 1000}}}}"],
    "limited": [
        f"{{name: proxy-cache, config: {{{MEMORY}}}}}",
        "{name: limit-count, config: {count: 1, time_window: 600, rejected_code: 429}}",
    ],
    "rewritten": [
        f"{{name: proxy-cache, config: {{{MEMORY}}}}}",
        '{name: proxy-rewrite, config: {uri: "/new", headers: {set: {X-Set: "yes"}}}}',
        "{name: response-rewrite, config: {headers: {add: ['X-Told: $remote_addr']}}}",
    ],
    "raw": [f"{{name: proxy-cache, config: {{{MEMORY}}}}}"],
    "disk": ["{name: proxy-cache, config: {}}"],
    "disk-chosen": ["{name: proxy-cache, config: {cache_zone: quick, cache_bypass: [$arg_bypass]}}"],
    "disk-limited": [
        "{name: proxy-cache, config: {}}",
        "{name: limit-count, config: {count: 2, time_window: 600, rejected_code: 429}}",
    ],
    "callers": [KEY_AUTH, f"{{name: proxy-cache, config: {{{MEMORY}}}}}"],
    "shared": [KEY_AUTH, f"{{name: proxy-cache, config: {{{MEMORY}, consumer_isolation: false}}}}"],
}
OBJECTS = """
apiVersion: anygate.dev/v1alpha1
kind: ApisixSettings
metadata: {name: local}
spec:
  proxyCache:
    cacheTtl: 1s
    zones: [{name: disk_cache_one, strategy: disk}, {name: quick, strategy: disk, size: 1m},
      {name: memory_cache, strategy: memory, size: 8m}]
---
apiVersion: apisix.apache.org/v2
kind: ApisixConsumer
metadata: {name: ann}
spec: {authParameter: {keyAuth: {value: {key: key-of-ann}}}}
---
apiVersion: apisix.apache.org/v2
kind: ApisixConsumer
metadata: {name: bob}
spec: {authParameter: {keyAuth: {value: {key: key-of-bob}}}}
"""


def render(port: int, raw: int) -> str:
    rules = "".join(
        f"    - name: {name}\n      match: {{paths: ['/{name}', '/{name}/*']}}\n"
        f"      websocket: true\n      upstreams: [{{name: {'raw' if name == 'raw' else 'echo'}}}]\n"
        f"      plugins: [{', '.join(plugins)}]\n"
        for name, plugins in RULES.items()
    )
    return f"""
apiVersion: apisix.apache.org/v2
kind: ApisixRoute
metadata: {{name: all}}
spec:
  http:
{rules}
---
apiVersion: apisix.apache.org/v2
kind: ApisixUpstream
metadata: {{name: echo}}
spec: {{externalNodes: [{{type: Domain, name: 127.0.0.1, port: {port}}}]}}
---
apiVersion: apisix.apache.org/v2
kind: ApisixUpstream
metadata: {{name: raw}}
spec: {{externalNodes: [{{type: Domain, name: 127.0.0.1, port: {raw}}}]}}
---{OBJECTS}"""


_GO_ON = Event()


def answer_raw(asked: Asked) -> bytes | Iterator[bytes]:
    """Two chunks, and the end only if it is asked for; or events, or another protocol."""
    if asked.headers.get("upgrade"):
        return b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhello"
    if asked.headers["x-end"] == "events":
        return send_events()
    body = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n"
    return body + (b"0\r\n\r\n" if asked.headers["x-end"] == "whole" else b"")


def send_events() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\ndata: one\n\n"
    _GO_ON.wait(DEADLINE)
    yield b"data: two\n\n"


def answer(request: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    """What a request asks for in its headers; else what it was, and its number."""
    asked = request["headers"]
    seen = {"number": next(_NUMBERS), "path": request["path"], "method": request["method"], "set": asked.get("x-set")}
    content = b"x" * int(asked["x-size"]) if "x-size" in asked else json.dumps(seen).encode()
    headers = {"content-type": "application/json", **json.loads(asked.get("x-send", "{}"))}
    return int(asked.get("x-status", 200)), headers, content


_NUMBERS = count()
_paths = count()


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream("echo", answer) as found:
        yield found


@pytest.fixture(scope="module")
def gateway(upstream: Upstream) -> Iterator[Running]:
    with (
        RawProvider(answer_raw) as raw,
        run_manifests(render(upstream.port, raw.port), ports=(PORT,)) as running,
    ):
        yield running


@pytest.fixture
def client(gateway: Running) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=gateway.url(PORT), timeout=DEADLINE) as found:
        yield found


def fresh(rule: str) -> str:
    """A path that nobody has asked for."""
    return f"/{rule}/{next(_paths)}"


def told(found: httpx2.Response) -> str:
    return str(found.headers.get("apisix-cache-status", ""))


def send(**headers: str) -> dict[str, str]:
    return {"x-send": json.dumps({name.replace("_", "-"): value for name, value in headers.items()})}


def outcomes(client: httpx2.Client, path: str, times: int = 2, **options: Any) -> list[str]:
    return [told(client.request(options.pop("method", "GET"), path, **options)) for _ in range(times)]


@pytest.mark.parametrize("rule", ["memory", "disk"])
def test_the_second_request_gets_the_first_ones_answer(client: httpx2.Client, upstream: Upstream, rule: str) -> None:
    path = fresh(rule)
    first, second = (client.get(path, headers=send(etag='"a"', x_own="b")) for _ in range(2))
    assert (told(first), told(second)) == ("MISS", "HIT")
    assert second.content == first.content
    own = {"apisix-cache-status", "x-envoy-upstream-service-time", "age"}
    kept, given = ({name: one.headers[name] for name in one.headers if name not in own} for one in (first, second))
    assert kept == given
    assert given["etag"] == '"a"'
    assert second.headers["age"].isdecimal()
    assert [one["path"] for one in upstream.seen].count(path) == 1


@pytest.mark.parametrize("rule", ["short", "disk"])
def test_an_answer_is_fetched_anew_when_its_time_is_over(client: httpx2.Client, rule: str) -> None:
    path, end = fresh(rule), monotonic() + DEADLINE
    assert told(client.get(path)) == "MISS"
    while (found := told(client.get(path))) == "HIT":
        assert monotonic() < end
    assert found == "EXPIRED"
    assert told(client.get(path)) == "HIT"


def test_what_a_backend_says_of_its_answer_holds_on_disk(client: httpx2.Client) -> None:
    path, end = fresh("disk"), monotonic() + DEADLINE
    short = send(cache_control="public, max-age=1")
    client.get(path, headers=send(cache_control="max-age=600"))
    client.get(f"{path}/short", headers=short)
    while told(client.get(f"{path}/short", headers=short)) == "HIT":
        assert monotonic() < end
    assert told(client.get(path)) == "HIT"
    for said in ({"cache_control": "max-age=0"}, {"expires": formatdate(0)}, {"cache_control": 'private="x"'}):
        assert outcomes(client, fresh("disk"), headers=send(**said)) == ["MISS", "MISS"]


@pytest.mark.parametrize("rule", ["memory", "disk"])
@pytest.mark.parametrize(
    "said",
    [{"cache_control": "no-store"}, {"cache_control": "private, max-age=9"}, {"set_cookie": "a=b"}, {"vary": "*"}],
)
def test_what_is_for_nobody_else_is_never_kept(client: httpx2.Client, rule: str, said: dict[str, str]) -> None:
    assert outcomes(client, fresh(rule), headers=send(**said)) == ["MISS", "MISS"]


def test_conditions_pass_the_cache_by(client: httpx2.Client) -> None:
    path = fresh("chosen")
    assert outcomes(client, path) == ["MISS", "HIT"]
    assert told(client.get(f"{path}?bypass=1")) == told(client.get(path, headers={"x-bypass": "a"})) == "BYPASS"
    assert told(client.get(f"{path}?bypass=0")) == "HIT"
    assert outcomes(client, f"{fresh('chosen')}?no=1") == ["MISS", "MISS"]
    # On disk what passes by is kept all the same.
    path = fresh("disk-chosen")
    assert told(client.get(f"{path}?bypass=1")) == "BYPASS"
    assert outcomes(client, f"{path}?bypass=1") == ["BYPASS", "BYPASS"]


def test_a_key_says_what_requests_share(client: httpx2.Client) -> None:
    path = fresh("chosen")
    assert outcomes(client, f"{path}?a=1", headers={"x-key": "a"}) == ["MISS", "HIT"]
    assert told(client.get(f"{path}?a=2", headers={"x-key": "a"})) == "HIT"
    assert told(client.get(f"{path}?a=2", headers={"x-key": "b"})) == "MISS"
    assert outcomes(client, f"{fresh('memory')}?a=1") == ["MISS", "HIT"]
    # Two routes have the same key for this path, and share nothing.
    assert told(client.get("/memory", headers={"host": "same.test"})) == "MISS"
    assert told(client.get("/shared", headers={"host": "same.test", "apikey": "key-of-ann"})) == "MISS"


def test_statuses_and_methods_are_those_of_the_list(client: httpx2.Client) -> None:
    for rule, status, second in (("chosen", 500, "HIT"), ("chosen", 404, "MISS"), ("memory", 404, "HIT")):
        path = fresh(rule)
        assert outcomes(client, path, headers={"x-status": str(status)}) == ["MISS", second]
        assert client.get(path, headers={"x-status": str(status)}).status_code == status
    assert outcomes(client, fresh("memory"), headers={"x-status": "500"}) == ["MISS", "MISS"]
    path = fresh("chosen")
    assert [told(client.post(path, content=b"a")) for _ in range(2)] == ["MISS", "HIT"]
    assert told(client.get(path)) == "MISS"
    assert client.post(path, content=b"a").json()["method"] == "POST"
    assert [told(client.put(path)) for _ in range(2)] == ["MISS", "MISS"]
    assert [told(client.put(fresh("disk"))) for _ in range(2)] == ["", ""]


def test_head_gets_the_head_of_what_get_got(client: httpx2.Client) -> None:
    path = fresh("memory")
    assert [told(client.head(path)), told(client.get(path))] == ["MISS", "MISS"]
    found = client.head(path)
    assert (told(found), found.content) == ("HIT", b"")
    assert found.headers["content-length"] == str(len(client.get(path).content))


def test_purge_drops_what_is_kept(client: httpx2.Client, upstream: Upstream) -> None:
    for rule in ("memory", "disk"):
        path = fresh(rule)
        client.get(path, headers={**send(vary="X-V"), "x-v": "a"})
        client.get(path, headers={**send(vary="X-V"), "x-v": "b"})
        assert client.request("PURGE", path).status_code == 200
        assert client.request("PURGE", path).status_code == 404
        assert told(client.get(path, headers={"x-v": "a"})) == "MISS"
    assert "PURGE" not in {one["method"] for one in upstream.seen}


def test_an_answer_is_for_requests_with_the_headers_that_it_varies_with(client: httpx2.Client) -> None:
    path, varied = fresh("memory"), send(vary="x-v, Accept")
    for value, outcome in (("a", "MISS"), ("b", "MISS"), ("a", "HIT"), ("b", "HIT"), ("c", "MISS")):
        assert told(client.get(path, headers={**varied, "x-v": value})) == outcome
    # One that is encoded is for those who take that, though it does not say so.
    path, encoded = fresh("memory"), send(content_encoding="x-own")
    assert outcomes(client, path, headers={**encoded, "accept-encoding": "x-own"}) == ["MISS", "HIT"]
    assert told(client.get(path, headers={"accept-encoding": "identity"})) == "MISS"


def test_cookies_are_kept_where_that_is_asked_for_and_lifetimes_hidden(client: httpx2.Client) -> None:
    path = fresh("cookies")
    both = [client.get(path, headers=send(set_cookie="a=b", cache_control="max-age=9", expires="0")) for _ in range(2)]
    assert [told(one) for one in both] == ["MISS", "HIT"]
    for one in both:
        assert one.headers["set-cookie"] == "a=b"
        assert not {"cache-control", "expires"} & set(one.headers)


def test_clients_say_how_fresh_an_answer_has_to_be_only_where_they_are_asked(client: httpx2.Client) -> None:
    lasting, path = send(cache_control="max-age=600"), fresh("clients")
    assert outcomes(client, path, headers=lasting) == ["MISS", "HIT"]
    assert outcomes(client, fresh("clients")) == ["MISS", "MISS"]
    for asked, outcome in (("no-store", "BYPASS"), ("no-cache", "BYPASS"), ("min-fresh=900", "STALE")):
        assert told(client.get(path, headers={**lasting, "cache-control": asked})) == outcome
    only = client.get(fresh("clients"), headers={"cache-control": "only-if-cached"})
    assert (only.status_code, told(only)) == (504, "MISS")
    path = fresh("memory")
    assert outcomes(client, path, headers={"cache-control": "no-store"}) == ["MISS", "HIT"]


def test_a_kept_answer_uses_up_no_limit_in_memory_and_one_on_disk(client: httpx2.Client) -> None:
    path = fresh("limited")
    assert [client.get(path).status_code for _ in range(3)] == [200, 200, 200]
    assert client.get(fresh("limited")).status_code == 429
    path = fresh("disk-limited")
    assert [client.get(path).status_code for _ in range(3)] == [200, 200, 429]


def test_plugins_around_the_cache_do_what_they_do(client: httpx2.Client, upstream: Upstream) -> None:
    path = fresh("rewritten")
    first, second = client.get(path), client.get(path)
    assert (told(first), told(second)) == ("MISS", "HIT")
    for one in (first, second):
        assert (one.json()["path"], one.json()["set"], one.headers["x-told"]) == ("/new", "yes", "127.0.0.1")
        assert len(one.headers.get_list("x-told")) == 1


def test_callers_are_asked_for_their_credential_and_share_nothing(client: httpx2.Client) -> None:
    path, ann, bob = fresh("callers"), {"apikey": "key-of-ann"}, {"apikey": "key-of-bob"}
    assert outcomes(client, path, headers=ann) == ["MISS", "HIT"]
    assert client.get(path).status_code == client.get(path, headers={"apikey": "wrong"}).status_code == 401
    assert outcomes(client, path, headers=bob) == ["MISS", "HIT"]
    assert client.get(path, headers=ann).content != client.get(path, headers=bob).content
    forged = {**bob, "x-consumer-username": "ann"}
    assert client.get(path, headers=forged).content == client.get(path, headers=bob).content
    assert client.request("PURGE", path, headers=ann).status_code == 200
    assert (outcomes(client, path, 1, headers=bob), outcomes(client, path, 1, headers=ann)) == (["HIT"], ["MISS"])
    path = fresh("shared")
    assert [told(client.get(path, headers=one)) for one in (ann, bob)] == ["MISS", "HIT"]
    # Who is no consumer is told by the credential that the backend is to look at.
    path = fresh("memory")
    assert [told(client.get(path, headers={"authorization": one})) for one in "aba"] == ["MISS", "MISS", "HIT"]


def test_large_answers_are_whole_and_too_large_ones_pass(client: httpx2.Client) -> None:
    for rule, size, second in (("memory", 3_000_000, "HIT"), ("memory", 9_000_000, "MISS"), ("small", 1001, "MISS")):
        path = fresh(rule)
        found = [client.get(path, headers={"x-size": str(size)}) for _ in range(2)]
        assert [len(one.content) for one in found] == [size, size]
        assert [told(one) for one in found] == ["MISS", second]


def test_what_comes_in_parts_is_kept_only_when_it_is_whole(client: httpx2.Client) -> None:
    path = fresh("raw")
    # How far an answer that is cut gets to the client is a matter of time.
    with suppress(httpx2.HTTPError):
        assert client.get(path, headers={"x-end": "cut"}).status_code == 502
    first, second = (client.get(path, headers={"x-end": "whole"}) for _ in range(2))
    assert (told(first), told(second)) == ("MISS", "HIT")
    assert first.content == second.content == b"onetwo"
    assert "content-type" not in second.headers
    path = fresh("memory")
    for status in (206, 304):
        assert told(client.get(path, headers={"x-status": str(status), "range": "bytes=0-1"})) == "MISS"


def test_streams_pass(gateway: Running, client: httpx2.Client) -> None:
    path = fresh("raw")
    for _ in range(2):
        _GO_ON.clear()
        with client.stream("GET", path, headers={"x-end": "events"}) as found:
            assert told(found) == "MISS"
            lines = found.iter_lines()
            assert next(lines) == "data: one"
            _GO_ON.set()
            assert "data: two" in list(lines)
    with socket.create_connection(gateway.address(PORT), DEADLINE) as plain:
        plain.sendall(f"GET {path} HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n".encode())
        text = plain.makefile("rb").read().decode()
    assert text.startswith("HTTP/1.1 101 ")
    assert text.endswith("hello")


def test_many_at_once_get_their_own_answers(gateway: Running) -> None:
    paths, barrier = [fresh("memory") for _ in range(8)], Barrier(8)

    def ask(number: int) -> None:
        with httpx2.Client(base_url=gateway.url(PORT), timeout=DEADLINE) as client:
            barrier.wait(DEADLINE)
            for turn in range(16):
                path = paths[(number + turn) % len(paths)]
                found = client.get(path, headers={"x-size": str(10_000 + int(path.rpartition("/")[2]))})
                assert len(found.content) == 10_000 + int(path.rpartition("/")[2])
                assert told(found) in ("MISS", "HIT")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(8)))
    with httpx2.Client(base_url=gateway.url(PORT), timeout=DEADLINE) as client:
        assert {told(client.get(path)) for path in paths} == {"HIT"}


def test_a_rarely_asked_answer_makes_room(client: httpx2.Client) -> None:
    first = fresh("memory")
    assert outcomes(client, first, headers={"x-size": "3000000"}) == ["MISS", "HIT"]
    for _ in range(3):
        client.get(fresh("memory"), headers={"x-size": "3000000"})
    assert told(client.get(first)) == "MISS"


def find_services(running: Running) -> int:
    """The process of a run that keeps answers."""
    assert running.session.folder is not None
    socket = str(running.session.folder.path / "services.sock")
    for path in Path(f"/proc/{os.getpid()}/task").glob("*/children"):
        for pid in path.read_text().split():
            if socket in Path(f"/proc/{pid}/cmdline").read_text().split("\0"):
                return int(pid)
    raise AssertionError("there is no such process")


def test_without_the_service_the_backend_answers(upstream: Upstream) -> None:
    with (
        run_manifests(render(upstream.port, upstream.port), ports=(PORT,)) as running,
        httpx2.Client(base_url=running.url(PORT), timeout=DEADLINE) as client,
    ):
        assert outcomes(client, "/memory") == ["MISS", "HIT"]
        os.kill(find_services(running), signal.SIGKILL)
        end, found = monotonic() + DEADLINE, [""]
        while found[-1] != "MISS":  # by the next one, which knows of nothing
            answer = client.get("/memory")
            assert answer.status_code == 200
            found.append(told(answer))
            assert monotonic() < end
        assert told(client.get("/memory")) == "HIT"
