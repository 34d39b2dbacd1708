"""Each plugin for traffic, limits, rewriting and answers: what its configuration makes of a rule, and what it says."""

from datetime import timedelta
from typing import Any

import pytest

from anygate.compiler import read_sources
from anygate.diagnostics import Report, SourceFile
from anygate.explain.applied import describe_rule
from anygate.model.edit import Redirect, Respond
from anygate.model.limits import LimitRule, LimitSelector
from anygate.model.route import Forward, HttpRule
from anygate.model.text import Text, Variable

TEXT = """
apiVersion: apisix.apache.org/v2
kind: ApisixRoute
metadata: {{name: one}}
spec:
  http:
  - name: one
    match: {{paths: [/one]}}
    backends: [{{serviceName: items, servicePort: 80}}]
    plugins: [{{name: {name}, config: {config}}}]
---
apiVersion: v1
kind: Service
metadata: {{name: items}}
spec: {{ports: [{{port: 80}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: items-1, labels: {{kubernetes.io/service-name: items}}}}
addressType: IPv4
ports: [{{port: 8080}}]
endpoints: [{{addresses: [127.0.0.1]}}]
"""
CLIENT = Variable(kind="client_address")


def read(name: str, config: str) -> tuple[list[HttpRule], Report]:
    report = Report()
    model = read_sources([SourceFile("in.yaml", TEXT.format(name=name, config=config))], report).model
    servers = [server for gate in model.gateways for listener in gate.listeners for server in listener.servers]
    return [rule for server in servers for route in server.routes for rule in route.rules if route.name != ""], report


def rules_of(name: str, config: str) -> list[HttpRule]:
    """The rules that a plugin makes, without a word about its configuration."""
    rules, report = read(name, config)
    assert [one.rule for one in report.diagnostics] == []
    return [rule for rule in rules if rule.name.startswith("one")]


def rule_of(name: str, config: str) -> HttpRule:
    (rule,) = rules_of(name, config)
    return rule


def limit_of(name: str, config: str) -> LimitRule:
    limits = rule_of(name, config).rate_limit
    assert limits is not None
    (limit,) = limits.rules
    return limit


def said_of(name: str, config: str) -> dict[str, str]:
    """What is said about a configuration, by the field that it is said of."""
    _, report = read(name, config)
    return {".".join(map(str, one.path[6:])): one.rule for one in report.diagnostics}


def test_limit_count() -> None:
    limit = limit_of(
        "limit-count", "{count: 5, time_window: 90, rejected_code: 429, rejected_msg: no}".replace("no", '"no"')
    )
    assert (limit.requests, limit.unit, limit.window, limit.fail_closed) == (5, timedelta(seconds=90), "started", True)
    assert limit.selectors == (LimitSelector(distinct_addresses=True),)
    assert limit.answer is not None
    assert (limit.answer.status, limit.answer.body) == (429, '{"error_msg":"no"}\n')
    assert limit.answer.headers == ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")


@pytest.mark.parametrize(
    ("config", "selector"),
    [
        ("key: http_x_user", LimitSelector(distinct_text=Text(parts=(Variable(kind="header", name="x-user"),)))),
        ("key: all, key_type: constant", LimitSelector(distinct_text=Text(parts=("all",)))),
        (
            "key: $remote_addr/$arg_a, key_type: var_combination",
            LimitSelector(distinct_text=Text(parts=(CLIENT, "/", Variable(kind="query", name="a")))),
        ),
    ],
)
def test_whose_counter_it_is(config: str, selector: LimitSelector) -> None:
    assert limit_of("limit-count", f"{{count: 1, time_window: 1, {config}}}").selectors == (selector,)


def test_more_of_limit_count() -> None:
    more = "window_type: sliding, group: g, allow_degradation: true, show_limit_quota_header: false"
    config = f"{{count: 1, time_window: 1, {more}}}"
    limit = limit_of("limit-count", config)
    assert (limit.window, limit.name, limit.fail_closed) == ("sliding", "limit-count g", False)
    assert limit.answer is not None
    assert limit.answer.headers is None
    found = rule_of(
        "limit-count", "{rules: [{count: 1, time_window: 1, key: $http_a}, {count: 2, time_window: 2, key: $http_b}]}"
    )
    assert found.rate_limit is not None
    one, two = found.rate_limit.rules
    assert one.origin != two.origin
    assert one.selectors == (LimitSelector(distinct_headers=("a",)),)
    assert two.answer is not None
    assert two.answer.headers is not None
    assert two.answer.headers[0] == "X-2-RateLimit-Limit"


def test_limit_req_and_limit_conn() -> None:
    limit = limit_of("limit-req", "{rate: 4, burst: 2, key: remote_addr}")
    assert (limit.window, limit.requests, limit.unit, limit.smooth) == ("leaky", 2, timedelta(seconds=0.25), True)
    assert not limit_of("limit-req", "{rate: 4, burst: 2, nodelay: true, key: remote_addr}").smooth
    config = "{conn: 2, burst: 3, default_conn_delay: 0.5, only_use_default_delay: true, key: remote_addr}"
    limit = limit_of("limit-conn", config)
    assert (limit.window, limit.requests, limit.calm, limit.delay) == ("concurrent", 5, 2, timedelta(seconds=0.5))


def test_proxy_rewrite() -> None:
    rule = rule_of(
        "proxy-rewrite", '{uri: "/a/$arg_a?b=1", method: PUT, host: h, headers: {X-A: "${remote_addr}!", X-B: ""}}'
    )
    assert rule.rewrite is not None
    assert rule.rewrite.path is not None
    assert (rule.rewrite.method, rule.rewrite.host, rule.rewrite.query) == ("PUT", "h", "b=1")
    assert rule.rewrite.path.text == Text(parts=("/a/", Variable(kind="query", name="a")))
    assert rule.request_headers is not None
    assert rule.request_headers.set == (("X-A", Text(parts=(CLIENT, "!"))),)
    assert "X-B" in rule.request_headers.remove


def test_pairs_of_patterns_become_rules() -> None:
    rules = rules_of("proxy-rewrite", '{regex_uri: ["^/a(.)", "/x$1", "^/b", "/y"]}')
    paths = [rule.rewrite.path.value if rule.rewrite and rule.rewrite.path else "" for rule in rules]
    assert paths == [r"\1/x\2\3", r"\1/y\2", ""]
    assert [bool(rule.matches[0].headers) for rule in rules] == [True, True, False]


def test_redirect() -> None:
    rule = rule_of("redirect", "{uri: /to, ret_code: 303}")
    assert isinstance(rule.action, Respond)
    assert rule.action.status == 303
    assert rule.response_headers is not None
    assert rule.response_headers.set == (("Location", "/to"),)
    secure = [rule.action for rule in rules_of("redirect", "{http_to_https: true}")]
    assert [one.status for one in secure if isinstance(one, Redirect)] == [301, 301, 308]
    assert isinstance(secure[-1], Forward)
    first, rest = rules_of("redirect", '{regex_uri: ["^/a", "/b"], append_query_string: true}')
    assert isinstance(first.action, Redirect)
    assert (first.action.keep_host, first.action.drop_query) == (True, False)
    assert isinstance(rest.action, Forward)
    (encoded,) = rules_of("redirect", '{uri: "/a b", encode_uri: true}')
    assert encoded.response_headers is not None
    assert encoded.response_headers.set == (("Location", "/a%20b"),)


def test_response_rewrite_and_echo() -> None:
    (edit,) = rule_of("response-rewrite", '{body: AAH/, body_base64: true, vars: [["status", ">=", 500]]}').answers
    assert (edit.body, edit.statuses) == (b"\x00\x01\xff", ((500, 599),))
    (edit,) = rule_of("response-rewrite", '{filters: [{regex: "a\\\\.b", replace: c, scope: global}]}').answers
    assert [(one.find, one.value, one.everywhere) for one in edit.replacements] == [("a.b", "c", True)]
    first, rest = rules_of("response-rewrite", '{status_code: 201, vars: [["arg_a", "==", "1"]]}')
    assert (first.answers[0].status, rest.answers) == (201, ())
    (edit,) = rule_of("echo", "{before_body: a, body: b, after_body: c}").answers
    assert (edit.before, edit.body, edit.after) == (b"a", b"b", b"c")


def test_fault_injection() -> None:
    abort = '{http_status: 500, percentage: 20, vars: [[["arg_a", "==", "1"]]]}'
    config = f"{{delay: {{duration: 0.5, percentage: 10}}, abort: {abort}}}"
    aborted, rest = rules_of("fault-injection", config)
    assert isinstance(aborted.action, Respond)
    assert aborted.matches[0].percent == 20
    for rule in (aborted, rest):
        assert rule.faults is not None
        assert (rule.faults.delay, rule.faults.delay_percent) == (timedelta(seconds=0.5), 10)


def test_traffic_split() -> None:
    upstream = "{type: roundrobin, nodes: {'127.0.0.1:1': 1}}"
    config = f"{{rules: [{{weighted_upstreams: [{{upstream: {upstream}, weight: 3}}, {{weight: 1}}]}}]}}"
    rule = rule_of("traffic-split", config)
    assert isinstance(rule.action, Forward)
    assert [target.weight for target in rule.action.targets] == [3, 1]


def test_proxy_cache() -> None:
    cache = rule_of("proxy-cache", "{}").cache
    assert cache is not None
    assert (cache.strategy, cache.zone, cache.lifetime) == ("disk", "disk_cache_one", timedelta(seconds=10))
    assert [str(part) for part in cache.key] == ["<host>", "<target>"]
    told = [[str(part) for part in parts] for parts in cache.callers]
    assert told == [["<header x-consumer-username>"], ["<header authorization>"]]
    chosen = "cache_strategy: memory, cache_zone: memory_cache, cache_ttl: 5, cache_control: true"
    cache = rule_of("proxy-cache", f"{{{chosen}, cache_key: [ab, $consumer_name], no_cache: [$status]}}").cache
    assert cache is not None
    assert (cache.strategy, cache.lifetime, cache.client_directives) == ("memory", timedelta(seconds=5), True)
    assert (cache.key[0], cache.callers, str(cache.excluded[0])) == ("ab", (), "<status>")


def test_a_cache_is_explained() -> None:
    (said,) = (one for one in describe_rule(rule_of("proxy-cache", "{cache_bypass: [$arg_a]}")) if one.kind == "cache")
    assert said.text == (
        "answers with 200, 301, 404 to GET and HEAD are kept as long as they say, or 10s in disk_cache_one, "
        "found by <host> <target>, never shared by callers, passed by with <query a>"
    )
    assert said.place == "in.yaml:10:15"


def test_the_others() -> None:
    rule = rule_of("gzip", "{types: '*', min_length: 9, comp_level: 3}")
    assert rule.compression is not None
    assert (rule.compression.types, rule.compression.smallest, rule.compression.level) == ((), 9, 3)
    rule = rule_of("api-breaker", "{break_response_code: 502, max_breaker_sec: 9, unhealthy: {failures: 2}}")
    assert rule.breaker is not None
    assert (rule.breaker.status, rule.breaker.longest, rule.breaker.failures) == (502, timedelta(seconds=9), 2)
    rule = rule_of("request-id", "{header_name: X-Id, include_in_response: false, algorithm: nanoid}")
    assert rule.request_id is not None
    assert (rule.request_id.header, rule.request_id.in_response, rule.request_id.form) == ("X-Id", False, "nanoid")
    (mirror,) = rule_of("proxy-mirror", "{host: 'http://127.0.0.1:7002', sample_ratio: 0.25}").mirrors
    assert (mirror.numerator, mirror.denominator) == (1, 4)


@pytest.mark.parametrize(
    ("name", "config", "said"),
    [
        ("limit-count", "{count: 1, time_window: 1, policy: redis}", {"policy": "apisix-not-honoured"}),
        ("limit-count", "{count: 1, time_window: 1, redis_host: a}", {"redis_host": "apisix-not-honoured"}),
        ("limit-count", "{count: 1, time_window: 1, key: pid}", {"key": "apisix-plugin-variable"}),
        ("limit-req", "{rate: 1, burst: 1.5, key: remote_addr}", {"burst": "apisix-not-honoured"}),
        (
            "proxy-rewrite",
            "{use_real_request_uri_unsafe: true}",
            {"use_real_request_uri_unsafe": "apisix-not-honoured"},
        ),
        ("gzip", "{buffers: {number: 1}}", {"buffers": "apisix-not-honoured"}),
    ],
)
def test_what_has_no_effect_is_said(name: str, config: str, said: dict[str, Any]) -> None:
    assert said_of(name, config) == said


@pytest.mark.parametrize(
    ("name", "config", "field"),
    [
        ("limit-count", "{count: $http_a, time_window: 1}", "count"),
        ("proxy-rewrite", '{uri: "/a?b=$arg_b"}', "uri"),
        ("proxy-rewrite", '{regex_uri: ["a", "/$2"]}', "regex_uri.0"),
        ("redirect", '{regex_uri: ["a", "/b"], ret_code: 200}', "ret_code"),
        ("fault-injection", '{abort: {http_status: 500, vars: [["pid", "==", "1"]]}}', "abort.vars"),
        (
            "traffic-split",
            "{rules: [{weighted_upstreams: [{upstream_id: 1}]}]}",
            "rules.0.weighted_upstreams.0.upstream_id",
        ),
        ("gzip", "{types: 5}", "types"),
        ("proxy-cache", "{cache_strategy: memory}", "cache_zone"),
        ("proxy-cache", "{cache_zone: memory_cache}", "cache_zone"),
        ("proxy-cache", "{cache_zone: nowhere}", "cache_zone"),
        ("proxy-cache", "{cache_key: [$host, $cookie_a]}", "cache_key.1"),
        ("proxy-cache", "{cache_key: [$request_method]}", "cache_key.0"),
        ("proxy-cache", "{cache_bypass: [$status]}", "cache_bypass.0"),
        ("proxy-cache", "{no_cache: [$pid]}", "no_cache.0"),
    ],
)
def test_what_cannot_be_had_leaves_the_plugin_out(name: str, config: str, field: str) -> None:
    said = said_of(name, config)
    assert said[field] == "apisix-plugin-config"
    rules, _ = read(name, config)
    assert any(rule.name == "one" and isinstance(rule.action, Forward) for rule in rules)
