"""Requests to token services: bounded in time and size, and never repeating a secret in what they say went wrong."""

import asyncio
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

import httpx2
import msgspec

from anygate.credentials.problem import FetchProblem

_PATIENCE = 30.0
_LARGEST = 1 << 20
_SHOWN = 300
_SECRETS = frozenset(
    ("client_secret", "client_assertion", "assertion", "subject_token", "refresh_token", "WebIdentityToken")
)
_LONG = re.compile(r"\S{48,}")
_PLAIN = re.compile(r"[A-Za-z0-9]{6,}")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]+")


@dataclass(frozen=True)
class Answer:
    """What a token service said. `hidden` is what must not be repeated of the request."""

    host: str
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    hidden: tuple[str, ...] = field(default=(), repr=False)

    def quote(self, text: str) -> str:
        """The service's own words, made fit to be shown: one line, not long, without what is secret."""
        for secret in self.hidden:
            text = text.replace(secret, "…")
        # A service that answers with the request in some other spelling must not get it printed.
        text = _LONG.sub("…", _UNPRINTABLE.sub(" ", text)).strip().rstrip(".")
        return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"

    def read_json(self) -> dict[str, Any]:
        """The JSON object of an answer that is fine; raises FetchProblem."""
        if self.status != 200:
            raise FetchProblem(self.describe_refusal())
        found = _decode(self.body)
        if found is None:
            raise FetchProblem(f"{self.host} answered with something else than a JSON object")
        return found

    def describe_refusal(self) -> str:
        """Say what a service answered instead of a credential."""
        said = self.quote(_find_words(_decode(self.body) or {}))
        return f"{self.host} answered {self.status}" + (f": {said}" if said else "")


class Web:
    """Asks token services. `patience` is how many seconds a whole exchange may take."""

    def __init__(self, patience: float = _PATIENCE) -> None:
        self._patience = patience

    async def get(
        self, url: str, *, headers: Mapping[str, str] | None = None, proxy: str = "", direct: bool = False
    ) -> Answer:
        """Ask; `direct` goes past every proxy."""
        request = httpx2.Request("GET", _check_url(url), headers=dict(headers or {}))
        return await self._send(request, (), proxy, direct)

    async def post_form(
        self, url: str, form: Mapping[str, str], *, user: tuple[str, str] | None = None, proxy: str = ""
    ) -> Answer:
        """Send a form; `user` is the name and the password of the client."""
        headers = {"content-type": "application/x-www-form-urlencoded"}
        secrets = [value for key, value in form.items() if key in _SECRETS]
        if user is not None:
            # RFC 6749, section 2.3.1: both are encoded as in a form before they are joined.
            pair = ":".join(quote_plus(one) for one in user)
            headers["authorization"] = "Basic " + b64encode(pair.encode()).decode()
            secrets += [user[1], headers["authorization"].removeprefix("Basic ")]
        content = urlencode(form).encode()
        return await self._send(
            httpx2.Request("POST", _check_url(url), headers=headers, content=content), secrets, proxy
        )

    async def post_json(self, url: str, body: object, *, bearer: str, proxy: str = "") -> Answer:
        """Send JSON with a token."""
        headers = {"content-type": "application/json", "authorization": f"Bearer {bearer}"}
        request = httpx2.Request("POST", _check_url(url), headers=headers, content=msgspec.json.encode(body))
        return await self._send(request, (bearer,), proxy)

    async def _send(
        self, request: httpx2.Request, secrets: Iterable[str], proxy: str = "", direct: bool = False
    ) -> Answer:
        host = request.url.host
        request.headers["accept"] = "application/json, text/xml;q=0.5"
        # What is not packed cannot unpack to more than we are ready to read.
        request.headers["accept-encoding"] = "identity"
        try:
            async with (
                asyncio.timeout(self._patience),
                httpx2.AsyncClient(proxy=proxy or None, trust_env=not direct, timeout=self._patience) as client,
            ):
                answer = await client.send(request, stream=True)
                try:
                    body = await _read(answer, host)
                finally:
                    await answer.aclose()
        except TimeoutError:
            raise FetchProblem(f"{host} did not answer within {self._patience:g} seconds") from None
        except (httpx2.HTTPError, OSError) as problem:
            raise FetchProblem(f"cannot ask {host}: {_describe(problem)}") from None
        except (httpx2.InvalidURL, ValueError, ImportError):
            # What is said about a proxy that cannot be used quotes its password.
            raise FetchProblem(f"cannot ask {host}: the address or its proxy cannot be used") from None
        return Answer(host, answer.status_code, answer.headers, body, _spellings(secrets))


async def _read(answer: httpx2.Response, host: str) -> bytes:
    body = bytearray()
    async for chunk in answer.aiter_raw():
        body += chunk
        if len(body) > _LARGEST:
            raise FetchProblem(f"{host} answered with more than {_LARGEST:,} bytes")
    return bytes(body)


def _check_url(url: str) -> httpx2.URL:
    try:
        found = httpx2.URL(url)
    except (httpx2.InvalidURL, ValueError, TypeError):
        raise FetchProblem("the address of the token service is not a URL") from None
    if found.scheme not in ("http", "https") or not found.host:
        raise FetchProblem("the address of the token service is not an http or https URL")
    return found


def _describe(problem: Exception) -> str:
    return _UNPRINTABLE.sub(" ", str(problem)).strip() or type(problem).__name__


def _spellings(secrets: Iterable[str]) -> tuple[str, ...]:
    """Secrets as they are, as they are sent, and their plain parts, which look the same however they are encoded."""
    found: set[str] = set()
    for one in secrets:
        found.update((one, quote(one, safe=""), quote_plus(one)), _PLAIN.findall(one))
    return tuple(sorted(filter(None, found), key=len, reverse=True))


def _decode(body: bytes) -> dict[str, Any] | None:
    try:
        found = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _find_words(found: Mapping[str, Any]) -> str:
    """The error of an OAuth service (`error`, `error_description`) or of a Google API (`error.message`)."""
    error = found.get("error")
    if isinstance(error, dict):
        words = [error.get("status"), error.get("message")]
    else:
        words = [error, found.get("error_description")]
    return ": ".join(word for word in words if isinstance(word, str) and word)
