import pytest

from anygate.explain.regexes import compile_re2, replace_all


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("/a.*", "/abc"),
        ("[[:alpha:]]+", "abc"),
        ("[^[:space:]x]", "a"),
        (r"\x{61}\x62", "ab"),
        ("(?P<one>a)(?<two>b)", "ab"),
        ("(?i)A(?-i:b)", "ab"),
        (r"a\z", "a"),
        ("a{,2}", "a{,2}"),
        ("[]a]+", "a]"),
        ("[[]", "["),
        (r"[\]\-]", "-"),
        ("(a|ab)(c|bcd)", "abcd"),
        ("[&~|]{3}", "&~|"),
    ],
)
def test_re2_syntax_is_translated(pattern: str, text: str) -> None:
    found = compile_re2(pattern)
    assert found is not None
    assert found.fullmatch(text)


@pytest.mark.parametrize(
    "pattern",
    [
        "(?=a)",
        "(?<=a)b",
        r"(a)\1",
        r"\pL+",
        r"\p{Greek}",
        r"\Qa.b\E",
        "a*+",
        "a(?i)b",
        "(",
        "[",
        "\\",
        "(?U)a",
        "(?P=a)",
        "(?#a)",
        r"\Z",
        "[[:^alpha:]]",
        "[[:nothing:]]",
    ],
)
def test_what_python_reads_otherwise_is_not_evaluated(pattern: str) -> None:
    assert compile_re2(pattern) is None


def test_the_end_is_the_very_end() -> None:
    found = compile_re2("a$")
    assert found is not None
    assert not found.search("a\n")


@pytest.mark.parametrize(
    ("pattern", "substitution", "text", "result"),
    [
        ("a", "b", "/aa", "/bb"),
        ("^/a(.*)", r"/z\1", "/abc", "/zbc"),
        ("x*", "-", "abxd", "-a-b-d-"),
        ("(a)|(b)", r"[\2]", "ab", "[][b]"),
        ("/", r"\\", "/a", "\\a"),
        ("b", r"\0\0", "abc", "abbc"),
        ("z", "y", "abc", "abc"),
    ],
)
def test_matches_are_replaced_as_re2_does(pattern: str, substitution: str, text: str, result: str) -> None:
    found = compile_re2(pattern)
    assert found is not None
    assert replace_all(found, substitution, text) == result


@pytest.mark.parametrize("substitution", [r"\2", r"\x", "\\"])
def test_a_substitution_that_re2_refuses_is_not_evaluated(substitution: str) -> None:
    found = compile_re2("(a)")
    assert found is not None
    assert replace_all(found, substitution, "a") is None
