"""What becomes of APISIX's objects when they are read together: classes, plugins, secrets, certificates, consumers."""

from textwrap import dedent
from typing import Any

import pytest

from anygate.compiler import Result, Verdict, compile_sources
from anygate.diagnostics import SourceFile
from anygate.dialects.apisix.plugins.assembly import CLOSED
from anygate.model.edit import Respond
from anygate.model.route import Forward, HttpRule

SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: items}
spec: {ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: items-1, labels: {kubernetes.io/service-name: items}}
addressType: IPv4
ports: [{port: 8080}]
endpoints: [{addresses: [127.0.0.1]}]
"""


def route(more: str) -> str:
    return f"""
apiVersion: apisix.apache.org/v2
kind: ApisixRoute
metadata: {{name: items}}
spec:
  http:
  - name: items
    match: {{paths: ["/*"]}}
    backends: [{{serviceName: items, servicePort: 80}}]
    {more}
"""


def compiled(*texts: str) -> Result:
    joined = "\n---\n".join(dedent(text).strip("\n") for text in (SERVICE, *texts))
    return compile_sources([SourceFile("in.yaml", joined)])


def rules(result: Result) -> list[str]:
    return [found.rule for found in result.diagnostics]


def items(result: Result) -> tuple[HttpRule, ...]:
    """The rules of the route in the first table."""
    (gateway,) = result.model.gateways
    return gateway.listeners[0].servers[0].routes[0].rules


def is_closed(rule: HttpRule) -> bool:
    return isinstance(rule.action, Respond) and rule.action.status == CLOSED


@pytest.mark.parametrize(
    ("plugins", "found"),
    [
        ("[{name: nothing-like-it, enable: true}]", "apisix-unknown-plugin"),
        ("[{name: ip-restriction, config: {whitelist: [10.0.0.0/8]}, secretRef: nowhere}]", "apisix-secret"),
        ("[{name: ip-restriction, config: {whitelist: [nonsense]}}]", "invalid-value"),
        ("[{name: ip-restriction, config: {whitelist: [10.0.0.0/8], _meta: {disabled: 1}}}]", "unknown-field"),
        ("[{name: ip-restriction, config: {whitelist: [10.0.0.0/8], _meta: {filter: [[a]]}}}]", "apisix-plugin-config"),
    ],
)
def test_what_guards_a_rule_and_cannot_be_had_closes_it(plugins: str, found: str) -> None:
    result = compiled(route(f"plugins: {plugins}"))
    assert [is_closed(one) for one in items(result)] == [True]
    assert found in rules(result)


@pytest.mark.parametrize(
    "plugins",
    [
        "[{name: nothing-like-it, enable: false}]",
        "[{name: nothing-like-it, config: {_meta: {disable: true}}}]",
        "[{name: gzip, config: {types: 5}}]",
    ],
)
def test_what_does_not_run_or_guards_nothing_closes_nothing(plugins: str) -> None:
    (rule,) = items(compiled(route(f"plugins: {plugins}")))
    assert isinstance(rule.action, Forward)


def test_a_secret_overrules_the_configuration_and_its_values_are_shown_nowhere() -> None:
    secret = """
    apiVersion: v1
    kind: Secret
    metadata: {name: mine}
    stringData: {headers.set.X-Key: very-secret, headers.set.Bad.deep: also-secret}
    """
    plugins = "plugins: [{name: proxy-rewrite, config: {headers: {set: {X-Key: open}}}, secretRef: mine}]"
    result = compiled(secret, route(plugins))
    assert "apisix-plugin-config" in rules(result)
    assert not any("secret" in found.message.replace("the Secret mine", "") for found in result.diagnostics)
    good = compiled(secret.replace(", headers.set.Bad.deep: also-secret", ""), route(plugins))
    (rule,) = items(good)
    assert rule.inject is not None
    assert (rule.inject.header, rule.inject.overwrite) == ("X-Key", True)
    assert "very-secret" not in repr(good.model)


def test_a_credential_in_the_configuration_itself_is_shown_nowhere_either() -> None:
    plain = "headers: {set: {X-Plain: open, Authorization: Bearer very-secret}}"
    result = compiled(route(f"plugins: [{{name: proxy-rewrite, config: {{{plain}}}}}]"))
    (rule,) = items(result)
    assert rule.inject is not None
    assert rule.inject.header == "Authorization"
    assert rule.request_headers is not None
    assert dict(rule.request_headers.set) == {"X-Plain": "open"}
    assert "very-secret" not in repr(result.model)


def test_a_plugin_with_a_filter_runs_for_those_requests_only() -> None:
    meta = '_meta: {filter: [["arg_a", "==", "1"]]}'
    result = compiled(route(f"plugins: [{{name: ip-restriction, config: {{whitelist: [10.0.0.0/8], {meta}}}}}]"))
    guarded, rest = items(result)
    assert guarded.security is not None
    assert rest.security is None
    assert [match.query for match in rest.matches] == [()]
    assert [value.name for match in guarded.matches for value in match.query] == ["a"]
    assert (rest.name, guarded.name) == ("items", "items/0")


def test_the_last_place_that_names_a_plugin_counts_as_a_whole() -> None:
    shared = """
    apiVersion: apisix.apache.org/v2
    kind: ApisixPluginConfig
    metadata: {name: shared}
    spec: {plugins: [{name: proxy-rewrite, config: {headers: {set: {X-A: shared, X-B: shared}}}}]}
    """
    own = "plugins: [{name: proxy-rewrite, config: {headers: {set: {X-A: own}}}}]"
    (rule,) = items(compiled(shared, route(f"plugin_config_name: shared\n    {own}")))
    assert rule.request_headers is not None
    assert dict(rule.request_headers.set) == {"X-A": "own"}
    (rule,) = items(compiled(shared, route("plugin_config_name: shared")))
    assert rule.request_headers is not None
    assert dict(rule.request_headers.set) == {"X-A": "shared", "X-B": "shared"}


def test_a_global_rule_holds_for_what_no_route_takes_too() -> None:
    everywhere = """
    apiVersion: apisix.apache.org/v2
    kind: ApisixGlobalRule
    metadata: {name: all}
    spec: {plugins: [{name: ip-restriction, config: {whitelist: [10.0.0.0/8]}}]}
    """
    (gateway,) = compiled(everywhere, route("")).model.gateways
    found = [one for made in gateway.listeners[0].servers[0].routes for one in made.rules]
    assert len(found) == 2
    assert all(rule.security is not None for rule in found)


def test_an_ignored_object_says_so_and_has_no_status() -> None:
    result = compiled(route("").replace("spec:\n", "spec:\n  ingressClassName: nginx\n"))
    assert rules(result) == ["apisix-class"]
    assert result.model.gateways == ()
    settings = """
    apiVersion: anygate.dev/v1alpha1
    kind: ApisixSettings
    metadata: {name: all}
    spec: {ingressClasses: [nginx]}
    """
    assert rules(compiled(settings, route("").replace("spec:\n", "spec:\n  ingressClassName: nginx\n"))) == []


def test_a_rule_that_cannot_be_asked_for_leaves_the_others_of_its_object() -> None:
    more = """- name: function
    match: {paths: [/f], filter_func: "function() return true end"}
    backends: [{serviceName: items, servicePort: 80}]"""
    result = compiled(route("").rstrip() + "\n  " + more)
    (outcome,) = (one for ref, one in result.outcomes.items() if ref.kind == "ApisixRoute")
    assert outcome.verdict is Verdict.PARTLY
    conditions: Any = outcome.status["conditions"]
    assert [one["type"] for one in conditions] == ["Accepted", "PartiallyInvalid"]
    assert isinstance(items(result)[0].action, Forward)


def test_an_upstream_that_is_not_valid_is_told_from_one_that_is_not_there() -> None:
    upstream = """
    apiVersion: apisix.apache.org/v2
    kind: ApisixUpstream
    metadata: {name: UPSTREAM}
    spec: {externalNodes: [{type: Domain}]}
    """
    rule = route("").replace("backends: [{serviceName: items, servicePort: 80}]", "upstreams: [{name: nodes}]")
    for name, why in (("nodes", "is not valid"), ("others", "does not exist")):
        found = compiled(rule, upstream.replace("UPSTREAM", name)).diagnostics
        assert f"ApisixUpstream default/nodes {why}" in [one.message for one in found]


def test_a_subset_that_nothing_tells_is_named() -> None:
    upstream = """
    apiVersion: apisix.apache.org/v2
    kind: ApisixUpstream
    metadata: {name: items}
    spec: {subsets: [{name: v1, labels: {version: v1}}]}
    """
    rule = route("").replace("servicePort: 80}", "servicePort: 80, subset: v1}")
    (found,) = compiled(rule, upstream).diagnostics
    assert found.rule == "apisix-not-honoured"
    assert found.message.endswith("Pods are not looked at, so all endpoints are used")
