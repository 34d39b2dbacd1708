"""Texts for conditions satisfy them, and the others do not."""

import pytest

from anygate.diff.samples import bad_values, good_values, regex_samples
from anygate.explain.conditions import header_holds
from anygate.explain.regexes import compile_re2
from anygate.model.match import ValueMatch

PATTERNS = [
    "/v[0-9]+/items",
    "/a|/b.*",
    "/(?:en|de|fr)/[^/]+",
    r"/\d{2,4}/\w*",
    ".*Mobile.*",
    "[[:alpha:]]+",
    r"\.[^.]",
    "(?i)Abc",
    "x?",
    "^/start$",
    r"a\Sb\s",
    "(a(b(c)?)?)+",
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_expressions(pattern: str):
    samples = regex_samples(pattern)
    compiled = compile_re2(pattern)
    assert compiled is not None
    assert samples
    assert all(compiled.fullmatch(text) for text in samples)


def test_each_alternative_and_both_ends_are_tried():
    assert {text[1:3] for text in regex_samples("/(en|de|fr)/x")} == {"en", "de", "fr"}
    assert {"0", "9"} <= {char for text in regex_samples("[0-9]") for char in text}
    assert {len(text) for text in regex_samples("a+")} >= {1, 2}


def test_an_expression_that_only_re2_knows_has_none():
    assert regex_samples("x(?i)y") == []


VALUES = [
    *(ValueMatch(name="x", kind=kind, value="ab") for kind in ("exact", "prefix", "suffix", "contains", "present")),
    ValueMatch(name="x", kind="regex", value="a+b"),
    ValueMatch(name="x", kind="range", range_start=5, range_end=9),
]


@pytest.mark.parametrize("match", VALUES, ids=lambda match: match.kind)
def test_values(match: ValueMatch):
    def holds(value: str | None) -> bool | None:
        return header_holds(match, () if value is None else (value,))

    assert good_values(match)
    assert bad_values(match)
    assert all(holds(value) is True for value in good_values(match))
    assert all(holds(value) is False for value in bad_values(match))
