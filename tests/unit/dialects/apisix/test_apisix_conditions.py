"""Conditions of APISIX as the model's: numbers, searches, and the two ways of writing them."""

import operator
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anygate.dialects.apisix.expressions import Asked, Conditions, Unread, read_asked
from anygate.dialects.apisix.matches import read_path
from anygate.dialects.apisix.numbers import Comparison, compare_pattern
from anygate.dialects.apisix.pcre import leading_pattern, refuse_pattern, search_path_pattern, search_pattern
from anygate.dialects.apisix.vars import read_alternatives, read_vars
from anygate.model.match import HttpMatch, PathMatch, ValueMatch
from anygate.model.origin import Origin
from anygate.model.re2 import problem_of

MEANINGS: dict[Comparison, Callable[[float, float], bool]] = {
    "GreaterThan": operator.gt,
    "GreaterThanEqual": operator.ge,
    "LessThan": operator.lt,
    "LessThanEqual": operator.le,
}
NUMBERS = st.one_of(
    st.integers(-2000, 2000).map(str),
    st.decimals(-200, 200, places=3).map(str).filter(lambda text: "E" not in text and not text.startswith("-0.000")),
)


@given(NUMBERS, NUMBERS, st.sampled_from(sorted(MEANINGS)))
def test_a_number_is_on_the_right_side_of_a_bound(value: str, bound: str, comparison: Comparison) -> None:
    pattern = compare_pattern(comparison, bound)
    assert pattern is not None
    assert problem_of(pattern) is None
    assert (re.fullmatch(pattern, value) is not None) == MEANINGS[comparison](float(value), float(bound))


@pytest.mark.parametrize("text", ["", "x", "1e3", "0x10", "1,5", " "])
def test_what_is_no_number_is_on_no_side(text: str) -> None:
    assert compare_pattern("LessThan", text) is None
    for comparison in MEANINGS:
        assert re.fullmatch(compare_pattern(comparison, "0") or "", text) is None


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [("b+", "abbc", True), ("^b", "abc", False), ("c$", "abc", True), ("B", "abc", False), ("a|^c", "bc", False)],
)
def test_a_pattern_is_searched_for(pattern: str, text: str, found: bool) -> None:
    assert (re.fullmatch(search_pattern(pattern), text) is not None) == found
    assert re.fullmatch(search_pattern(pattern.upper(), ignore_case=True), text.lower()) or not found


@pytest.mark.parametrize(
    ("pattern", "path", "found"),
    [
        (r"^/a.*\.html$", "/a/b.html?x=1", True),
        (r"^/a.*\.html$", "/a/b.htm?x=.html", False),
        (r"/b[^/]*c", "/b?/c", False),
        (r"\S+z", "/a?z", False),
        (r"^/a$|^/b$", "/b?c", True),
    ],
)
def test_a_pattern_for_a_path_stays_out_of_the_query(pattern: str, path: str, found: bool) -> None:
    made = search_path_pattern(pattern)
    assert problem_of(made) is None
    assert (re.fullmatch(made.replace(r"\z", r"\Z"), path) is not None) == found


@pytest.mark.parametrize("pattern", ["a(?=b)", "a(?!b)", "(?<=a)b", "(?<!a)b", r"(a)\1", "a++", "(?>a)", r"a\K", "(a"])
def test_what_only_perl_has_is_refused(pattern: str) -> None:
    assert refuse_pattern(pattern)


@pytest.mark.parametrize("pattern", [r"\++", "[(?=]", "(?i)a", r"\Q(?=\E", "(?P<n>a)", "a{2}"])
def test_what_both_have_is_not_refused(pattern: str) -> None:
    assert refuse_pattern(pattern) == ""


@pytest.mark.parametrize(
    ("path", "match"),
    [
        ("/a", PathMatch(kind="exact", value="/a")),
        ("/a*", PathMatch(kind="string_prefix", value="/a")),
        ("/a/*", PathMatch(kind="string_prefix", value="/a/")),
        ("*", PathMatch(kind="string_prefix", value="/")),
        ("/a/*/b.c*", PathMatch(kind="regex", value=r"/a/.*/b\.c.*")),
    ],
)
def test_a_star_stands_for_any_text(path: str, match: PathMatch) -> None:
    assert read_path(path) == match


def test_variables_are_parts_of_a_request() -> None:
    beta = ValueMatch(name="x-user", value="beta")
    assert read_asked(Asked("http_X_User", "Equal", ("beta",))) == Conditions(headers=(beta,))
    assert read_asked(Asked("remote_addr", "In", ("10.0.0.1",))) == Conditions(source_cidrs=("10.0.0.1",))
    for variable in ("post_arg.", "post_arg.a..b", "post_arg.a[x]", "balancer_ip", "consumer_name"):
        assert isinstance(read_asked(Asked(variable, "Equal", ("a",))), Unread)


@pytest.mark.parametrize(
    ("variable", "name"),
    [("post_arg.model", "model"), ("post_arg.a.b[0].c[*]", "a.b[0].c[*]"), ("post_arg_model", "form:model")],
)
def test_bodies_are_asked_by_paths(variable: str, name: str) -> None:
    found = read_asked(Asked(variable, "NotIn", ("a", "b")))
    assert found == Conditions(body=(ValueMatch(name=name, kind="regex", value="a|b", invert=True),))


def test_lists_in_bodies_have_elements() -> None:
    named, found = ValueMatch(name="tags[*]", value="x"), ValueMatch(name="a[*].b", value="x")
    assert read_vars([["post_arg.tags", "has", "x"], ["post_arg.a[*].b", "has", "x"]]) == Conditions(
        body=(named, found)
    )
    assert isinstance(read_vars([["arg_a", "has", "x"]]), Unread)


@pytest.mark.parametrize(
    ("pattern", "wider"),
    [
        ("^/api/(?!v1)", "^/api/"),
        ("/ab*(?!v1)", "/a"),
        ("/ab+(?=c)", "/ab"),
        ("a(?!b)|c", ""),
        (".a(?!b)", ""),
        ("(?<!a)b", ""),
    ],
)
def test_what_perl_alone_finds_begins_with_a_text(pattern: str, wider: str) -> None:
    assert leading_pattern(pattern) == wider
    found = read_asked(Asked("http_a", "RegexMatch", (pattern,)))
    expected = Conditions(headers=(ValueMatch(name="a", kind="regex", value=search_pattern(wider)),))
    assert isinstance(found, Unread)
    assert found.rest == ((expected,) if wider else (Conditions(),))
    assert isinstance(negative := read_asked(Asked("http_a", "RegexNotMatch", (pattern,))), Unread)
    assert negative.rest == (Conditions(),)


def test_what_can_be_read_of_conditions_is_left_of_them() -> None:
    one, other = (
        Conditions(query=(ValueMatch(name="a", value="1"),)),
        Conditions(query=(ValueMatch(name="b", value="2"),)),
    )
    lost, kept = ["balancer_ip", "==", "1"], ["arg_a", "==", "1"]
    assert read_vars([lost, kept]) == Unread("nothing tells the variable balancer_ip when a request is routed", (one,))
    found = read_alternatives([[kept, lost], [["arg_b", "==", "2"]]])
    assert isinstance(found, Unread)
    assert found.rest == (one, other)


def test_vars_say_the_same_in_other_words() -> None:
    one = ValueMatch(name="a", value="1")
    other = ValueMatch(name="b", kind="regex", value="x|y", invert=True)
    found = read_vars([["arg_a", "==", 1], ["http_b", "!", "in", ["x", "y"]]])
    assert found == Conditions(query=(one,), headers=(other,))
    assert read_alternatives([[["arg_a", "==", "1"]], [["arg_a", "==", "1"]]]) == (Conditions(query=(one,)),) * 2
    assert read_alternatives(["OR", ["arg_a", "==", "1"]]) == (Conditions(query=(one,)),)
    assert read_alternatives([["arg_a", "==", "1"]]) == (Conditions(query=(one,)),)


@pytest.mark.parametrize(
    "written", ["a", [["arg_a", "=", "1"]], [["arg_a"]], [["arg_a", "!", ">", 1]], [["arg_a", "==", {}]]]
)
def test_vars_that_are_none_are_told(written: object) -> None:
    assert isinstance(read_vars(written), Unread)


@pytest.mark.parametrize(
    ("route", "plugin", "left"),
    [
        (("10.0.0.0/8",), (), ("10.0.0.0/8",)),
        ((), ("10.1.0.0/16",), ("10.1.0.0/16",)),
        (("10.0.0.0/8", "192.0.2.0/24"), ("10.1.0.0/16",), ("10.1.0.0/16",)),
        (("10.1.0.0/16",), ("10.0.0.0/8",), ("10.1.0.0/16",)),
        (("10.0.0.0/8",), ("192.0.2.0/24",), ("0.0.0.0/32",)),
    ],
)
def test_conditions_never_widen_where_connections_may_come_from(route, plugin, left):
    match = HttpMatch(origin=Origin("ApisixRoute", "x", "y"), source_cidrs=route)
    assert Conditions(source_cidrs=plugin).narrow(match).source_cidrs == left


@pytest.mark.parametrize(
    ("pattern", "kept_out", "let_in"),
    [
        ("^v.x$", ["vax"], ["vaxx", "avax", "v&x"]),
        ("adm", ["adm", "an-admin"], ["ad", "a&adm"]),
        ("^a[^b]", ["ac", "acd"], ["ab", "a&"]),
        ("(a|b)$", ["xa", "b"], ["ax"]),
    ],
)
def test_a_parameter_must_not_be_what_a_pattern_finds_between_its_own_ends(
    pattern: str, kept_out: list[str], let_in: list[str]
) -> None:
    found = read_asked(Asked("arg_p", "RegexNotMatch", (pattern,)))
    assert isinstance(found, Conditions)
    (value,) = found.query
    assert value.invert
    whole = rf"[^?]*\?(?:.*&)?p={value.value}(?:&.*)?"
    assert [text for text in kept_out if not re.fullmatch(whole, f"/a?o=1&p={text}&q=2")] == []
    assert [text for text in let_in if re.fullmatch(whole, f"/a?p={text}")] == []


@pytest.mark.parametrize("pattern", ["^a|b", "a|b$", "(^a|b)", r"\bword"])
def test_a_parameter_with_anchors_inside_closes_the_rule(pattern: str) -> None:
    assert isinstance(read_asked(Asked("arg_p", "RegexNotMatch", (pattern,))), Unread)


def test_a_parameter_that_is_in_no_set_is_none_of_its_values() -> None:
    found = read_asked(Asked("arg_p", "NotIn", ("a", "b")))
    assert found == Conditions(query=tuple(ValueMatch(name="p", value=one, invert=True) for one in "ab"))
