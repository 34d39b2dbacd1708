"""Kinds and how they are written: mistakes are named at their field, and other shapes with a remark or, if strict,
an error."""

from textwrap import dedent
from typing import Any

import pytest

from anygate.compiler import compile_sources, read_sources
from anygate.diagnostics import RULES, Report, SourceFile
from anygate.dialects.app_mesh.conditions import Conditions, find_shadowed
from anygate.dialects.app_mesh.examples import (
    ALL,
    render_gateway,
    render_node,
    render_route,
    render_router,
    render_service,
)
from anygate.model.match import PathMatch, ValueMatch

TARGET = "action: {target: {virtualService: {virtualServiceRef: {name: items}}}}"
TARGETS = "action: {weightedTargets: [{virtualNodeRef: {name: items}, weight: 1}]}"


def route(match: str, more: str = "") -> str:
    return render_route(f"httpRoute:\n  match: {match}\n  {more or TARGET}")


def router(match: str, more: str = "") -> str:
    return render_router(f"routes:\n- name: one\n  httpRoute:\n    match: {match}\n    {TARGETS}\n    {more}")


def listener(more: str) -> str:
    return render_node(
        dedent(f"""
        listeners: [{{portMapping: {{port: 8080, protocol: http}}, {more}}}]
        serviceDiscovery: {{dns: {{hostname: items.default.svc.cluster.local}}}}
        """)
    )


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        (route("{prefix: /, path: {exact: /}}"), "spec.httpRoute.match.path", "cannot be combined"),
        (route("{method: GET}"), "spec.httpRoute.match", "at least one of"),
        (route("{prefix: items}"), "spec.httpRoute.match.prefix", 'starts with "/"'),
        (route("{prefix: /, headers: [{name: ':path'}]}"), "spec.httpRoute.match.headers[0].name", "name of a header"),
        (route("{prefix: /, headers: [{name: a, match: {}}]}"), "spec.httpRoute.match.headers[0].match", "one of"),
        (
            route("{prefix: /, headers: [{name: a, match: {exact: b, prefix: b}}]}"),
            "spec.httpRoute.match.headers[0].match.prefix",
            "cannot be combined",
        ),
        (
            route("{prefix: /, headers: [{name: a, match: {range: {start: 5, end: 5}}}]}"),
            "spec.httpRoute.match.headers[0].match.range.start",
            "less than end",
        ),
        (route("{prefix: /, queryParameters: [{name: a, match: {}}]}"), "match.queryParameters[0].match", "exact"),
        (route("{hostname: {exact: 'a:80'}}"), "spec.httpRoute.match.hostname.exact", "port"),
        (route("{hostname: {suffix: '-*.test'}}"), "spec.httpRoute.match.hostname.suffix", "only allowed in front"),
        (route("{prefix: /}", TARGET[:-1] + ", rewrite: {}}"), "spec.httpRoute.action.rewrite", "at least one of"),
        (
            route("{prefix: /}", TARGET[:-1] + ", rewrite: {prefix: {value: /a}}}"),
            "spec.httpRoute.action.rewrite.prefix.value",
            "end with",
        ),
        (
            route("{path: {exact: /a}}", TARGET[:-1] + ", rewrite: {prefix: {value: /a/}}}"),
            "spec.httpRoute.action.rewrite.prefix",
            "needs a prefix match",
        ),
        (
            route("{hostname: {exact: a.test}}", TARGET[:-1] + ", rewrite: {path: {exact: /a}}}"),
            "spec.httpRoute.action.rewrite.path",
            "needs a path or prefix match",
        ),
        (router("{prefix: /}", "retryPolicy: {maxRetries: 1}"), "spec.routes[0].httpRoute.retryPolicy", "required"),
        (listener("connectionPool: {http2: {maxRequests: 1}}"), "connectionPool.http2", "speaks http"),
        (listener("timeout: {grpc: {}}"), "spec.listeners[0].timeout.grpc", "speaks http"),
        (render_gateway("listeners: []"), "spec.listeners", "at least one"),
    ],
)
def test_a_mistake_is_named_at_its_field(text: str, path: str, message: str) -> None:
    found = [str(one) for one in compile_sources([SourceFile("in.yaml", text)]).diagnostics if one.severity == "error"]
    assert any(path in one and message in one for one in found), found


STRICT = "{apiVersion: anygate.dev/v1alpha1, kind: AppMeshSettings, metadata: {name: all}, spec: {mode: strict}}"


def read_strictly(text: str) -> tuple[Any, list[str]]:
    report = Report()
    found = read_sources([SourceFile("in.yaml", text), SourceFile("settings.yaml", STRICT)], report)
    return found, [one.rule for one in report.diagnostics if one.severity == "error"]


SHAPES = ("mesh-other-name", "mesh-other-shape", "mesh-explicit-owner", "mesh-route-object")


@pytest.mark.parametrize("rule", SHAPES)
def test_strict_refuses_what_the_controller_refused(rule: str) -> None:
    _, errors = read_strictly(RULES[rule].wrong)
    assert rule in errors


def test_strict_takes_what_the_controller_took() -> None:
    reading, errors = read_strictly(ALL)
    assert errors == []
    assert len(reading.model.gateways[0].listeners[0].servers[0].routes) == 1


def test_strict_makes_no_service_and_assumes_no_owner() -> None:
    reading, _ = read_strictly(RULES["mesh-made-service"].wrong)
    assert reading.model.gateways[0].listeners[0].servers[0].routes == ()
    assert "mesh-no-owner" in read_strictly(RULES["mesh-assumed-owner"].wrong)[1]


def list_errors(text: str) -> list[str]:
    found = compile_sources([SourceFile("in.yaml", text)]).diagnostics
    return [one.message for one in found if one.severity == "error"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ALL.partition("---\n")[2], "there is no Mesh"),
        (ALL.replace("v1beta2", "v1beta3", 1), "every Mesh was refused"),
    ],
)
def test_without_any_mesh_nobody_is_asked_for_a_selector(text: str, message: str) -> None:
    assert message in list_errors(text)
    assert not any("selects" in one for one in list_errors(text))


@pytest.mark.parametrize("end", ["virtualNode/items_default", "virtualService/", "items.default"])
def test_an_arn_of_something_else_is_no_reference(end: str) -> None:
    target = TARGET.replace(
        "virtualServiceRef: {name: items}", f'virtualServiceARN: "arn:aws:appmesh:eu:1:mesh/shop/{end}"'
    )
    assert list_errors(route("{prefix: /}", target)) == ["this is not the ARN of a VirtualService"]


ROUTE_OBJECT = f"""
---
apiVersion: appmesh.k8s.aws/v1beta2
kind: Route
metadata: {{name: one}}
spec:
  meshRef: {{name: MESH}}
  virtualRouterRef: {{name: items}}
  httpRoute: {{match: {{prefix: /}}, {TARGETS}}}
"""


def test_a_route_object_says_which_of_its_owners_is_missing() -> None:
    mesh = list_errors(ALL + ROUTE_OBJECT.replace("MESH", "shpo"))
    assert mesh == ["there is no Mesh shpo"]
    router = list_errors(ALL + ROUTE_OBJECT.replace("MESH", "shop"))
    assert router == ["there is no VirtualRouter items in the namespace default in Mesh shop"]


@pytest.mark.parametrize("own", ["awsName", "virtualServiceName"])
@pytest.mark.parametrize("name", ["shop.internal", "items.default.svc.cluster.local"])
def test_no_service_is_made_in_the_place_of_one_that_could_not_be_read(own: str, name: str) -> None:
    service = render_service(f"{own}: shop.internal\nprovider: {{virtualNod: {{}}, virtualNode: items}}")
    target = "virtualServiceName: " + name
    text = service.replace("virtualServiceRef: {name: items}", target)
    assert target in text
    assert "VirtualService default/items was refused" in " ".join(list_errors(text))


EVERYTHING = Conditions(PathMatch(kind="string_prefix", value="/"))
ITEMS = Conditions(PathMatch(kind="string_prefix", value="/items"))
HEADER = (ValueMatch(name="a", value="b"),)


@pytest.mark.parametrize(
    ("before", "behind", "is_shadowed"),
    [
        (EVERYTHING, ITEMS, True),
        (Conditions(), ITEMS, True),
        (Conditions(PathMatch(kind="regex", value=".*")), ITEMS, True),
        (ITEMS, ITEMS._replace(headers=HEADER, method="GET"), True),
        (ITEMS._replace(headers=HEADER), ITEMS._replace(headers=HEADER), True),
        (ITEMS, Conditions(PathMatch(kind="exact", value="/items/1")), True),
        (EVERYTHING, Conditions(PathMatch(kind="regex", value="/items.*")), True),
        (ITEMS, EVERYTHING, False),
        (ITEMS, Conditions(PathMatch(kind="regex", value="/items.*")), False),
        (Conditions(PathMatch(kind="exact", value="/items")), ITEMS, False),
        (ITEMS._replace(headers=HEADER), ITEMS, False),
        (ITEMS._replace(method="GET"), ITEMS._replace(method="POST"), False),
        (EVERYTHING._replace(port=8080), ITEMS._replace(port=8081), False),
        (EVERYTHING._replace(port=8080), ITEMS, False),
        (EVERYTHING._replace(port=8080), ITEMS._replace(port=8080), True),
        (EVERYTHING, ITEMS._replace(port=8080), True),
    ],
)
def test_a_route_is_shadowed_by_one_before_it_that_asks_for_less(
    before: Conditions, behind: Conditions, is_shadowed: bool
) -> None:
    found = [*find_shadowed([(before, "before"), (behind, "behind")])]
    assert found == ([("behind", "before")] if is_shadowed else [])
