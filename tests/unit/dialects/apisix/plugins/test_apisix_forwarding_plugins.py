"""What forward-auth, redirects to HTTPS, Secrets in plugins and the pages of nginx become in the model."""

from datetime import timedelta

import pytest

from anygate.compiler import Result, compile_sources
from anygate.diagnostics import SourceFile
from anygate.dialects.apisix.plugins.nginx_pages import render_page
from anygate.diff import diff_models
from anygate.explain import explain, parse_request
from anygate.model.edit import Redirect, Respond
from anygate.model.route import Forward, HttpRule
from anygate.model.security import ForwardAuth
from anygate.model.text import SecretValue, Text, Variable
from anygate.model.tls import Opaque

HEAD = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80}]}
---
apiVersion: v1
kind: Secret
metadata: {name: held}
stringData: VALUES
---
apiVersion: anygate.dev/v1alpha1
kind: ApisixSettings
metadata: {name: here}
spec: {trustedAddresses: [TRUSTED]}
---
apiVersion: apisix.apache.org/v2
kind: ApisixRoute
metadata: {name: web}
spec:
  http:
    - name: web
      match: {paths: ["/web"], remoteAddrs: [SOURCES]}
      backends: [{serviceName: web, servicePort: 80}]
      plugins: [PLUGIN]
"""


def compiled(plugin: str, values: str = "{a: b}", trusted: str = "", sources: str = "") -> Result:
    text = HEAD.replace("PLUGIN", plugin).replace("VALUES", values)
    text = text.replace("TRUSTED", trusted).replace(", remoteAddrs: [SOURCES]", sources)
    return compile_sources([SourceFile("in.yaml", text)])


def rules_of(result: Result) -> list[HttpRule]:
    server = result.model.gateways[0].listeners[0].servers[0]
    return [rule for route in server.routes for rule in route.rules if rule.name != "not-found"]


def said(result: Result) -> list[tuple[str, str]]:
    return [(one.rule, str(one.path[-1])) for one in result.diagnostics if one.path]


def asked(config: str) -> tuple[ForwardAuth, Result]:
    result = compiled(f"{{name: forward-auth, config: {{uri: 'https://auth.test/check?a=b', {config}}}}}")
    (rule,) = rules_of(result)
    assert rule.security is not None
    assert rule.security.forward_auth is not None
    return rule.security.forward_auth, result


def test_forward_auth_asks_and_tells_as_apisix_does() -> None:
    auth, result = asked("")
    assert said(result) == []
    assert (auth.url, auth.method, auth.timeout) == ("https://auth.test/check?a=b", "GET", timedelta(seconds=3))
    assert (auth.failure.status, auth.fail_open, auth.host_header) == (403, False, "X-Forwarded-Host")
    assert [name for name, _ in auth.told] == [f"X-Forwarded-{one}" for one in ("Proto", "Method", "Uri", "For")]
    (backend,) = (one for one in result.model.backends if one.name == auth.backend)
    assert backend.tls is not None
    assert (backend.tls.sni, backend.tls.system_authorities) == ("auth.test", True)


def test_forward_auth_may_be_told_otherwise() -> None:
    auth, result = asked(
        "ssl_verify: false, request_method: POST, request_headers: [X-A], upstream_headers: [X-B], client_headers: "
        "[X-C], timeout: 50, allow_degradation: true, status_on_error: 401, "
        "extra_headers: {X-Forwarded-Uri: '/of/$http_x_user'}"
    )
    assert said(result) == []
    assert (auth.method, auth.timeout, auth.fail_open) == ("POST", timedelta(milliseconds=50), True)
    assert (auth.headers, auth.headers_to_backend, auth.headers_to_client) == (("X-A",), ("X-B",), ("X-C",))
    assert auth.failure.body == render_page(401)
    text = Text(parts=("/of/", Variable(kind="header", name="x-user")))
    assert dict(auth.told)["X-Forwarded-Uri"] == text
    assert len(auth.told) == 4
    (backend,) = (one for one in result.model.backends if one.name == auth.backend)
    assert backend.tls is not None
    assert backend.tls.insecure


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ("uri: 'ftp://auth.test'", "no http or https URL"),
        ("uri: 'http://auth.test', consumer_header: X-Consumer", "which consumer calls"),
        ("request_method: GET", "uri"),
        ("uri: 'http://auth.test', timeout: 0", "expected at least 1"),
        ("uri: 'http://auth.test', who: me", "who"),
    ],
)
def test_a_route_is_closed_where_the_service_cannot_be_asked(config: str, field: str) -> None:
    result = compiled(f"{{name: forward-auth, config: {{{config}}}}}")
    (rule,) = rules_of(result)
    assert isinstance(rule.action, Respond)
    assert rule.action.status == 503
    assert any(field in one.message for one in result.diagnostics)


def test_connections_to_the_service_are_kept_as_envoy_does() -> None:
    _, result = asked("keepalive: false, keepalive_pool: 2")
    assert said(result) == [("apisix-not-honoured", "keepalive"), ("apisix-not-honoured", "keepalive_pool")]


def test_an_explanation_names_the_service() -> None:
    result = asked("allow_degradation: true")[1]
    applied = explain(result.model, parse_request("http://a.test:9080/web")).applied
    texts = [one.text for one in applied if one.kind == "forward auth"]
    assert texts == ["GET https://auth.test/check?a=b decides, passes when that fails"]


def test_proxies_are_believed_from_where_the_route_takes_requests_anyway() -> None:
    plugin = "{name: redirect, config: {http_to_https: true}}"
    rules = rules_of(compiled(plugin, trusted="10.0.0.0/8, '::1'", sources=", remoteAddrs: [10.1.0.0/16, 192.0.2.1]"))
    assert [rule.name.rpartition("/")[2] for rule in rules[:-1]] == [str(at) for at in range(7)]
    assert rules[0].matches[0].source_cidrs == ("10.1.0.0/16",)
    assert isinstance(rules[0].action, Forward)
    assert all(isinstance(rule.action, Redirect) for rule in rules[1:7])
    assert rules[-1].matches[0].source_cidrs == ("10.1.0.0/16", "192.0.2.1")
    apart = rules_of(compiled(plugin, trusted="10.0.0.0/8", sources=", remoteAddrs: [192.0.2.1]"))
    assert len(apart) == 4


def test_an_explanation_of_a_redirect_says_that_it_depends_on_who_asks() -> None:
    model = compiled("{name: redirect, config: {http_to_https: true}}", trusted="10.0.0.0/8").model
    url = "http://a.test:9080/web"
    told = explain(model, parse_request(url, headers=("x-forwarded-proto: https",)))
    assert any("a connection from 10.0.0.0/8 cannot be evaluated here" in note for note in told.notes)
    plain = explain(model, parse_request(url))
    assert plain.decision.status == 301
    assert not any("connection" in note for note in plain.notes)


def test_every_header_of_a_secret_is_one_of_the_model() -> None:
    values = '{headers.set.X-A: "one $http_x_user", headers.set.X-B: two, headers.add.X-C: three}'
    result = compiled("{name: proxy-rewrite, config: {headers: {set: {X-D: open}}}, secretRef: held}", values)
    assert said(result) == []
    (rule,) = rules_of(result)
    assert rule.request_headers is not None
    assert rule.inject is not None
    held = {one.name: one.value.reveal() for one in result.model.secrets if isinstance(one, Opaque)}
    assert (rule.inject.header, held[rule.inject.secret]) == ("X-B", b"two")
    assert dict(rule.request_headers.set)["X-D"] == "open"
    first = dict(rule.request_headers.set)["X-A"]
    assert isinstance(first, Text)
    assert [held[part.secret] for part in first.parts if isinstance(part, SecretValue)] == [b"one "]
    ((_, added),) = rule.request_headers.add
    assert isinstance(added, Text)
    assert [held[name] for name in added.secrets] == [b"three"]


@pytest.mark.parametrize(
    ("plugin", "values", "shown"),
    [
        ("response-rewrite", "{body: open-sesame}", ["secretRef"]),
        ("echo", "{body: open-sesame, headers.X-A: hidden-word}", ["secretRef"]),
        ("forward-auth", "{uri: 'http://auth.test/?key=hidden-word'}", ["secretRef"]),
        ("fault-injection", "{abort.body: hidden-word, abort.headers.X-A: hidden-word}", []),
        ("redirect", "{uri: /hidden-word}", []),
    ],
)
def test_what_of_a_secret_stands_open_is_named(plugin: str, values: str, shown: list[str]) -> None:
    config = "{abort: {http_status: 418}}" if plugin == "fault-injection" else "{}"
    result = compiled(f"{{name: {plugin}, config: {config}, secretRef: held}}", values)
    assert said(result) == [("apisix-secret-shown", one) for one in shown]
    assert "hidden-word" not in repr(list(result.diagnostics))


def test_a_secret_that_is_another_one_is_told_and_not_shown() -> None:
    plugin = "{name: proxy-rewrite, config: {}, secretRef: held}"
    values = (
        "{headers.set.X-A: hidden-a, headers.set.X-B: hidden-b}",
        "{headers.set.X-A: hidden-a, headers.set.X-B: c}",
    )
    first, second = (compiled(plugin, one).model for one in values)
    assert not diff_models(first, first)
    found = diff_models(first, second)
    assert [aspect.name for one in found.entries for aspect in one.aspects] == ["hidden headers x-b of the request"]
    assert "hidden-" not in repr(found)


def test_pages_are_those_of_nginx() -> None:
    page = render_page(503)
    assert page.startswith("<html>\r\n<head><title>503 Service Temporarily Unavailable</title></head>\r\n<body>\r\n")
    assert page.endswith('<a href="https://apisix.apache.org/">APISIX</a>.</em></p></body>\r\n</html>\r\n')
    assert "429 Too Many Requests" in render_page(429)
    assert render_page(200) == ""
    assert render_page(418) == ""
