"""Discovery documents: what OpenID providers say of themselves.

https://openid.net/specs/openid-connect-discovery-1_0.html
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

WELL_KNOWN = "/.well-known/openid-configuration"
"""Where a provider's document is, behind its issuer (section 4)."""

_ENDPOINTS = (
    "authorization_endpoint",
    "token_endpoint",
    "end_session_endpoint",
    "jwks_uri",
    "userinfo_endpoint",
    "introspection_endpoint",
)
"""The fields with URLs, in the order of those of `Endpoints`; the last one is of RFC 8414."""

_URL = re.compile(r"https?://[^\s/?#]+[\x21-\x7e]*")


class Document(NamedTuple):
    """A document by its address; `verify` says whether the server's certificate has to be good."""

    url: str
    verify: bool = True


class Endpoints(NamedTuple):
    """What a document says; empty where it says nothing."""

    issuer: str
    authorization: str = ""
    token: str = ""
    end_session: str = ""
    keys: str = ""
    userinfo: str = ""
    introspection: str = ""


class Missing(NamedTuple):
    """Why a document says nothing, such as `it answers 404`."""

    reason: str


Said = Endpoints | Missing


class Documents:
    """The documents that somebody has asked for. Reading manifests asks nobody: it notes which ones it `wanted`."""

    def __init__(self, known: Mapping[Document, Said] = MappingProxyType({})) -> None:
        self._known = known
        self.wanted: set[Document] = set()

    def find(self, document: Document) -> Said | None:
        """What a document says; None before it was asked for."""
        self.wanted.add(document)
        return self._known.get(document)


def parse_document(document: Document, content: bytes) -> Said:
    """Read a document. One that came with TLS may not lead to where there is none."""
    try:
        found = msgspec.json.decode(content)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        return Missing("its document is not a JSON object")
    issuer = found.get("issuer")
    if not isinstance(issuer, str) or not issuer:
        return Missing("its document names no issuer")
    urls = []
    for name in _ENDPOINTS:
        url = _read_url(found.get(name), document)
        if url is None:
            kind = "https" if document.url.startswith("https:") else "http or https"
            return Missing(f"the {name} in its document is not an {kind} URL")
        urls.append(url)
    return Endpoints(issuer, *urls)


def _read_url(value: Any, document: Document) -> str | None:
    """The URL, an empty one if there is none, or None if it cannot be used."""
    if value is None:
        return ""
    if not isinstance(value, str) or not _URL.fullmatch(value):
        return None
    return None if document.url.startswith("https:") and value.startswith("http:") else value
