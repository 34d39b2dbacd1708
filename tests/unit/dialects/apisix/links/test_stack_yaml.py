"""Any value comes back from the YAML that it was written as, and any stack file ends in files or in diagnostics."""

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from stacks import diagnose

from anygate.diagnostics import Report, SourceFile
from anygate.dialects.apisix.links import generate
from anygate.dialects.apisix.links.rules import example
from anygate.dialects.apisix.links.yaml_text import render_scalar, render_yaml
from anygate.manifests.yaml import parse_documents

# Surrogates have no UTF-8.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SCALAR = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT
VALUE = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=12
)
ODD = [
    *("", "~", "null", "yes", "y", "on", "1", "1e3", "0x1f", "0o7", "1_0", "12:30", "2020-01-01", ".5", ".inf", "-"),
    *("- a", "a: b", "a:", "a #b", "#a", "*a", "&a", "!a", "@a", "%a", "[a", "{a", "'a", '"a', "a'b", "|", ">", "?"),
    *("a\nb", " a", "a ", "é", "\t", "\x7f", "\u2028", "😀", "a, b", "a,b", "\\d", "::1", "fd00::", "10.0.0.0/8"),
    *("/*", "=", "<<", "...", "---"),
]


@pytest.mark.parametrize("text", ODD)
def test_odd_texts(text: str) -> None:
    for written in (f"x: {render_scalar(text)}\n", render_yaml({"x": [text]})):
        assert yaml.safe_load(written)["x"] in (text, [text])
        [found] = parse_documents(SourceFile("a", written), Report())
        assert found.value["x"] in (text, [text])


@given(st.dictionaries(TEXT, VALUE, min_size=1, max_size=4))
@settings(max_examples=200, deadline=None)
def test_every_value_comes_back(value: dict) -> None:
    written = render_yaml(value)
    assert yaml.safe_load(written) == value
    [found] = parse_documents(SourceFile("a", written), report := Report())
    assert report.diagnostics == ()
    assert found.value == value


STACKS = [example.SHOP, example.GAME, example.DOOR, example.CHAT]
ODD_VALUES = [
    *("", "null", "[]", "{}", "[1, {a: b}]", "{a: [b]}", "-1", "1.5", "true", "'x y'", "|\n    a: b\n    c", "*x"),
    *("${A}", "|\n    - a: b\n    - c", ">\n    a: b", "!x y", "&a [*a]", "|", '"\\n"'),
]


@given(st.sampled_from(STACKS), st.integers(0, 200), st.integers(0, 12), st.sampled_from(["", *ODD_VALUES]))
@settings(max_examples=300, deadline=None)
def test_a_broken_stack_never_raises(stack: str, at: int, cut: int, put: str) -> None:
    text = stack[:at] + put + stack[at + cut :]
    report = Report()
    made = generate(SourceFile("a", text), report)
    assert (made is None) == report.has_errors


ATTRIBUTES = [
    *("cors", "cors_headers", "rate_limiting", "apisix_oidc_param", "apisix_oidc_secret", "whitelist", "ip_whitelist"),
    *("proxy_rewrite", "headers", "websocket", "apisix_timeout", "additional_domain", "max_body_size", "paths"),
    *("https_redirect", "extra_plugins", "route_all", "from", "weight"),
]
ODD_VALUE = st.sampled_from(ODD_VALUES)


@given(st.sampled_from(ATTRIBUTES), ODD_VALUE, st.sampled_from(ATTRIBUTES), ODD_VALUE)
@settings(max_examples=300, deadline=None)
def test_odd_attributes_never_raise(one: str, value: str, other: str, second: str) -> None:
    text = f"{example.SHOP}  apisix_oidc_enable: true\n  {one}: {value}\n"
    for found in diagnose(text + (f"  {other}: {second}\n" if one != other else "")):
        assert found.span is not None
        assert found.hint or not found.rule.startswith("stack-")
