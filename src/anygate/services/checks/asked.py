"""What Envoy says about a request that it asks about."""

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote


class Asked(NamedTuple):
    """A request: its target is path and query as they were sent. What is no UTF-8 in it stands as surrogates.

    `headers` are by names in lower case; of several with one name the values are joined, as if they were one.
    `address` is the client's; `body` is empty unless a check wants to see it.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""
    address: str = ""

    @property
    def path(self) -> str:
        """The path without what encodes it."""
        return unquote(self.target.partition("?")[0])

    def find_cookie(self, name: str) -> str | None:
        """The value of a cookie, or None if there is none."""
        for pair in self.headers.get("cookie", "").split(";"):
            found, equals, value = pair.strip().partition("=")
            if found == name and equals:
                return value
        return None

    def find_parameter(self, name: str) -> str | None:
        """The first value of a parameter of the query as it was sent, or None if there is none."""
        for pair in self.target.partition("?")[2].split("&"):
            found, equals, value = pair.partition("=")
            if found == name and equals:
                return value
        return None


def read_asked(request: Any) -> Asked:
    """Read an `AttributeContext`."""
    http = request.request.http
    headers: dict[str, str] = {}
    for one in http.header_map.headers:
        value = (one.raw_value or one.value.encode()).decode("utf-8", "surrogateescape")
        headers[one.key] = f"{headers[one.key]}, {value}" if one.key in headers else value
    address = request.source.address.socket_address.address
    return Asked(http.method, http.path, headers, http.raw_body, address)
