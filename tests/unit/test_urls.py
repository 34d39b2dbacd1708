"""URLs that people wrote."""

import pytest

from anygate.urls import split_url


def test_a_url_comes_in_its_parts() -> None:
    parts = split_url("https://login.example.com:8443/token?a=b")
    assert (parts.scheme, parts.hostname, parts.port, parts.path) == ("https", "login.example.com", 8443, "/token")


@pytest.mark.parametrize("text", ["https://[::1/", "https://a]b/", "http://host:99999/", "http://host:port/"])
def test_what_is_no_url_has_no_parts(text: str) -> None:
    assert split_url(text) == ("", "", "", "", "")
