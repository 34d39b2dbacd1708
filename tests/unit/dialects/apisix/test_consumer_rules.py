"""What consumers with plugins of their own become: rules on a stage, and what lets go of their requests."""

from zlib import crc32

import pytest

from anygate.compiler import Result, compile_sources
from anygate.diagnostics import SourceFile
from anygate.model.edit import Respond
from anygate.model.route import Continue, Forward, HttpRule

SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80}]}
"""
IPS = "{name: ip-restriction, config: {whitelist: [10.0.0.1]}}"
MODELS = "{name: ai-proxy, config: {provider: openai, auth: {header: {Authorization: Bearer secret}}}}"
KEY = "{name: key-auth, config: {}}"
HEADERS = "{name: response-rewrite, config: {headers: {set: {X-A: '$server_port $remote_addr'}}}}"


def consumer(name: str, *plugins: str, credential: str = "") -> str:
    known = credential or f"keyAuth: {{value: {{key: key-of-{name}}}}}"
    return f"""
---
apiVersion: apisix.apache.org/v2
kind: ApisixConsumer
metadata: {{name: {name}}}
spec: {{authParameter: {{{known}}}, plugins: [{", ".join(plugins)}]}}
"""


def route(*plugins: str, name: str = "web") -> str:
    return f"""
---
apiVersion: apisix.apache.org/v2
kind: ApisixRoute
metadata: {{name: {name}}}
spec:
  http:
    - name: {name}
      match: {{paths: ["/{name}/*"], hosts: [{name}.test]}}
      backends: [{{serviceName: web, servicePort: 80}}]
      plugins: [{", ".join(plugins)}]
"""


def compiled(*parts: str) -> Result:
    return compile_sources([SourceFile("in.yaml", SERVICE + "".join(parts))])


def rules_of(result: Result) -> dict[str, HttpRule]:
    """The rules of the listener by name."""
    server = result.model.gateways[0].listeners[0].servers[0]
    return {rule.name: rule for one in server.routes for rule in one.rules}


def handed_over(result: Result) -> dict[str, list[HttpRule]]:
    """The rules of the stage by the value of the mark that they ask for."""
    found: dict[str, list[HttpRule]] = {}
    for stage in result.model.gateways[0].stages:
        for rule in (rule for one in stage.routes for rule in one.rules):
            (value,) = {next(one.value for one in match.headers) for match in rule.matches}
            found.setdefault(value, []).append(rule)
    return found


def ids(result: Result) -> list[str]:
    return [one.rule for one in result.diagnostics if one.rule != "apisix-no-endpoints"]


@pytest.mark.parametrize(
    "texts",
    [
        (route(KEY), consumer("ann")),
        (route(KEY), consumer("ann", "{name: limit-count, config: {count: 1, time_window: 60}}")),
        (route(), consumer("ann", IPS)),
        (route("{name: basic-auth, config: {}}"), consumer("ann", IPS)),
    ],
    ids=["no plugins", "limits", "nobody is asked who it is", "asked in another way"],
)
def test_a_rule_that_no_consumer_changes_stays_as_it_is(texts: tuple[str, ...]) -> None:
    result = compiled(*texts)
    assert result.model.gateways[0].stages == ()
    assert "consumers" not in rules_of(result)
    security = rules_of(result)["web"].security
    assert security is None or security.handover is None


def test_requests_of_a_consumer_go_on_to_a_rule_of_its_own() -> None:
    result = compiled(route(KEY), consumer("ann", IPS), consumer("bob"))
    assert ids(result) == []
    rules = rules_of(result)
    security = rules["web"].security
    assert security is not None
    assert security.handover is not None
    assert security.handover.rules == (("default_ann", "default/web/web/default_ann"),)
    passage = rules["consumers"]
    assert isinstance(passage.action, Continue)
    assert [one.kind for match in passage.matches for one in match.headers] == ["present"]
    (own,) = handed_over(result)["default/web/web/default_ann"]
    assert isinstance(own.action, Forward)
    assert own.security is not None
    assert own.security.api_key is None
    assert own.security.authorization is not None
    assert [row.name for row in own.security.authorization.rules] == ["ip-restriction"]


def test_a_rule_refuses_whom_it_should_have_let_go_of() -> None:
    result = compiled(route(KEY), consumer("ann", IPS))
    rule = rules_of(result)["web"]
    assert rule.security is not None
    assert rule.security.authorization is not None
    first = rule.security.authorization.rules[0]
    assert not first.allow
    assert first.principal.headers == (("x-consumer-username", ("default_ann",)),)
    assert [one.status for one in rule.wordings if one.rule == first.name] == [503]


def test_a_plugin_takes_the_place_of_the_routes_as_a_whole() -> None:
    theirs = "{name: response-rewrite, config: {status_code: 202, headers: {set: {X-B: b}}}}"
    result = compiled(route(KEY, theirs, "{name: gzip, config: {}}"), consumer("ann", HEADERS))
    (own,) = handed_over(result)["default/web/web/default_ann"]
    assert own.answers == ()
    assert own.response_headers is not None
    assert [name for name, _ in own.response_headers.set] == ["X-A"]
    assert own.compression is not None


def test_the_port_that_a_plugin_names_is_the_clients() -> None:
    result = compiled(route(KEY), consumer("ann", HEADERS))
    (own,) = handed_over(result)["default/web/web/default_ann"]
    assert own.response_headers is not None
    ((_, value),) = own.response_headers.set
    assert [(one.kind, one.name) for one in value.variables] == [("header", "x-forwarded-port"), ("client_address", "")]  # type: ignore[union-attr]


def test_what_nothing_tells_is_said() -> None:
    own = HEADERS.replace("$remote_addr", "$remote_port")
    assert ids(compiled(route(KEY), consumer("ann", own))) == ["apisix-plugin-variable"]
    assert ids(compiled(route(KEY, own), consumer("ann"))) == []


def test_what_has_run_before_is_left_to_the_route() -> None:
    theirs = "{name: client-control, config: {max_body_size: 5}}"
    own = "{name: client-control, config: {max_body_size: 50}}"
    result = compiled(route(KEY, theirs), consumer("ann", own), route(KEY, name="other"))
    assert ids(result) == ["apisix-consumer-plugin-late"]
    assert rules_of(result)["web"].request_buffer == 5
    assert list(handed_over(result)) == ["default/other/other/default_ann"]
    ((rule,),) = handed_over(result).values()
    assert rule.request_buffer == 50


def test_global_rules_hold_for_consumers_once() -> None:
    everywhere = """
---
apiVersion: apisix.apache.org/v2
kind: ApisixGlobalRule
metadata: {name: all}
spec:
  plugins:
  - {name: limit-count, config: {count: 5, time_window: 60}}
  - {name: fault-injection, config: {delay: {duration: 1}}}
"""
    counted = "{name: limit-count, config: {count: 9, time_window: 60}}"
    result = compiled(route(KEY), consumer("ann", IPS, counted), everywhere)
    (own,) = handed_over(result)["default/web/web/default_ann"]
    assert own.faults is None
    assert own.rate_limit is not None
    assert [(one.requests, one.shared) for one in own.rate_limit.rules] == [(5, True), (9, True)]
    passage = rules_of(result)["consumers"]
    assert (passage.rate_limit, passage.security) == (None, None)


@pytest.mark.parametrize(
    "plugin",
    ["{name: nonsense, config: {}}", "{name: ip-restriction, config: {whitelist: [nonsense]}}"],
)
def test_a_plugin_that_cannot_be_had_closes_the_rule_of_its_consumer(plugin: str) -> None:
    result = compiled(route(KEY), consumer("ann", plugin), consumer("bob"))
    ((own,),) = handed_over(result).values()
    assert isinstance(own.action, Respond)
    assert own.action.status == 503
    assert isinstance(rules_of(result)["web"].action, Forward)
    assert any(one.severity.name == "ERROR" and str(one.object).endswith("ann") for one in result.diagnostics)


def test_a_plugin_that_is_never_used_is_checked_too() -> None:
    assert "apisix-unknown-plugin" in ids(compiled(route(), consumer("ann", "{name: nonsense, config: {}}")))


def test_rules_for_models_keep_consumers_with_plugins_out() -> None:
    result = compiled(route(KEY, MODELS).replace("/web/*", "/v1/*"), consumer("ann", IPS))
    assert "apisix-consumer-plugin" in ids(result)
    assert result.model.gateways[0].stages == ()
    asked = [rule for rule in rules_of(result).values() if rule.inference]
    for rule in asked:
        assert rule.security is not None
        assert rule.security.authorization is not None
        assert rule.security.authorization.rules[0].principal.headers[0][1] == ("default_ann",)
    assert asked


def test_tokens_of_a_consumer_are_counted_where_models_are_asked() -> None:
    tokens = "{name: ai-rate-limiting, config: {limit: 9, time_window: 60}}"
    models = route(KEY, MODELS).replace("/web/*", "/v1/*")
    result = compiled(models, route(KEY, name="plain"), consumer("ann", tokens))
    assert ids(result) == []
    assert result.model.gateways[0].stages == ()
    rules = rules_of(result)
    assert rules["plain"].rate_limit is None
    (limit,) = next(rule.rate_limit.rules for rule in rules.values() if rule.inference and rule.rate_limit)
    (asked,) = limit.selectors[-1].headers
    assert (asked.name, asked.value, limit.requests, limit.shared) == ("x-consumer-username", "default_ann", 9, True)


def test_a_consumer_is_known_by_each_of_its_credentials() -> None:
    basic = "basicAuth: {value: {username: ann, password: pass}}"
    keyed = "{name: key-auth, config: {key: key-of-ann}}"
    text = consumer("ann", keyed, IPS, credential=basic)
    result = compiled(text, route(KEY), route("{name: basic-auth, config: {hide_credentials: true}}", name="basic"))
    assert sorted(handed_over(result)) == ["default/basic/basic/default_ann", "default/web/web/default_ann"]
    (own,) = handed_over(result)["default/basic/basic/default_ann"]
    assert own.request_headers is not None
    assert {"authorization", "x-anygate-rule"} <= set(own.request_headers.remove)


def restricted(fields: str) -> list[tuple[str, tuple[str, ...]]]:
    """The denials of a rule called `web` whose consumer is restricted so."""
    result = compiled(route(KEY), consumer("ann", f"{{name: consumer-restriction, config: {{{fields}}}}}"))
    ((own,),) = handed_over(result).values()
    rows = own.security.authorization.rules if own.security and own.security.authorization else ()
    return [(row.name, row.methods) for row in rows]


ROUTE, SERVICE_ID = (f"{crc32(name):x}" for name in (b"default_web_web", b"default_web_0"))
DENIED = [("consumer-restriction", ())]


@pytest.mark.parametrize(
    ("fields", "rows"),
    [
        (f"type: route_id, whitelist: ['{ROUTE}']", []),
        ("type: route_id, whitelist: [default_web_web]", []),
        ("type: route_id, whitelist: [another]", DENIED),
        (f"type: route_id, blacklist: ['{ROUTE}']", DENIED),
        ("type: route_id, blacklist: [another]", []),
        (f"type: service_id, whitelist: ['{SERVICE_ID}']", []),
        ("type: service_id, blacklist: [default_web_0]", DENIED),
        ("type: service_id, whitelist: [default_web_1]", DENIED),
        (
            "type: route_id, allowed_by_methods: [{user: default_web_web, methods: [GET]}]",
            [("consumer-restriction", ("GET",))],
        ),
        ("type: route_id, allowed_by_methods: [{user: another, methods: [GET]}]", []),
        ("type: consumer_group_id, blacklist: [a]", [("consumer-restriction/unknown", ())]),
    ],
)
def test_what_a_consumer_may_use_is_known_beforehand(fields: str, rows: list[tuple[str, tuple[str, ...]]]) -> None:
    assert restricted(fields) == rows
