"""Tokens against requests that another site makes a browser send.

https://apisix.apache.org/docs/apisix/plugins/csrf/
"""

import hmac
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable
from hashlib import sha256
from math import isfinite
from secrets import SystemRandom
from time import gmtime, strftime, time

import msgspec

from anygate.model.checks import CsrfCheck
from anygate.services.checks.asked import Asked
from anygate.services.checks.verdict import Refused, Verdict

_SAFE = frozenset(("GET", "HEAD", "OPTIONS"))
_RANDOM = SystemRandom()


class _Token(msgspec.Struct):
    """What a cookie holds: `expires` is when it was made, whatever it is called."""

    random: float
    expires: float
    sign: str


class FormCheck:
    """Wants the token of a cookie in a header, too, unless a request only reads."""

    def __init__(self, settings: CsrfCheck, key: bytes, now: Callable[[], float] = time) -> None:
        self._settings = settings
        self._key = key
        self._now = now
        self._lifetime = settings.lifetime.total_seconds()

    async def ask(self, asked: Asked, verdict: Verdict) -> None:
        """Refuse a request without the token, and give a new one with every answer."""
        verdict.answer.append(("set-cookie", self._write_cookie()))
        fault = "" if asked.method in _SAFE else self._find_fault(asked)
        if fault:
            verdict.add(Refused(401, {"error_msg": fault}))

    def _find_fault(self, asked: Asked) -> str:
        name = self._settings.name
        in_header, in_cookie = asked.headers.get(name.lower()), asked.find_cookie(name)
        if not in_header:
            return "no csrf token in headers"
        if in_cookie is None:
            return "no csrf cookie"
        if in_header != in_cookie:
            return "csrf token mismatch"
        return "" if self._is_ours(in_cookie) else "Failed to verify the csrf token signature"

    def _is_ours(self, text: str) -> bool:
        try:
            token = msgspec.json.decode(b64decode(text, validate=True), type=_Token)
        except (Base64Error, ValueError):
            return False
        if not (isfinite(token.random) and isfinite(token.expires)):
            return False
        is_over = self._lifetime > 0 and int(self._now()) - token.expires > self._lifetime
        sign = _sign(token.random, token.expires, self._key)
        return not is_over and hmac.compare_digest(token.sign.encode(), sign.encode())

    def _write_cookie(self) -> str:
        now = int(self._now())
        # APISIX writes a number with fourteen digits, and reads it so.
        random = float(_write(_RANDOM.random()))
        token = b64encode(msgspec.json.encode(_Token(random, now, _sign(random, now, self._key)))).decode()
        end = strftime("%a, %d-%b-%y %H:%M:%S GMT", gmtime(now + self._lifetime))
        return f"{self._settings.name}={token};path=/;SameSite=Lax;Expires={end}"


def _sign(random: float, made: float, key: bytes) -> str:
    return sha256(f"{{expires:{_write(made)},random:{_write(random)},key:".encode() + key + b"}").hexdigest()


def _write(number: float) -> str:
    return f"{number:.14g}"
