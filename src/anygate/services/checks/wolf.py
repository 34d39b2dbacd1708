"""Tokens of wolf, a server that says who may do what.

https://apisix.apache.org/docs/apisix/plugins/wolf-rbac/
"""

import asyncio
from collections.abc import Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlencode

import msgspec

from anygate.model.checks import WolfApplication, WolfCheck
from anygate.services.checks.asked import Asked
from anygate.services.checks.verdict import Passed, Refused, Verdict
from anygate.services.complaints import Complaints

if TYPE_CHECKING:
    import httpx2

_TOKEN = "x-rbac-token"  # noqa: S105 - the name of it
_VERSION = "V1"
_PATIENCE = 10.0
_TRIES, _PAUSE = 3, 0.1
_FIRST_FAILURE = 500
_UNSEEN = "check permission failed! parse response json failed!"


class WolfClients:
    """The clients for wolf servers whose certificate counts, and for others, made when they are needed."""

    def __init__(self) -> None:
        self._clients: dict[bool, httpx2.AsyncClient] = {}

    async def get(self, application: WolfApplication, path: str, headers: Mapping[str, str]) -> "httpx2.Response":
        """Ask an application's server; raises what httpx2 raises."""
        import httpx2  # takes long to import

        verify, reached = application.verify, application.reached
        if verify not in self._clients:
            # It asks for many people, so what the server has one of them keep must not be sent along for another.
            cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))
            self._clients[verify] = httpx2.AsyncClient(
                timeout=_PATIENCE, trust_env=False, verify=verify, cookies=cookies
            )
        url = httpx2.URL(application.server + path)
        if reached is None:
            return await self._clients[verify].get(url, headers=headers)
        place = url.copy_with(host=reached[0], port=reached[1])
        named = {**headers, "host": url.netloc.decode()}
        return await self._clients[verify].get(place, headers=named, extensions={"sni_hostname": url.host})

    async def close(self) -> None:
        """Close what is open."""
        for client in self._clients.values():
            await client.aclose()


class _User(msgspec.Struct):
    id: int | str | None = None
    username: str | None = None
    nickname: str | None = None


class _Content(msgspec.Struct, rename="camel"):
    user_info: _User | None = None


class _Answer(msgspec.Struct):
    reason: str | None = None
    data: _Content | None = None


class WolfServerCheck:
    """Asks the wolf server of the application that a token is for."""

    def __init__(self, settings: WolfCheck, clients: WolfClients, complaints: Complaints) -> None:
        self._settings = settings
        self._clients = clients
        self._complaints = complaints
        self._applications = {one.id: one for one in settings.applications}

    async def ask(self, asked: Asked, verdict: Verdict) -> None:
        """Put the application's name on a request that its user may make, and say who that is."""
        token = _find_token(asked)
        if token is None:
            verdict.add(Refused(401, {"message": "Missing rbac token in request"}))
            return
        parts = token.split("#", 2)
        if len(parts) != 3 or parts[0] != _VERSION:
            verdict.add(Refused(401, {"message": "invalid rbac token: parse failed"}))
            return
        application = self._applications.get(parts[1])
        if application is None:
            verdict.add(Refused(401, {"message": "Invalid appid in rbac token"}))
            return
        status, answer = await self._ask_server(application, parts[2], asked)
        user = answer.data.user_info if answer.data else None
        told = _describe_user(application, user)
        verdict.answer += [(name.lower(), value) for name, value in told.items()]
        if status != 200:
            known = {"username": user.username, "nickname": user.nickname or user.username} if user else {}
            words = {"message": answer.reason, **known}
            verdict.add(Refused(status, {name: value for name, value in words.items() if value is not None}))
            return
        # What clients say of themselves in these headers must not reach the backend.
        removed = tuple(name for name in application.user_headers if name not in told)
        verdict.add(Passed({**told, self._settings.header: application.caller}, removed))

    async def _ask_server(self, application: WolfApplication, token: str, asked: Asked) -> tuple[int, _Answer]:
        """The status of wolf's answer and what it says; 500 if there is none."""
        import httpx2

        question = {
            "appID": application.id,
            "resName": asked.path,
            "action": asked.method,
            "clientIP": asked.address,
        }
        path = f"/wolf/rbac/access_check?{urlencode(question, quote_via=quote)}"
        headers = {_TOKEN: token, "content-type": "application/json; charset=utf-8"}
        reason = ""
        for at in range(_TRIES):
            if at:
                await asyncio.sleep(_PAUSE)
            try:
                found = await self._clients.get(application, path, headers)
            except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as problem:
                reason = f"err:{type(problem).__name__}"
                break
            if found.status_code < _FIRST_FAILURE:
                return _read(found.status_code, found.content)
            reason = f"status:{found.status_code}"
        self._complaints.tell(f"the wolf server of {application.id} cannot be asked: {reason}")
        return _FIRST_FAILURE, _Answer(reason=f"request to wolf-server failed, {reason}")


def _find_token(asked: Asked) -> str | None:
    """The token from the first place that has one."""
    parameter = asked.find_parameter("rbac_token")
    if parameter is not None:
        return unquote(parameter)
    for name in ("authorization", _TOKEN):
        if name in asked.headers:
            return asked.headers[name]
    return asked.find_cookie(_TOKEN)


def _read(status: int, content: bytes) -> tuple[int, _Answer]:
    try:
        return status, msgspec.json.decode(content, type=_Answer)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # A permission that cannot be read is none.
        return (_FIRST_FAILURE if status == 200 else status), _Answer(reason=_UNSEEN)


def _describe_user(application: WolfApplication, user: _User | None) -> dict[str, str]:
    """What backends and clients are told about a user."""
    if user is None:
        return {}
    values: tuple[Any, ...] = (user.id, user.username, user.nickname or user.username)
    told = {name: str(value) for name, value in zip(application.user_headers, values, strict=True) if value is not None}
    # A name that people give themselves may hold anything.
    coded = {name for name, value in told.items() if name.endswith("Nickname") or not _is_plain(value)}
    return {name: quote(value, safe="") if name in coded else value for name, value in told.items()}


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()
