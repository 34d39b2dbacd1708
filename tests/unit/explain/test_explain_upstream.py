import pytest
from explain_models import BACKENDS, origin

from anygate.explain.request import Request
from anygate.explain.seen import SeenRequest, see_request
from anygate.explain.upstream import Way, build_location, build_upstream, rewrite_path
from anygate.model.edit import HeaderEdit, PathRewrite, Redirect, Rewrite
from anygate.model.listener import HttpServer
from anygate.model.match import PathMatch


def see(path: str = "/", host: str = "shop.test", scheme: str = "http", **headers: str) -> SeenRequest:
    sent = (("Host", host), *((name.replace("_", "-"), value) for name, value in headers.items()))
    found = see_request(Request(host="shop.test", path=path, headers=sent, scheme=scheme), HttpServer())
    assert isinstance(found, SeenRequest)
    return found


@pytest.mark.parametrize(
    ("prefix", "value", "path", "result"),
    [
        # The table of Gateway API's HTTPPathModifier.
        ("/foo", "/xyz", "/foo/bar", "/xyz/bar"),
        ("/foo", "/xyz/", "/foo/bar", "/xyz/bar"),
        ("/foo/", "/xyz", "/foo/bar", "/xyz/bar"),
        ("/foo/", "/xyz/", "/foo/bar", "/xyz/bar"),
        ("/foo", "/xyz", "/foo", "/xyz"),
        ("/foo", "/xyz", "/foo/", "/xyz/"),
        ("/foo", "", "/foo/bar", "/bar"),
        ("/foo", "", "/foo/", "/"),
        ("/foo", "", "/foo", "/"),
        ("/foo", "/", "/foo/", "/"),
        ("/foo", "/", "/foo", "/"),
        ("/", "/xyz", "/", "/xyz/"),
        ("/", "/xyz", "/a", "/xyz/a"),
    ],
)
def test_a_prefix_is_replaced_by_elements(prefix: str, value: str, path: str, result: str) -> None:
    match = PathMatch(kind="prefix", value=prefix)
    assert rewrite_path(PathRewrite(kind="prefix", value=value), match, path) == result


def test_other_matches_have_no_prefix_to_replace() -> None:
    rewrite = PathRewrite(kind="prefix", value="/x")
    assert rewrite_path(rewrite, PathMatch(kind="exact", value="/a"), "/a") == "/x"
    assert rewrite_path(rewrite, PathMatch(kind="regex", value="/a.*"), "/ab") == "/x"
    assert rewrite_path(rewrite, PathMatch(kind="string_prefix", value="/a"), "/abc") == "/xbc"
    assert rewrite_path(rewrite, None, "/a") == "/x/a"


def test_an_expression_that_cannot_be_evaluated_leaves_the_path_open() -> None:
    assert rewrite_path(PathRewrite(kind="regex", pattern=r"\pL", value=""), None, "/a") == "?"


def test_the_query_stays() -> None:
    request = Request(host="shop.test", path="/a", query="x=1")
    seen = see_request(request, HttpServer())
    assert isinstance(seen, SeenRequest)
    full = Rewrite(path=PathRewrite(kind="full", value="/b"))
    assert build_upstream(seen, None, full, []).path == "/b?x=1"


def test_header_changes_are_told_against_what_the_client_sent() -> None:
    seen = see(x_a="1", x_b="1", x_c="1")
    first = HeaderEdit(set=(("X-A", "2"),), add=(("x-b", "2"), ("x-new", "n")), remove=("X-C", "x-none"))
    second = HeaderEdit(add=(("x-new", "m"),))
    found = build_upstream(seen, None, None, [first, None, second])
    assert [(each.change, each.name, each.value) for each in found.headers] == [
        ("set", "x-a", "2"),
        ("add", "x-b", "2"),
        ("set", "x-new", "n"),
        ("add", "x-new", "m"),
        ("remove", "x-c", ""),
    ]


def test_hosts() -> None:
    seen = see(host="shop.test:81", x_host="other.test")
    assert build_upstream(seen, None, None, []).host == "shop.test:81"
    assert build_upstream(seen, None, Rewrite(host="up.test"), []).host == "up.test"
    assert build_upstream(seen, None, Rewrite(host_header="X-Host"), []).host == "other.test"
    assert build_upstream(seen, None, Rewrite(host_header="x-none"), []).host == "shop.test:81"
    assert build_upstream(seen, None, Rewrite(host_from_backend=True), [], BACKENDS[0]).host == "shop.test:81"
    assert build_upstream(seen, None, Rewrite(host_from_backend=True), [], BACKENDS[2]).host == ""


@pytest.mark.parametrize(
    ("redirect", "host", "location"),
    [
        ({}, "shop.test", "http://shop.test/a"),
        ({}, "shop.test:80", "http://shop.test:80/a"),
        ({"scheme": "https"}, "shop.test", "https://shop.test/a"),
        ({"scheme": "https"}, "shop.test:80", "https://shop.test:443/a"),
        ({"host": "other.test"}, "shop.test:80", "http://other.test/a"),
        ({"host": "other.test", "port": 8080}, "shop.test", "http://other.test:8080/a"),
        ({"port": 80}, "shop.test", "http://shop.test/a"),
        ({"port": 443}, "shop.test", "http://shop.test:443/a"),
        ({"scheme": "https", "port": 8443}, "shop.test", "https://shop.test:8443/a"),
        ({"path": PathRewrite(kind="full", value="/b")}, "shop.test", "http://shop.test/b"),
    ],
)
def test_locations(redirect: dict[str, object], host: str, location: str) -> None:
    made = Redirect(origin=origin(), **redirect)  # type: ignore[arg-type]
    assert build_location(made, None, see("/a", host), Way(80)) == location


def test_locations_name_the_port_at_which_a_client_finds_the_other_listener() -> None:
    way = Way(80, {80: 10080, 443: 10443})
    seen = see("/a", "shop.test:10080")
    assert build_location(Redirect(origin=origin()), None, seen, way) == "http://shop.test:10080/a"
    secure = Redirect(origin=origin(), scheme="https")
    assert build_location(secure, None, seen, way) == "https://shop.test:10443/a"
    away = Redirect(origin=origin(), scheme="https", host="other.test")
    assert build_location(away, None, seen, way) == "https://other.test/a"
