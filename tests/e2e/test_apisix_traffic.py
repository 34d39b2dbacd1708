"""APISIX's plugins for traffic, limits, rewriting and answers, on the real Envoy: what a client and a backend see."""

import gzip
import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any

import httpx2
import pytest
from running import Running, run_manifests, served_by

PORT = 9080
SERVICES = """
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: other}
spec: {ports: [{port: 80}]}
"""
HEAD = """
apiVersion: apisix.apache.org/v2
kind: ApisixRoute
metadata: {name: all}
spec:
  http:
"""
OTHER = '{type: roundrobin, nodes: {"other.default.svc.cluster.local:80": 1}}'
RULES = {
    "count": "{name: limit-count, config: {count: 2, time_window: 60, rejected_code: 429, rejected_msg: too many}}",
    "sliding": "{name: limit-count, config: {count: 1, time_window: 1, window_type: sliding, key: remote_addr}}",
    "users": "{name: limit-count, config: {count: 1, time_window: 60, key: http_x_user}}",
    "group-a": "{name: limit-count, config: {count: 1, time_window: 60, group: shared, key_type: constant, key: all}}",
    "group-b": "{name: limit-count, config: {count: 1, time_window: 60, group: shared, key_type: constant, key: all}}",
    "rate": "{name: limit-req, config: {rate: 5, burst: 1, key: remote_addr}}",
    "conn": "{name: limit-conn, config: {conn: 1, burst: 0, default_conn_delay: 0.1, key: remote_addr}}",
    "rewrite": """{name: proxy-rewrite, config: {uri: "/new/$arg_a?b=1", method: POST, host: h.example.com,
        headers: {set: {X-Set: "$http_x_user at $remote_addr"}, add: {X-Add: one}, remove: [X-Gone]}}}""",
    "patterns": """{name: proxy-rewrite, config: {regex_uri:
        ["^/patterns/a/(.*)", "/one/$1", "/b/(.*)", "/two/$1"]}}""",
    "redirect": '{name: redirect, config: {uri: "/to/$arg_a", append_query_string: true, ret_code: 307}}',
    "moved": '{name: redirect, config: {regex_uri: ["^/moved/(.*)$", "/new/$1"], ret_code: 301}}',
    "secure": "{name: redirect, config: {http_to_https: true}}",
    "respond": """{name: response-rewrite, config: {status_code: 202, body: aGVsbG8=, body_base64: true,
        headers: {set: {X-Client: "$remote_addr"}, remove: [x-stub-backend]}}}""",
    "failing": '{name: response-rewrite, config: {body: sorry, vars: [["status", ">=", 500]]}}',
    "filtered": "{name: response-rewrite, config: {filters: [{regex: web, replace: WEB, scope: global}]}}",
    "echo": '{name: echo, config: {before_body: "<", after_body: ">", headers: {X-Echo: 1}}}',
    "aborted": """{name: fault-injection, config: {abort: {http_status: 418, body: "no $arg_a", headers: {X-Fault: a},
        vars: [[["arg_a", "==", "1"]], [["http_x_user", "~~", "^a"]]]}}}""",
    "half": "{name: fault-injection, config: {abort: {http_status: 418, percentage: 50}}}",
    "delayed": "{name: fault-injection, config: {delay: {duration: 0.3}}}",
    "split": f"""{{name: traffic-split, config: {{rules: [{{match: [{{vars: [[http_x_version, "==", "2"]]}}],
        weighted_upstreams: [{{upstream: {OTHER}, weight: 1}}]}}]}}}}""",
    "shared": f"""{{name: traffic-split, config: {{rules: [
        {{weighted_upstreams: [{{upstream: {OTHER}, weight: 1}}, {{weight: 1}}]}}]}}}}""",
    "gzip": '{name: gzip, config: {types: "*"}}',
    "id": "{name: request-id, config: {}}",
    "id7": "{name: request-id, config: {header_name: X-Own-Id, algorithm: uuidv7}}",
    "nano": "{name: request-id, config: {algorithm: nanoid}}",
    "ksuid": "{name: request-id, config: {algorithm: ksuid}}",
    "range": "{name: request-id, config: {algorithm: range_id, range_id: {length: 8, char_set: abcdef}}}",
    "broken": """{name: api-breaker, config: {break_response_code: 502, break_response_body: open,
        break_response_headers: [{key: X-Open, value: 1}], unhealthy: {failures: 1}}}""",
}


def render(rules: dict[str, str]) -> str:
    entries = "".join(
        f"    - name: {name}\n      match: {{paths: ['/{name}', '/{name}/*']}}\n"
        f"      backends: [{{serviceName: web, servicePort: 80}}]\n      plugins:\n        - {plugin}\n"
        for name, plugin in rules.items()
    )
    return HEAD + entries + SERVICES


@pytest.fixture(scope="module")
def gateway() -> Iterator[Running]:
    with run_manifests(render(RULES), ports=(PORT,)) as running:
        yield running


@pytest.fixture
def client(gateway: Running) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=gateway.url(PORT)) as found:
        yield found


def told(answer: httpx2.Response) -> tuple[int, str, str]:
    limit, left = (answer.headers[f"x-ratelimit-{name}"] for name in ("limit", "remaining"))
    return answer.status_code, limit, left


def test_a_window_is_exact_and_told(client: httpx2.Client) -> None:
    first, second, third = (client.get("/count") for _ in range(3))
    assert [told(one) for one in (first, second, third)] == [(200, "2", "1"), (200, "2", "0"), (429, "2", "0")]
    assert 1 <= int(third.headers["x-ratelimit-reset"]) <= 60
    assert third.json() == {"error_msg": "too many"}
    assert "x-envoy-ratelimited" not in third.headers


def test_a_sliding_window_lets_one_pass_when_the_last_one_is_old_enough(client: httpx2.Client) -> None:
    assert client.get("/sliding").status_code == 200
    begin = monotonic()
    while client.get("/sliding").status_code == 503:
        assert monotonic() - begin < 10
    assert monotonic() - begin > 0.5


def test_each_value_counts_apart_and_a_request_without_one_for_its_client(client: httpx2.Client) -> None:
    asked = [{"x-user": "ann"}, {"x-user": "bob"}, {"x-user": "ann"}, {}, {}]
    assert [client.get("/users", headers=one).status_code for one in asked] == [200, 200, 503, 200, 503]


def test_a_group_has_one_counter(client: httpx2.Client) -> None:
    assert [client.get(f"/group-{name}").status_code for name in "ab"] == [200, 503]


def test_a_burst_waits_for_its_turn_and_what_is_beyond_is_refused(client: httpx2.Client) -> None:
    def ask(_: int) -> tuple[int, float]:
        begin = monotonic()
        return client.get("/rate").status_code, monotonic() - begin

    with ThreadPoolExecutor(4) as pool:
        found = sorted(pool.map(ask, range(4)))
    assert [status for status, _ in found] == [200, 200, 503, 503]
    assert found[1][1] > 0.15


def test_requests_at_a_time_are_counted_until_they_end(client: httpx2.Client) -> None:
    def hold() -> None:
        begin = monotonic()
        while client.get("/conn", headers={"x-stub-delay": "1s"}).status_code != 200:
            assert monotonic() - begin < 10

    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(hold)
        statuses = []
        while not held.done():
            statuses.append(client.get("/conn").status_code)
        held.result()
    assert {*statuses} >= {503}
    # Every slot was given back: one request after the other passes.
    begin = monotonic()
    while client.get("/conn").status_code != 200:
        assert monotonic() - begin < 5


def test_the_backend_sees_another_request(client: httpx2.Client) -> None:
    seen = client.get("/rewrite/x?a=5", headers={"x-user": "ann", "x-gone": "1"}).json()
    assert (seen["method"], seen["path"], seen["host"]) == ("POST", "/new/5?b=1&a=5", "h.example.com")
    assert seen["headers"]["x-set"] == ["ann at 127.0.0.1"]
    assert seen["headers"]["x-add"] == ["one"]
    assert "x-gone" not in seen["headers"]
    assert client.get("/rewrite").json()["path"] == "/new/?b=1"


@pytest.mark.parametrize(
    ("path", "seen"),
    [("/patterns/a/x?q=1", "/one/x?q=1"), ("/patterns/b/y", "/patterns/two/y"), ("/patterns/c", "/patterns/c")],
)
def test_the_first_pattern_that_is_found_rewrites(client: httpx2.Client, path: str, seen: str) -> None:
    assert client.get(path).json()["path"] == seen


@pytest.mark.parametrize(
    ("method", "path", "status", "location"),
    [
        ("GET", "/redirect?a=1", 307, "/to/1?a=1"),
        ("GET", "/redirect", 307, "/to/"),
        ("GET", "/moved/x?q=1", 301, "http://shop.example.com/new/x"),
        ("GET", "/secure?x=1", 301, "https://shop.example.com:9443/secure?x=1"),
        ("HEAD", "/secure", 301, "https://shop.example.com:9443/secure"),
        ("POST", "/secure", 308, "https://shop.example.com:9443/secure"),
    ],
)
def test_redirects(client: httpx2.Client, method: str, path: str, status: int, location: str) -> None:
    answer = client.request(method, path, headers={"host": "shop.example.com"})
    assert (answer.status_code, answer.headers["location"]) == (status, location)


def test_answers_become_others(client: httpx2.Client) -> None:
    answer = client.get("/respond")
    assert (answer.status_code, answer.text, answer.headers["x-client"]) == (202, "hello", "127.0.0.1")
    assert "x-stub-backend" not in answer.headers
    assert client.get("/failing", headers={"x-stub-status": "503"}).text == "sorry"
    assert client.get("/failing").json()["service"] == "web"
    assert client.get("/filtered").json()["pod"] == "WEB-stub-0"
    echoed = client.get("/echo")
    assert (echoed.text[0], echoed.text[-1], echoed.headers["x-echo"]) == ("<", ">", "1")


def test_faults_for_those_who_match(client: httpx2.Client) -> None:
    first = client.get("/aborted?a=1")
    assert (first.status_code, first.text, first.headers["x-fault"]) == (418, "no 1", "a")
    assert client.get("/aborted", headers={"x-user": "ann"}).status_code == 418
    assert client.get("/aborted", headers={"x-user": "bob"}).status_code == 200
    counted = Counter(client.get("/half").status_code for _ in range(200))
    assert counted.keys() == {200, 418}
    assert 60 < counted[418] < 140
    begin = monotonic()
    assert client.get("/delayed").status_code == 200
    assert monotonic() - begin > 0.28


def test_traffic_is_split(client: httpx2.Client) -> None:
    assert served_by(client.get("/split", headers={"x-version": "2"})) == "other"
    assert served_by(client.get("/split")) == "web"
    counted = Counter(served_by(client.get("/shared")) for _ in range(100))
    assert counted.keys() == {"web", "other"}
    assert 25 < counted["web"] < 75


def test_answers_are_compressed(gateway: Running) -> None:
    with (
        httpx2.Client(base_url=gateway.url(PORT)) as client,
        client.stream("GET", "/gzip", headers={"accept-encoding": "gzip"}) as answer,
    ):
        assert answer.headers["content-encoding"] == "gzip"
        assert b'"web"' in gzip.decompress(b"".join(answer.iter_raw()))


@pytest.mark.parametrize(
    ("path", "header", "form"),
    [
        ("/id", "x-request-id", r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"),
        ("/id7", "x-own-id", r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"),
        ("/nano", "x-request-id", r"[A-Za-z0-9_-]{21}"),
        ("/ksuid", "x-request-id", r"[0-9A-Za-z]{27}"),
        ("/range", "x-request-id", r"[a-f]{8}"),
    ],
)
def test_requests_have_ids(client: httpx2.Client, path: str, header: str, form: str) -> None:
    answers = [client.get(path) for _ in range(20)]
    ids = [answer.headers[header] for answer in answers]
    assert all(re.fullmatch(form, one) for one in ids)
    assert len(set(ids)) == len(ids)
    assert [answer.json()["headers"][header] for answer in answers] == [[one] for one in ids]
    assert client.get(path, headers={header: "mine"}).headers[header] == "mine"


def test_a_failing_path_is_broken_off(client: httpx2.Client) -> None:
    def ask(path: str) -> Any:
        return client.get(path, headers={"x-stub-status": "500"})

    answers = [ask("/broken/one") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [500, 502]
    assert (answers[1].text, answers[1].headers["x-open"]) == ("open", "1")
    assert client.get("/broken/two").status_code == 200
    begin = monotonic()
    while client.get("/broken/one").status_code == 502:
        assert monotonic() - begin < 10
    assert monotonic() - begin > 1
