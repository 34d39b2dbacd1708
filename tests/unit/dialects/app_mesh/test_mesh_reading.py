"""Kinds and how they are written: mistakes are named at their field, and other shapes with a remark or, if strict,
an error."""

from textwrap import dedent
from typing import Any

import pytest

from anygate.compiler import compile_sources, read_sources
from anygate.diagnostics import RULES, Report, SourceFile
from anygate.dialects.app_mesh.examples import ALL, render_gateway, render_node, render_route, render_router

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
        (route("{hostname: {suffix: '-a.test'}}"), "spec.httpRoute.match.hostname.suffix", "begins with"),
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
