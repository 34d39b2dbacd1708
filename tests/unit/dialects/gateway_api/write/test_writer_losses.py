"""What cannot be said is named, and each rule's example shows it."""

import pytest

import anygate.dialects.gateway_api.write.findings as findings
from anygate.compiler import read_sources
from anygate.diagnostics import Report, Rule, Severity, SourceFile
from anygate.dialects.app_mesh.left_behind import LEFT_BEHIND, find_left_behind
from anygate.dialects.gateway_api.write import Loss, Options, write_model
from anygate.dialects.gateway_api.write.number_ranges import range_pattern
from anygate.manifests import parse_sources

EXAMPLES = [one for one in vars(findings).values() if isinstance(one, Rule)]


def losses_of(text: str, **options: bool) -> tuple[Loss, ...]:
    model = read_sources([SourceFile("in.yaml", text)], Report()).model
    return write_model(model, Options(**options)).losses


def rules_of(text: str, **options: bool) -> set[str]:
    return {one.rule.id for one in losses_of(text, **options)}


@pytest.mark.parametrize("rule", EXAMPLES, ids=lambda rule: rule.id)
def test_an_example_loses_what_its_rule_says(rule: Rule) -> None:
    assert rule.id in rules_of(rule.wrong)
    assert rule.id not in rules_of(rule.right)


def test_what_is_right_is_also_written() -> None:
    assert len(EXAMPLES) > 5
    for rule in EXAMPLES:
        severe = [one for one in losses_of(rule.right) if one.rule.severity is Severity.ERROR]
        assert severe == [], rule.id


@pytest.mark.parametrize(("text", "is_found"), [(LEFT_BEHIND.wrong, True), (LEFT_BEHIND.right, False)])
def test_what_is_about_the_mesh_is_left_behind(text: str, is_found: bool) -> None:
    manifests = parse_sources((SourceFile("in.yaml", text),), Report())
    assert bool([*find_left_behind(manifests)]) == is_found


def test_exact_keeps_prefixes() -> None:
    assert findings.PREFIX.id not in rules_of(findings.PREFIX.wrong, exact=True)


def test_a_range_takes_its_numbers() -> None:
    import re

    for start, end in ((0, 1), (7, 31), (-12, 5), (99, 1001), (5, 5)):
        pattern = re.compile(range_pattern(start, end))
        taken = [number for number in range(-50, 1100) if pattern.fullmatch(str(number))]
        assert taken == list(range(start, end))
