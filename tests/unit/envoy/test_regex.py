"""Our verdict on regular expressions against RE2's own, which is in Envoy."""

from pathlib import Path

import pytest
from build_models import ORIGIN, listener, model, server
from validate import validate

from anygate.envoy.api import build as build_message
from anygate.envoy.build import build
from anygate.envoy.refusal import CannotBuild
from anygate.envoy.regex import checked_regex
from anygate.envoy.snapshot import ROUTES, Snapshot, resource
from anygate.model.re2 import groups_of

GOOD = [
    "/(closed)",
    "/users/{id}",
    "a{2}",
    "a{,2}",
    "a{2}?",
    "a+?b",
    "(a*)*",
    "(?:a+)+",
    "[*+]+",
    r"\*+",
    r"\z",
    r"\A",
    r"\pN",
    r"\p{Greek}",
    r"\Qa.b(\E",
    r"\C",
    "[[:alpha:]]",
    "[a-z&&b]",
    "[]a]",
    "(?i)x",
    "x(?i)y",
    "(?P<n>x)",
    "(?<n>x)",
    "(?U)a+",
    "(?s-i:a)",
    r"\x{41}",
    r"\123",
    "a|b|",
    "(|a)",
    r"[\w-.]+",
    r"[\d-z]",
    "a{",
    "}",
    "]",
    r"\/",
    "[[a]",
    "é+",
    "(?m)^a$",
]
BAD = [
    "/(unclosed",
    "a{1001}",
    "a{2,1}",
    "(?=x)",
    "(?!x)",
    "(?<=a)b",
    r"(a)\1",
    r"\Z",
    r"\p{Nope}",
    "[[:nope:]]",
    "[a",
    "*a",
    "a**",
    "a++",
    "a{2}{3}",
    "a???",
    "(?x) a",
    "(?P=n)",
    "(?>a)",
    r"\8",
    r"\e",
    "[z-a]",
    "\\",
    r"\y",
    r"\h",
    r"\R",
    r"\K",
    "(?(1)a|b)",
    r"\u0041",
    r"\cA",
    "(?",
]


@pytest.mark.parametrize("pattern", GOOD)
def test_good_patterns_pass(pattern: str) -> None:
    assert checked_regex(pattern, ORIGIN) == pattern


@pytest.mark.parametrize("pattern", BAD)
def test_bad_patterns_are_refused(pattern: str) -> None:
    with pytest.raises(CannotBuild):
        checked_regex(pattern, ORIGIN)


def test_envoy_agrees(tmp_path: Path) -> None:
    assert _verdict(GOOD, tmp_path) == ""
    assert [pattern for pattern in BAD if _verdict([pattern], tmp_path) == ""] == []


def _verdict(patterns: list[str], folder: Path) -> str:
    plain = build(model([listener(1080, server())])).snapshot
    routes = [
        {
            "match": {"prefix": "/", "headers": [{"name": "x", "string_match": {"safe_regex": {"regex": pattern}}}]},
            "direct_response": {"status": 200},
        }
        for pattern in patterns
    ]
    name = "default/gw/1080"
    hosts = [{"name": "a", "domains": ["*"], "routes": routes}]
    body = build_message("envoy.config.route.v3.RouteConfiguration", name=name, virtual_hosts=hosts).SerializeToString()
    others = [each for each in plain if each.type_url != ROUTES]
    return validate(Snapshot([*others, resource(ROUTES, name, body)]), folder)


def test_groups_are_counted() -> None:
    assert groups_of(r"(a)(?:b)(?P<n>c)\([(]") == 2
