"""Signed requests, as APISIX 3.11 and later have them (a form of draft-cavage-http-signatures).

https://apisix.apache.org/docs/apisix/plugins/hmac-auth/
"""

import hmac
import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from time import time

import msgspec

from anygate.model.checks import HmacCheck
from anygate.services.checks.asked import Asked
from anygate.services.checks.verdict import Passed, Refused, Verdict

_SCHEME = "Signature"
_TARGET = "@request-target"
_FIELD = re.compile(r'\s*([A-Za-z0-9]+)="(.*?)"')
_REFUSED = "client request can't be validated"
_DIGESTS = {"hmac-sha1": "sha1", "hmac-sha256": "sha256", "hmac-sha512": "sha512"}
_DATES = ("%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y")
"""The three forms of RFC 9110, 5.6.7."""


class SignatureCheck:
    """Recognises who has signed a request."""

    def __init__(self, settings: HmacCheck, keys: bytes, now: Callable[[], float] = time) -> None:
        self._settings = settings
        self._keys = msgspec.json.decode(keys, type=dict[str, tuple[str, str]])
        self._now = now

    async def ask(self, asked: Asked, verdict: Verdict) -> None:
        """Put the name on the request of a caller who is recognised, or who need not be."""
        settings = self._settings
        caller, told = "", _find_fault(asked.headers.get("authorization"))
        if not told:
            caller = self._recognise(asked)
        caller = caller or settings.anonymous
        if caller:
            removed = ("authorization",) if settings.hide_credentials else ()
            verdict.add(Passed({settings.header: caller}, removed))
            return
        challenge = {"www-authenticate": settings.challenge} if settings.challenge else {}
        verdict.add(Refused(401, {"message": f"{_REFUSED}: {told}" if told else _REFUSED}, challenge))

    def _recognise(self, asked: Asked) -> str:
        """The caller, or nobody."""
        written = asked.headers["authorization"][len(_SCHEME) :].split(",")
        # Looked for at the beginning only: anywhere, it would take a long name that is none the square of its length.
        fields = (found for part in written if (found := _FIELD.match(part)) is not None)
        given = {found[1]: found[2] for found in fields}
        caller, key = self._keys.get(given.get("keyId", ""), ("", ""))
        algorithm, names = given.get("algorithm", ""), given.get("headers", "").split()
        is_good = (
            caller
            and algorithm in self._settings.algorithms
            and self._is_fresh(asked.headers.get("date", ""))
            and all(name in names for name in self._settings.signed_headers)
            and _is_plain(names)
            and _is_same(given.get("signature", ""), _sign(asked, given["keyId"], key, algorithm, names))
            and self._is_whole(asked)
        )
        return caller if is_good else ""

    def _is_fresh(self, date: str) -> bool:
        allowed = self._settings.clock_skew.total_seconds()
        if not allowed:
            return True
        moment = _parse_date(date)
        return moment is not None and abs(int(self._now()) - moment) <= allowed

    def _is_whole(self, asked: Asked) -> bool:
        """Whether the body is the one that the digest is of, where bodies are looked at."""
        if not self._settings.body_limit:
            return True
        wanted = "SHA-256=" + b64encode(sha256(asked.body).digest()).decode()
        return hmac.compare_digest(asked.headers.get("digest", "").encode("utf-8", "surrogateescape"), wanted.encode())


def _find_fault(authorization: str | None) -> str:
    """What clients are told about a header that holds no signature; of one that does they are told nothing."""
    if authorization is None:
        return "missing Authorization header"
    return "" if authorization.startswith(_SCHEME) else f"Authorization header does not start with '{_SCHEME}'"


def _sign(asked: Asked, key_id: str, key: str, algorithm: str, names: list[str]) -> bytes:
    """The signature that a request should have. Headers that it does not have are not signed."""
    lines = [key_id]
    for name in names:
        value = asked.headers.get(name.lower())
        if value is not None:
            lines.append(f"{name}: {value}")
        elif name == _TARGET:
            lines.append(f"{asked.method} {asked.target or '/'}")
    text = "".join(f"{line}\n" for line in lines)
    return hmac.digest(key.encode(), text.encode("utf-8", "surrogateescape"), _DIGESTS[algorithm])


def _is_plain(names: list[str]) -> bool:
    """Whether each header is named once: a text that repeats long ones is longer than all that was sent."""
    return len({name.lower() for name in names}) == len(names)


def _is_same(given: str, wanted: bytes) -> bool:
    try:
        return hmac.compare_digest(b64decode(given, validate=True), wanted)
    except (Base64Error, ValueError):
        return False


def _parse_date(text: str) -> float | None:
    """A date as HTTP writes it, in seconds since 1970."""
    for form in _DATES:
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC).timestamp()
        except ValueError:
            continue
    return None
