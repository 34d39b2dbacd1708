import pytest
from explain_models import exact, header, prefix

from anygate.explain.conditions import check_match, cookie_values, describe_match, path_holds, query_values
from anygate.explain.request import Request
from anygate.explain.seen import SeenRequest, see_request
from anygate.model.listener import HttpServer
from anygate.model.match import HttpMatch, PathMatch, ValueMatch


def see(path: str = "/", query: str | None = None, *headers: tuple[str, str], method: str = "GET") -> SeenRequest:
    found = see_request(Request(host="shop.test", path=path, query=query, headers=headers, method=method), HttpServer())
    assert isinstance(found, SeenRequest)
    return found


def holds(match: HttpMatch, seen: SeenRequest) -> bool:
    return all(condition.holds for condition in check_match(match, seen))


@pytest.mark.parametrize(
    ("kind", "value", "path", "expected"),
    [
        ("prefix", "/a", "/a", True),
        ("prefix", "/a", "/a/b", True),
        ("prefix", "/a", "/ab", False),
        ("prefix", "/a/", "/a", True),
        ("prefix", "/", "/x", True),
        ("prefix", "/", "//", True),
        ("string_prefix", "/a", "/ab", True),
        ("string_prefix", "/a/", "/a", False),
        ("exact", "/a", "/a", True),
        ("exact", "/a", "/a/", False),
        ("exact", "/a", "/A", False),
        ("regex", "/a", "/ab", False),
        ("regex", "/a.*", "/ab", True),
        ("regex", r"/\pL", "/a", None),
    ],
)
def test_paths(kind: str, value: str, path: str, expected: bool | None) -> None:
    assert path_holds(PathMatch(kind=kind, value=value), path) is expected  # type: ignore[arg-type]


def test_case_may_be_ignored() -> None:
    assert path_holds(PathMatch(kind="prefix", value="/A", ignore_case=True), "/a/b")
    assert path_holds(PathMatch(kind="regex", value="/A", ignore_case=True), "/a")


def test_every_value_of_a_header_is_compared_by_itself() -> None:
    seen = see("/", None, ("X-A", "1"), ("x-a", "2"))
    assert holds(HttpMatch(origin=exact("/").origin, headers=(header("x-A", "2"),)), seen)
    assert not holds(HttpMatch(origin=exact("/").origin, headers=(header("x-a", "1,2"),)), seen)
    assert not holds(HttpMatch(origin=exact("/").origin, headers=(header("x-a", "1", invert=True),)), seen)


@pytest.mark.parametrize(
    ("match", "value", "expected"),
    [
        (header("x", "a"), None, False),
        (header("x", "a", invert=True), None, True),
        (header("x", "", invert=True), None, False),
        (header("x", ""), "", True),
        (header("x", kind="present"), "", True),
        (header("x", kind="present", invert=True), None, True),
        (header("x", "", kind="prefix"), "", True),
        (header("x", "b", kind="suffix"), "ab", True),
        (header("x", "b", kind="contains"), "abc", True),
        (header("x", "a|b", kind="regex"), "ab", False),
        (ValueMatch(name="x", kind="range", range_start=1, range_end=5), "5", False),
        (ValueMatch(name="x", kind="range", range_start=-1, range_end=5), "-1", True),
        (ValueMatch(name="x", kind="range", range_start=1, range_end=5), "2x", False),
    ],
)
def test_header_conditions(match: ValueMatch, value: str | None, expected: bool) -> None:
    sent = () if value is None else (("X", value),)
    assert holds(HttpMatch(origin=exact("/").origin, headers=(match,)), see("/", None, *sent)) is expected


def test_the_first_value_of_a_query_parameter_counts() -> None:
    match = HttpMatch(origin=exact("/").origin, query=(header("q", "1"),))
    assert holds(match, see("/", "q=1&q=2"))
    assert not holds(match, see("/", "q=2&q=1"))
    assert not holds(match, see("/", "q=%31"))
    assert not holds(match, see("/", "Q=1"))
    assert not holds(match, see())


def test_any_value_of_a_query_parameter_breaks_an_inverted_condition() -> None:
    match = HttpMatch(origin=exact("/").origin, query=(header("q", "1", invert=True),))
    assert not holds(match, see("/", "q=2&q=1"))
    assert holds(match, see("/", "q=2"))
    assert holds(match, see())


def test_query_parameters_are_not_decoded() -> None:
    assert query_values("a=1&&b&a=%20&=x", "a") == ("1", "%20")
    assert query_values("a=1&&b", "b") == ("",)
    assert query_values(None, "b") == ()


def test_cookies() -> None:
    assert cookie_values(('a=1; b="2";c', 'a=3;d="4')) == {"a": "1", "b": "2", "d": '"4'}
    match = HttpMatch(origin=exact("/").origin, cookies=(header("c", "1", invert=True),))
    assert holds(match, see())
    assert not holds(match, see("/", None, ("cookie", "c=1")))


def test_the_host_is_a_header_too() -> None:
    assert holds(HttpMatch(origin=exact("/").origin, headers=(header("Host", "shop.test"),)), see())


def test_failing_conditions_say_what_was_there() -> None:
    match = prefix("/cart", method="POST", headers=(header("x-user", "Ann"),), query=(header("q", "1"),))
    said = [condition.why for condition in check_match(match, see("/Cart", None, ("x-user", "ann")))]
    assert said == [
        "the path is /Cart, which differs in case",
        "the method is GET",
        "it is ann, which differs in case",
        "the request has no such query parameter",
    ]


def test_descriptions() -> None:
    match = exact("/a", method="GET", headers=(header("x", "1", invert=True), header("y", kind="present")))
    assert describe_match(match) == "GET, path /a, header x not = 1, header y"
    assert describe_match(None) == "any request"
    ranged = ValueMatch(name="n", kind="range", range_start=1, range_end=5)
    assert describe_match(HttpMatch(origin=match.origin, query=(ranged,))) == "query n in 1..4"
