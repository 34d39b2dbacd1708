"""Every rule about stack files: its wrong example triggers it, its right one triggers no error at all."""

import re

import pytest
from stacks import diagnose

from anygate.diagnostics import RULES, Severity
from anygate.dialects.apisix.links import plan

STACK_RULES = sorted(name for name in RULES if name.startswith("stack-"))
OF_FOLDERS = {"stack-foreign-file", "stack-foreign-file-kept"}
COMPILED = [name for name in STACK_RULES if name not in OF_FOLDERS]


def test_there_are_rules() -> None:
    assert plan is not None
    assert len(COMPILED) > 30


@pytest.mark.parametrize("name", COMPILED)
def test_the_wrong_example_triggers_the_rule(name: str) -> None:
    found = [one for one in diagnose(RULES[name].wrong) if one.rule == name]
    assert found
    for one in found:
        assert one.span is not None
        assert one.severity is RULES[name].severity
        assert one.hint, one


@pytest.mark.parametrize("name", COMPILED)
def test_the_right_example_is_right(name: str) -> None:
    found = diagnose(RULES[name].right)
    assert name not in {one.rule for one in found}
    assert [str(one) for one in found if one.severity is Severity.ERROR] == []


@pytest.mark.parametrize("name", STACK_RULES)
def test_a_rule_has_its_page(name: str) -> None:
    rule = RULES[name]
    assert re.fullmatch(r"[a-z]+(-[a-z0-9]+)*", name)
    for sentence in (rule.what, rule.why):
        assert sentence[0].isupper()
        assert sentence.endswith(".")
    assert rule.wrong
    assert rule.wrong != rule.right
