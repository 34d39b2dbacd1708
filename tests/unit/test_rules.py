"""Every rule has its page, and its examples are right: the wrong one triggers it, the right one does not."""

import re

import pytest

from anygate.compiler import compile_sources
from anygate.diagnostics import RULES, SourceFile
from anygate.dialects import declare_rules

declare_rules()
INTERNAL = sorted(name for name, rule in RULES.items() if not rule.external)


def rules_found(text: str) -> set[str]:
    return {found.rule for found in compile_sources([SourceFile("example.yaml", text)]).diagnostics}


@pytest.mark.parametrize("name", sorted(RULES))
def test_a_rule_has_its_page(name: str) -> None:
    rule = RULES[name]
    assert re.fullmatch(r"[a-z]+(-[a-z0-9]+)*", name)
    for sentence in (rule.what, rule.why):
        assert sentence[0].isupper()
        assert sentence.endswith(".")
    assert rule.wrong
    assert rule.right
    assert rule.wrong != rule.right


@pytest.mark.parametrize("name", INTERNAL)
def test_the_wrong_example_triggers_the_rule(name: str) -> None:
    assert name in rules_found(RULES[name].wrong)


@pytest.mark.parametrize("name", INTERNAL)
def test_the_right_example_does_not_trigger_the_rule(name: str) -> None:
    assert name not in rules_found(RULES[name].right)


@pytest.mark.parametrize("name", INTERNAL)
def test_the_right_example_has_no_errors_at_all(name: str) -> None:
    found = compile_sources([SourceFile("example.yaml", RULES[name].right)]).diagnostics
    assert [str(one) for one in found if one.severity == "error"] == []
