"""Conditions on bodies explained, and what is found in a body by a path."""

import pytest

from anygate.compiler import compile_sources
from anygate.diagnostics import SourceFile
from anygate.explain import explain
from anygate.explain.bodies import see_body
from anygate.explain.request import FORM, parse_request

MANIFESTS = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80}]}
---
apiVersion: apisix.apache.org/v2
kind: ApisixRoute
metadata: {name: web}
spec:
  http:
  - name: wide
    match: {paths: ["/*"]}
    backends: [{serviceName: web, servicePort: 80}]
  - name: pro
    match: {paths: ["/a"], exprs: [{subject: {scope: Body, name: user.plan}, op: NotEqual, value: pro}]}
    backends: [{serviceName: web, servicePort: 80}]
  - name: many
    match: {paths: ["/b"], exprs: [{subject: {scope: Body, name: count}, op: GreaterThan, value: "10"}]}
    backends: [{serviceName: web, servicePort: 80}]
"""
MODEL = compile_sources([SourceFile("in.yaml", MANIFESTS)]).model
_PART = '--x\r\nContent-Disposition: form-data; name="{}"{}\r\n\r\n{}\r\n'
PARTS = (_PART.format("a", "", 1) + _PART.format("f", '; filename="f"', 2) + "--x--\r\n").encode()


@pytest.mark.parametrize(
    ("path", "kind", "body", "rule"),
    [
        ("/a", "application/json", '{"user": {"plan": "pro"}}', 0),
        ("/a", "application/json", '{"user": {"plan": "free"}}', 1),
        ("/a", "application/json", "{", 1),
        ("/b", FORM, "count=11", 2),
        ("/b", FORM, "count=10", 0),
        ("/b", "text/plain", "count=11", 0),
    ],
)
def test_the_rule_is_chosen_by_the_body(path: str, kind: str, body: str, rule: int) -> None:
    request = parse_request(f"http://x.test:9080{path}", headers=[f"content-type: {kind}"], body=body.encode())
    found = {step.kind: step for step in explain(MODEL, request).steps}
    assert found["rule"].name == f"spec.http[{rule}].match"
    assert found["body"].text == "the body is looked at"


@pytest.mark.parametrize(
    ("name", "kind", "body", "found"),
    [
        ("a.b", "application/json", b'{"a": {"b": 1.50}}', ("1.50",)),
        ("a[1]", "application/json", b'{"a": [true, false]}', ("false",)),
        ("a[*].b", "application/json; charset=utf-8", b'{"a": [{"b": "x"}, 1, {"b": "y"}]}', ("x", "y")),
        ("a", "application/json", b'{"a": null}', ()),
        ("a", "application/json", b"[1]", ()),
        ("form:a", "application/json", b'{"a": "x"}', ()),
        ("form:a", FORM, b"a=x+y%21&a=z", ("x y!",)),
        ("a", "multipart/form-data; boundary=x", PARTS, ("1",)),
        ("f", "multipart/form-data; boundary=x", PARTS, ()),
        ("a", "multipart/form-data; boundary=x", PARTS[:-6], ()),
    ],
)
def test_values_are_found_by_their_paths(name: str, kind: str, body: bytes, found: tuple[str, ...]) -> None:
    assert see_body(body, kind).find(name) == found
