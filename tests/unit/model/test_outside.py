"""Which paths a rewrite of their prefix would put out of order."""

import re

import pytest

from anygate.model.outside import outside_pattern


@pytest.mark.parametrize(
    ("prefix", "value", "path"),
    [
        ("/a", "/new/", "/a.."),
        ("/a", "/new/", "/a../b"),
        ("/a", "/", "/a./b"),
        ("/a", "/.", "/a./b"),
        ("/a", "/.", "/a/b"),
        ("/a.b", "/", "/a.b../c"),
    ],
)
def test_paths_that_would_lead_out_are_found(prefix: str, value: str, path: str) -> None:
    assert re.fullmatch(outside_pattern(prefix, value), path)


@pytest.mark.parametrize(
    ("prefix", "value", "path"),
    [
        ("/a", "/", "/a"),
        ("/a", "/", "/a/b"),
        ("/a", "/", "/a.json"),
        ("/a", "/", "/a..."),
        ("/a", "/", "/a/..b"),
        ("/a.b", "/", "/aXb../c"),
        ("/a", "/b", "/a../c"),
    ],
)
def test_others_are_left_alone(prefix: str, value: str, path: str) -> None:
    pattern = outside_pattern(prefix, value)
    assert not pattern or not re.fullmatch(pattern, path)


def test_a_prefix_of_whole_elements_is_safe_as_it_is() -> None:
    assert outside_pattern("/a/", "/new/") == ""
