"""Conditions of ApisixRoutes on the real Envoy: what stands in bodies, and what becomes of what cannot be asked for."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from running import Running, run_manifests, served_by, services
from test_apisix_routes import route, rule

PORT = 9080
JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}


def body(name: str, op: str, wanted: str) -> str:
    return f"subject: {{scope: Body, name: {name!r}}}, op: {op}, {wanted}"


def asking(path: str, *exprs: str, more: str = "") -> str:
    return f'paths: ["{path}"], exprs: [{", ".join("{" + one + "}" for one in exprs)}]{more}'


CONSUMER = """
apiVersion: apisix.apache.org/v2
kind: ApisixConsumer
metadata: {name: ann}
spec: {authParameter: {keyAuth: {value: {key: key-of-ann}}}}
---
apiVersion: apisix.apache.org/v2
kind: ApisixConsumer
metadata: {name: eve}
spec:
  authParameter: {keyAuth: {value: {key: key-of-eve}}}
  plugins: [{name: ip-restriction, enable: true, config: {blacklist: [127.0.0.0/8]}}]
"""
KEYS = ", priority: 5, plugins: [{name: key-auth, enable: true}]"
AWAY = ', priority: 6, plugins: [{name: ip-restriction, config: {blacklist: ["0.0.0.0/0"]}}]'
SPLIT = (
    ", plugins: [{name: traffic-split, config: {rules: [{match: [{vars: [%s]}],"
    " weighted_upstreams: [{upstream: {nodes: {'other.default.svc:80': 1}}}]}]}}]"
)
BODIES = route(
    "bodies",
    rule("wide", 'paths: ["/*"]', "wide"),
    rule("equal", asking("/equal", body("user.plan", "Equal", "value: pro")), "equal"),
    rule("guarded", asking("/guarded*", body("plan", "Equal", "value: pro")), "guarded", KEYS),
    rule("away", asking("/guarded*", body("plan", "Equal", "value: bad")), "guarded", AWAY),
    rule("open", "paths: [/guarded*]", "open"),
    rule("not-equal", asking("/not-equal", body("plan", "NotEqual", "value: pro")), "negative"),
    rule("not-in", asking("/not-in", body("plan", "NotIn", "set: [a, b]")), "negative"),
    rule("number", asking("/number", body("count", "GreaterThan", "value: '10'")), "number"),
    rule("regex", asking("/regex", body("name", "RegexMatchCaseInsensitive", "value: ^ab")), "regex"),
    rule("list", asking("/list", body("items[1].name", "In", "set: [x, z]")), "list"),
    rule("any", asking("/any", body("items[*].name", "Equal", "value: x")), "any"),
    rule("post", asking("/post", body("a", "NotEqual", "value: x"), more=", methods: [POST]"), "post"),
    rule("split", "paths: [/split]", "main", SPLIT % "[post_arg.tags, has, x]"),
    rule("old", "paths: [/old]", "main", SPLIT % "[post_arg_kind, '==', b]"),
)
NAMES = ("wide", "equal", "guarded", "open", "negative", "number", "regex", "list", "any", "post", "main", "other")


@pytest.fixture(scope="module")
def bodies() -> Iterator[Running]:
    with run_manifests(BODIES, CONSUMER, services(*NAMES), ports=(PORT,)) as running:
        yield running


def send(running: Running, path: str, content: str | bytes, headers: dict[str, str]) -> str:
    answer = httpx2.post(running.url(PORT) + path, content=content, headers={"host": "any.test", **headers})
    return served_by(answer)


def send_json(running: Running, path: str, value: Any, **headers: str) -> str:
    return send(running, path, json.dumps(value), {**JSON, **headers})


@pytest.mark.parametrize(
    ("path", "value", "found"),
    [
        ("/equal", {"user": {"plan": "pro"}}, "equal"),
        ("/equal", {"user": {"plan": "free"}}, "wide"),
        ("/equal", {"user.plan": "pro"}, "wide"),
        ("/equal", {"user": "pro"}, "wide"),
        ("/equal", ["pro"], "wide"),
        ("/not-equal", {"plan": "free"}, "negative"),
        ("/not-equal", {}, "negative"),
        ("/not-equal", {"plan": "pro"}, "wide"),
        ("/not-in", {"plan": "c"}, "negative"),
        ("/not-in", {"plan": "b"}, "wide"),
        ("/number", {"count": 11}, "number"),
        ("/number", {"count": "11.5"}, "number"),
        ("/number", {"count": 10}, "wide"),
        ("/number", {"count": None}, "wide"),
        ("/regex", {"name": "xABc"}, "wide"),
        ("/regex", {"name": "ABc\nd\u00e9"}, "regex"),
        ("/list", {"items": [{"name": "a"}, {"name": "z"}]}, "list"),
        ("/list", {"items": [{"name": "z"}, {"name": "a"}]}, "wide"),
        ("/any", {"items": [{"name": "a"}, 5, {"name": "x"}]}, "any"),
        ("/any", {"items": [{"name": "a"}]}, "wide"),
        ("/split", {"tags": ["a", "x"]}, "other"),
        ("/split", {"tags": "x"}, "main"),
        ("/old", {"kind": "b"}, "main"),
    ],
)
def test_members_of_json_decide(bodies: Running, path: str, value: Any, found: str) -> None:
    assert send_json(bodies, path, value) == found


def test_fields_of_forms_decide(bodies: Running) -> None:
    assert send(bodies, "/number", "a=b&count=1%31", FORM) == "number"
    assert send(bodies, "/number", "count=9&count=99", FORM) == "wide"
    assert send(bodies, "/old", "kind=b", FORM) == "other"
    for value, found in (("99", "number"), ("9", "wide")):
        answer = httpx2.post(bodies.url(PORT) + "/number", files={"count": (None, value), "f": ("f.txt", "99")})
        assert served_by(answer) == found


def test_a_body_that_cannot_be_looked_at_has_nothing(bodies: Running) -> None:
    plain = '{"user":{"plan":"pro"}}'
    assert send(bodies, "/equal", plain, {"content-type": "text/plain"}) == "wide"
    assert send(bodies, "/equal", plain + "}", JSON) == "wide"
    assert send(bodies, "/equal", '{"user":', JSON) == "wide"
    assert send_json(bodies, "/equal", {"user": {"plan": "pro"}, "long": "x" * 900_000}) == "equal"
    pieces = iter([b'{"user":', b'{"plan":"pro"}}'])
    answer = httpx2.post(bodies.url(PORT) + "/equal", content=pieces, headers={"host": "any.test", **JSON})
    assert served_by(answer) == "equal"
    assert send(bodies, "/not-equal", "", {}) == "negative"
    answer = httpx2.get(bodies.url(PORT) + "/not-equal", headers={"host": "any.test"})
    assert served_by(answer) == "negative"
    answer = httpx2.get(bodies.url(PORT) + "/post", headers={"host": "any.test"})
    assert served_by(answer) == "wide"


def test_the_guards_are_those_of_the_rule_that_is_chosen_at_last(bodies: Running) -> None:
    assert send_json(bodies, "/guarded", {"plan": "pro"}) == "401"
    assert send_json(bodies, "/guarded", {"plan": "pro"}, apikey="wrong") == "401"
    assert send_json(bodies, "/guarded", {"plan": "pro"}, apikey="key-of-ann") == "guarded"
    assert send_json(bodies, "/guarded", {"plan": "pro"}, apikey="key-of-eve") == "403"
    assert send_json(bodies, "/guarded", {"plan": "bad"}, apikey="key-of-ann") == "403"
    assert send_json(bodies, "/guarded", {"plan": "free"}) == "open"
    assert send(bodies, "/guarded", "", {}) == "open"


CHATS = """
apiVersion: apisix.apache.org/v2
kind: ApisixRoute
metadata: {name: chats}
spec:
  http:
  - name: big
    priority: 1
    match: {paths: [/v1/chat/completions], exprs: [{subject: {scope: Body, name: model}, op: RegexMatch, value: ^big}]}
    plugins:
    - {name: key-auth, enable: true}
    - {name: ai-proxy, enable: true, config: {provider: openai, auth: {header: {Authorization: Bearer x}}}}
  - name: small
    match: {paths: [/v1/chat/completions]}
    plugins: [{name: ai-proxy, enable: true, config: {provider: deepseek, auth: {header: {Authorization: Bearer x}}}}]
"""


def test_what_stands_in_a_chat_chooses_between_models() -> None:
    def send_chat(model: str, **headers: str) -> str:
        chat = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
        answer = httpx2.post(running.url(PORT) + "/v1/chat/completions", json=chat, headers=headers)
        return answer.headers.get("x-stub-backend", str(answer.status_code))

    with run_manifests(CHATS, CONSUMER.partition("---")[0], ports=(PORT,)) as running:
        assert send_chat("big-1") == "401"
        assert send_chat("big-1", apikey="key-of-ann") == "api.openai.com.default"
        assert send_chat("small") == "api.deepseek.com.default"


CLOSED = route(
    "closed",
    rule("wide", 'paths: ["/*"]', "wide"),
    rule(
        "ahead",
        'hosts: [a.test], paths: ["/x*"], exprs: [{subject: {scope: Header, name: x-a}, op: Equal, value: b},'
        " {subject: {scope: Path}, op: RegexMatch, value: 'a(?!b)'}]",
        "wide",
    ),
    rule("function", 'hosts: [b.test], paths: ["/x*"], filter_func: "return true"', "wide"),
    rule(
        "variable", "paths: [/variable], exprs: [{subject: {scope: Variable, name: nope}, op: Equal, value: b}]", "wide"
    ),
    rule("split", "paths: [/split]", "wide", SPLIT % "[arg_a, '==', '1'], [nope, '==', b]"),
    rule(
        "abort",
        "paths: [/abort]",
        "wide",
        ", plugins: [{name: fault-injection, config: {abort: {http_status: 418, vars: [[[nope, '==', b]]]}}}]",
    ),
)
UNREAD = route(
    "unread",
    rule("network", 'hosts: [c.test], paths: ["/y*"], remoteAddrs: [nonsense]', "wide"),
    rule("path", "hosts: [c.test], paths: [z], methods: [GET]", "wide"),
    rule("nothing", "paths: [z]", "wide"),
)
INGRESS = """
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: unread, annotations: {k8s.apisix.apache.org/use-regex: "true"}}
spec:
  rules:
  - host: e.test
    http: {paths: [{path: "/api/(?!v1)", pathType: ImplementationSpecific, backend: {service: {name: wide}}}]}
  - host: d.test
    http: {paths: [{path: /i, pathType: Prefix, backend: {service: {name: wide}}}]}
"""


@pytest.fixture(scope="module")
def closed() -> Iterator[Running]:
    with run_manifests(CLOSED, UNREAD, INGRESS, services("wide", "other"), ports=(PORT,)) as running:
        yield running


@pytest.mark.parametrize(
    ("host", "path", "found"),
    [
        ("a.test", "/x1", "wide"),
        ("e.test", "/api/v2", "503"),
        ("e.test", "/other", "wide"),
        ("b.test", "/x1", "503"),
        ("b.test", "/y1", "wide"),
        ("any.test", "/variable", "503"),
        ("any.test", "/split?a=1", "503"),
        ("any.test", "/split?a=2", "wide"),
        ("any.test", "/abort", "503"),
        ("c.test", "/y1", "503"),
        ("c.test", "/other", "503"),
        ("d.test", "/i/j", "503"),
        ("d.test", "/ij", "wide"),
        ("any.test", "/z", "wide"),
    ],
)
def test_what_a_rule_may_be_meant_for_is_left_to_no_wider_one(
    closed: Running, host: str, path: str, found: str
) -> None:
    assert served_by(httpx2.get(closed.url(PORT) + path, headers={"host": host})) == found


def test_conditions_that_can_be_read_still_narrow_a_closed_rule(closed: Running) -> None:
    answer = httpx2.get(closed.url(PORT) + "/xa", headers={"host": "a.test", "x-a": "b"})
    assert answer.status_code == 503
    answer = httpx2.post(closed.url(PORT) + "/other", headers={"host": "c.test"})
    assert served_by(answer) == "wide"
