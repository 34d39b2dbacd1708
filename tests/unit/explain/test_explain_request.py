import pytest

from anygate.errors import UsageError
from anygate.explain import parse_request


@pytest.mark.parametrize(
    ("url", "scheme", "host", "port", "target"),
    [
        ("shop.test", "http", "shop.test", 80, "/"),
        ("shop.test:8080/a?x=1", "http", "shop.test", 8080, "/a?x=1"),
        ("https://shop.test/a#part", "https", "shop.test", 443, "/a"),
        ("HTTPS://shop.test?x", "https", "shop.test", 443, "/?x"),
        ("http://shop.test/a?", "http", "shop.test", 80, "/a?"),
        ("http://[::1]:81/a/../b//c", "http", "[::1]", 81, "/a/../b//c"),
        ("[::1]", "http", "[::1]", 80, "/"),
        ("shop.test/a:1", "http", "shop.test", 80, "/a:1"),
    ],
)
def test_urls_are_read_as_curl_reads_them(url: str, scheme: str, host: str, port: int, target: str) -> None:
    found = parse_request(url)
    assert (found.scheme, found.host, found.port, found.target) == (scheme, host, port, target)


@pytest.mark.parametrize("url", ["ftp://shop.test", "http://", "http:///a", "shop.test:x", "shop.test:70000", "::1/a"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        parse_request(url)


def test_a_body_makes_a_form_post() -> None:
    found = parse_request("shop.test", body=b"a=1")
    assert found.method == "POST"
    assert found.headers == (("content-type", "application/x-www-form-urlencoded"),)


def test_what_is_given_holds_over_what_a_body_implies() -> None:
    found = parse_request("shop.test", method="PUT", headers=["Content-Type: a/b"], body=b"")
    assert found.method == "PUT"
    assert found.headers == (("Content-Type", "a/b"),)


def test_headers_are_read_as_curl_reads_them() -> None:
    found = parse_request("shop.test", headers=["X-A: 1", "x-a:2 ", "x-empty;", "x-none:"])
    assert found.headers == (("X-A", "1"), ("x-a", "2"), ("x-empty", ""))


@pytest.mark.parametrize("line", ["x-a", "x a: 1", ": 1", "x-a: 1\r\nx-b: 2"])
def test_what_is_no_header_is_refused(line: str) -> None:
    with pytest.raises(UsageError):
        parse_request("shop.test", headers=[line])


def test_a_method_is_one_word() -> None:
    with pytest.raises(UsageError):
        parse_request("shop.test", method="GET /")


def test_the_host_header_overrides_the_url() -> None:
    assert parse_request("127.0.0.1:8080", headers=["Host: shop.test"]).authority == "shop.test"
    assert parse_request("shop.test:8080").authority == "shop.test:8080"
    assert parse_request("https://shop.test:443").authority == "shop.test"


def test_a_user_in_the_url_becomes_basic_authentication() -> None:
    assert parse_request("http://me:p%40ss@shop.test/").headers == (("authorization", "Basic bWU6cEBzcw=="),)
