"""The request to explain, written as for curl."""

import base64
import re
from collections.abc import Sequence
from urllib.parse import unquote

import msgspec

from anygate.errors import UsageError

DEFAULT_PORTS = {"http": 80, "https": 443}
FORM = "application/x-www-form-urlencoded"

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One request as a client sends it.

    `host` and `port` are those of the URL: where the client connects and the server name it gives in TLS. A
    `host` header overrides what it asks for there. `query` is None where the URL has no `?`.
    """

    method: str = "GET"
    scheme: str = "http"
    host: str
    port: int = 80
    path: str = "/"
    query: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None

    @property
    def authority(self) -> str:
        """The host the client asks for, with its port unless that is the scheme's own."""
        for name, value in self.headers:
            if name.lower() == "host":
                return value
        return self.host if self.port == DEFAULT_PORTS[self.scheme] else f"{self.host}:{self.port}"

    @property
    def target(self) -> str:
        """The path with the query."""
        return self.path if self.query is None else f"{self.path}?{self.query}"

    @property
    def url(self) -> str:
        """The URL the client was given, with its port unless that is the scheme's own."""
        port = "" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{self.host}{port}{self.target}"


def parse_request(url: str, *, method: str = "", headers: Sequence[str] = (), body: bytes | None = None) -> Request:
    """Read curl's arguments: a URL (http without a scheme), `-X`, every `-H` and the body of `-d`.

    A body makes the method POST and the content type a form's unless they are given. Nothing else is added: a
    header that curl sends of itself (`accept`, `user-agent`) has to be named. The path is taken as it is.
    """
    scheme, rest = _split_scheme(url)
    authority, path, query = _split_target(rest.partition("#")[0])
    user, _, place = authority.rpartition("@")
    host, port = _split_port(place, scheme, url)
    sent = parse_headers(headers)
    names = {name.lower() for name, _ in sent}
    if user and "authorization" not in names:
        token = base64.b64encode(unquote(user).encode()).decode()
        sent = (*sent, ("authorization", f"Basic {token}"))
    if body is not None and "content-type" not in names:
        sent = (*sent, ("content-type", FORM))
    if method and not _TOKEN.fullmatch(method):
        raise UsageError(f"{method!r} is not an HTTP method")
    return Request(
        method=method or ("GET" if body is None else "POST"),
        scheme=scheme,
        host=host,
        port=port,
        path=path,
        query=query,
        headers=sent,
        body=body,
    )


def parse_headers(lines: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Read `-H` values in curl's form: `name: value`, `name;` for an empty value, `name:` for none at all."""
    found: list[tuple[str, str]] = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon and line.endswith(";"):
            name, colon, value = line[:-1], ";", ""
        if not colon or not _TOKEN.fullmatch(name.strip()):
            raise UsageError(f"{line!r} is not a header: write 'name: value'")
        if "\n" in value or "\r" in value or "\0" in value:
            raise UsageError(f"the value of header {name.strip()} has a line break or a zero byte")
        if colon == ":" and not value.strip():
            continue
        found.append((name.strip(), value.strip()))
    return tuple(found)


def _split_scheme(url: str) -> tuple[str, str]:
    found = _SCHEME.match(url)
    if not found:
        return "http", url
    scheme = found[1].lower()
    if scheme not in DEFAULT_PORTS:
        raise UsageError(f"{url}: only http and https URLs can be explained")
    return scheme, url[found.end() :]


def _split_target(rest: str) -> tuple[str, str, str | None]:
    """Split what follows the scheme into authority, path and query."""
    before, mark, query = rest.partition("?")
    authority, slash, path = before.partition("/")
    return authority, slash + path if slash else "/", query if mark else None


def _split_port(place: str, scheme: str, url: str) -> tuple[str, int]:
    host, colon, digits = place.rpartition(":")
    if not colon or place.endswith("]"):
        host, digits = place, ""
    if not host or (":" in host and not host.startswith("[")):
        raise UsageError(f"{url}: no host")
    if not digits:
        return host, DEFAULT_PORTS[scheme]
    if not (digits.isascii() and digits.isdigit() and 0 < int(digits) < 65536):
        raise UsageError(f"{url}: {digits!r} is not a port")
    return host, int(digits)
