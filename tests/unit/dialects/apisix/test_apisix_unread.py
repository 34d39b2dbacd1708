"""What is not valid is closed, as far as it can be told what it is for, and nothing else is."""

import re
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anygate.compiler import Result, compile_sources
from anygate.diagnostics import SourceFile
from anygate.dialects.apisix.expressions import Asked, Conditions, join_conditions, read_asked
from anygate.dialects.apisix.networks import exclude_networks, intersect_networks
from anygate.explain import explain
from anygate.explain.request import parse_request
from anygate.model.match import ValueMatch

HEAD = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80}]}
---
apiVersion: v1
kind: Endpoints
metadata: {name: web}
subsets: [{addresses: [{ip: 127.0.0.1}], ports: [{port: 8080}]}]
---
apiVersion: apisix.apache.org/v2
kind: ApisixRoute
metadata: {name: wide}
spec:
  http:
  - name: wide
    match: {paths: ["/*"]}
    backends: [{serviceName: web, servicePort: 80}]
"""
NETWORKS = st.lists(
    st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)).map(lambda pair: str(ip_network(pair, strict=False))),
    max_size=4,
)


def compiled(kind: str, spec: str) -> Result:
    text = f"---\napiVersion: apisix.apache.org/v2\nkind: {kind}\nmetadata: {{name: web}}\nspec: {spec}\n"
    return compile_sources([SourceFile("in.yaml", HEAD + text)])


def status(result: Result, url: str, method: str = "GET") -> int | None:
    assert any(found.severity.value == "error" for found in result.diagnostics)
    return explain(result.model, parse_request(f"http://{url}", method=method)).decision.status


def rule(match: str) -> str:
    return f"{{http: [{{name: a, match: {match}, backends: [{{serviceName: web, servicePort: 80}}]}}]}}"


@pytest.mark.parametrize(
    ("match", "closed", "served"),
    [
        ("{paths: ['/a*'], methods: [get]}", "any.test:9080/ab", "any.test:9080/b"),
        ("{paths: ['/a*'], hosts: [a.test, 'b_b']}", "a.test:9080/a", "b_b:9080/a"),
        ("{paths: ['/a*'], hosts: A.test}", "a.test:9080/a", "b.test:9080/a"),
        ("{paths: [a], hosts: [a.test]}", "a.test:9080/any", "b.test:9080/a"),
        ("{paths: ['/a'], what: 5}", "any.test:9080/a", "any.test:9080/b"),
        (
            "{paths: ['/a'], exprs: [{subject: {scope: Query, name: q}, op: Equal, value: x}, {}]}",
            "a:9080/a?q=x",
            "a:9080/a",
        ),
    ],
)
def test_a_rule_that_is_not_valid_answers_what_it_may_be_meant_for(match: str, closed: str, served: str) -> None:
    result = compiled("ApisixRoute", rule(match))
    assert status(result, closed) == 503
    assert status(result, served) is None


@pytest.mark.parametrize("match", ["{paths: [a]}", "{hosts: ['a_b'], paths: ['/*']}", "[]", "{paths: {}}"])
def test_a_rule_of_which_nothing_can_be_read_closes_nothing(match: str) -> None:
    assert status(compiled("ApisixRoute", rule(match)), "any.test:9080/a") is None


@pytest.mark.parametrize("kind", ["Exact", "Zrefix", "5", "null"])
def test_a_path_of_an_ingress_may_be_of_any_type_if_it_is_of_none(kind: str) -> None:
    port = "{service: {name: web, port: {number: x}}}"
    path = f"{{path: /a, pathType: {kind}, backend: {port}}}"
    spec = f"{{ingressClassName: apisix, rules: [{{http: {{paths: [{path}]}}}}]}}"
    text = f"---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: web}}\nspec: {spec}\n"
    result = compile_sources([SourceFile("in.yaml", HEAD + text)])
    assert status(result, "any.test:9080/a") == 503
    assert status(result, "any.test:9080/a/b") == (None if kind == "Exact" else 503)


@pytest.mark.parametrize("metadata", ["", "metadata:", "metadata: x", "metadata: {name: a, annotations: [x]}"])
@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("ApisixRoute", rule("{paths: ['/a']}")),
        ("ApisixGlobalRule", "{plugins: [{name: csrf}]}"),
        ("Ingress", "{ingressClassName: apisix, rules: [{http: {paths: [{path: /a, pathType: Exact}]}}]}"),
    ],
)
def test_an_object_of_which_not_even_the_name_can_be_read_is_closed_too(kind: str, spec: str, metadata: str) -> None:
    version = "networking.k8s.io/v1" if kind == "Ingress" else "apisix.apache.org/v2"
    text = f"---\napiVersion: {version}\nkind: {kind}\n{metadata}\nspec: {spec}\n"
    assert status(compile_sources([SourceFile("in.yaml", HEAD + text)]), "any.test:9080/a") == 503


def test_a_route_of_another_class_is_somebody_elses() -> None:
    match = "{ingressClassName: nginx, http: [{name: a, match: {paths: ['/a'], methods: [get]}}]}"
    assert status(compiled("ApisixRoute", match), "any.test:9080/a") is None


@pytest.mark.parametrize(
    ("plugins", "found"),
    [("[{name: ip-restriction, enable: maybe}]", 503), ("{}", 503), ("[{name: echo, enable: maybe}]", None)],
)
def test_a_global_rule_that_may_guard_everything_closes_everything(plugins: str, found: int | None) -> None:
    assert status(compiled("ApisixGlobalRule", f"{{plugins: {plugins}}}"), "any.test:9080/a") == found


def test_a_service_whose_upstream_is_not_valid_gets_no_requests() -> None:
    assert status(compiled("ApisixUpstream", "{scheme: https, retries: many}"), "any.test:9080/a") == 503


@given(NETWORKS, NETWORKS, st.integers(0, 2**32 - 1))
def test_ranges_are_excluded_and_intersected(one: list[str], other: list[str], number: int) -> None:
    address = ip_address(number)

    def holds(cidrs: tuple[str, ...] | list[str]) -> bool:
        return any(address in ip_network(text) for text in cidrs)

    assert holds(exclude_networks(one)) != holds(one)
    assert holds(intersect_networks(one, other)) == (holds(one) and holds(other))


def test_addresses_are_excluded() -> None:
    excluded = read_asked(Asked("remote_addr", "NotIn", ("10.0.0.0/9", "::/0")))
    assert isinstance(excluded, Conditions)
    joined = join_conditions((Conditions(source_cidrs=("10.0.0.0/8",)), excluded))
    assert joined == Conditions(source_cidrs=("10.128.0.0/9",))
    assert isinstance(join_conditions((joined, Conditions(source_cidrs=("1.2.3.4",)))), str)


def test_the_query_as_a_whole_is_asked_for() -> None:
    found = read_asked(Asked("query_string", "RegexNotMatch", ("a=1$",)))
    assert isinstance(found, Conditions)
    (match,) = found.headers
    assert match == ValueMatch(name=":path", kind="regex", value=match.value, invert=True)
    assert re.fullmatch(match.value, "/x?b=2&a=1")
    assert not re.fullmatch(match.value, "/x/a=1?b=2")
