"""Each expectation was seen on Envoy 1.40; the property test compares many more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anygate.explain.paths import normalize_path


@pytest.mark.parametrize(
    ("path", "routed"),
    [
        ("/a/../b", "/b"),
        ("/a/%2e%2E/b", "/b"),
        ("/../..", "/"),
        ("/a/.", "/a/"),
        ("/a/b/..", "/a/"),
        ("/a/..;x=1/b", "/b"),
        ("/a/%2e%2e;/b", "/a/..;/b"),
        ("/a/...;/b", "/a/...;/b"),
        ("/a..b/..c", "/a..b/..c"),
        ("/a\\b", "/a/b"),
        ("//a///b//", "/a/b/"),
        ("///", "//"),
        ("/%41%7e%2D", "/A~-"),
        ("/a%20b%c3%A4", "/a%20b%c3%A4"),
        ('/a|b"', "/a%7Cb%22"),
        ("/%zz%", "/%zz%"),
        ("/a%2%41", "/a%252A"),
        ("/a%%34%31", "/a%2541"),
    ],
)
def test_paths_are_put_in_order_as_envoy_does(path: str, routed: str) -> None:
    assert normalize_path(path) == (routed, False, "")


def test_an_escaped_slash_is_handled_as_the_server_says() -> None:
    path = "/a%2F..%5cb"
    assert normalize_path(path, "redirect") == ("/b", True, "")
    assert normalize_path(path, "forward") == ("/b", False, "")
    assert normalize_path(path, "keep") == (path, False, "")
    assert normalize_path(path, "reject").refusal


def test_repeated_slashes_may_be_kept() -> None:
    assert normalize_path("//a//b", merge_slashes=False).path == "//a//b"


@pytest.mark.parametrize("path", ["a", "", "*", "/a b", "/ä", "/a#b", "/a%00", "/\x7f"])
def test_what_envoy_refuses_is_refused(path: str) -> None:
    assert normalize_path(path).refusal


@given(st.text(st.sampled_from("/ab.%2eF4\\;|"), max_size=20))
def test_any_path_has_an_answer(text: str) -> None:
    found = normalize_path("/" + text)
    assert found.path.startswith("/")
    assert "/../" not in found.path
    assert "//" not in found.path or found.path == "//"
