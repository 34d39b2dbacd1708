"""Tokens against forged requests: what is given, and what counts."""

import asyncio
import json
from base64 import b64decode, b64encode
from datetime import timedelta
from typing import Any

import pytest

from anygate.model.checks import CsrfCheck
from anygate.model.origin import Origin
from anygate.services.checks.asked import Asked
from anygate.services.checks.forms import FormCheck
from anygate.services.checks.verdict import Verdict

NAME = "apisix-csrf-token"
NOW = 1_700_000_000.0
# A token of APISIX's own tests, with the key that they use.
KNOWN = (
    "eyJzaWduIjoiZTlhNWVkOTBmZDc2YjRhMTYyMzg1ZDU2Y2ZhZDI1N2MxNmI0MWY1MjFjZWUwODczNzExM2NlYzZkZDQwMWJmNyIsInJhbmRvbSI6"
    "MC4zNjcxNDg2NDI2MjE0MywiZXhwaXJlcyI6NzIwMH0="
)


def ask(asked: Asked, *, now: float = NOW, lifetime: int = 7200, key: bytes = b"userkey") -> tuple[dict[str, Any], str]:
    """The words of a refusal, and the token that the answer sets."""
    settings = CsrfCheck(origin=Origin("", "", ""), secret="key", name=NAME, lifetime=timedelta(seconds=lifetime))
    verdict = Verdict()
    asyncio.run(FormCheck(settings, key, lambda: now).ask(asked, verdict))
    (cookie,) = (value for name, value in verdict.answer if name == "set-cookie")
    token = cookie.removeprefix(f"{NAME}=").partition(";")[0]
    return dict(verdict.refused.words) if verdict.refused else {}, token


def post(header: str | None = None, cookie: str | None = None) -> Asked:
    headers = {} if header is None else {NAME: header}
    return Asked("POST", "/", headers if cookie is None else {**headers, "cookie": f"a=b; {NAME}={cookie}; c=d"})


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_who_only_reads_is_given_a_token(method: str) -> None:
    refused, token = ask(Asked(method, "/", {}))
    assert refused == {}
    assert json.loads(b64decode(token))["expires"] == NOW
    assert ask(post(token, token))[0] == {}


def test_each_answer_has_a_token_of_its_own() -> None:
    (_, one), (_, other) = ask(post()), ask(post())
    assert one != other
    assert b"userkey" not in b64decode(one)


def test_the_cookie_ends_with_the_token() -> None:
    settings = CsrfCheck(origin=Origin("", "", ""), secret="key", name=NAME, lifetime=timedelta(hours=2))
    verdict = Verdict()
    asyncio.run(FormCheck(settings, b"k", lambda: NOW).ask(Asked("GET", "/", {}), verdict))
    assert verdict.answer[0][1].partition(";")[2] == "path=/;SameSite=Lax;Expires=Wed, 15-Nov-23 00:13:20 GMT"


def test_a_token_of_apisix_holds() -> None:
    assert ask(post(KNOWN, KNOWN), lifetime=0)[0] == {}
    assert ask(post(KNOWN, KNOWN), now=7200 + 7200)[0] == {}


def forged(**changes: object) -> str:
    return b64encode(json.dumps({**json.loads(b64decode(KNOWN)), **changes}).encode()).decode()


@pytest.mark.parametrize(
    "token",
    [
        forged(random=0.5),
        forged(expires=7201),
        forged(sign="0" * 64),
        forged(random="0.36714864262143"),
        forged(random=True),
        b64encode(b"[]").decode(),
        b64encode(b"\xff").decode(),
        b64encode(b'{"random": 1e999, "expires": 1, "sign": ""}').decode(),
        "no base64!",
    ],
)
def test_a_token_that_is_not_ours_does_not_count(token: str) -> None:
    assert ask(post(token, token), lifetime=0)[0] == {"error_msg": "Failed to verify the csrf token signature"}


@pytest.mark.parametrize(
    ("header", "cookie", "told"),
    [
        (None, KNOWN, "no csrf token in headers"),
        ("", KNOWN, "no csrf token in headers"),
        (KNOWN, None, "no csrf cookie"),
        (KNOWN, "other", "csrf token mismatch"),
    ],
)
def test_the_token_has_to_come_twice(header: str | None, cookie: str | None, told: str) -> None:
    assert ask(post(header, cookie), lifetime=0)[0] == {"error_msg": told}


def test_an_old_token_or_one_of_another_key_does_not_count() -> None:
    told = {"error_msg": "Failed to verify the csrf token signature"}
    assert ask(post(KNOWN, KNOWN), now=7200 + 7201)[0] == told
    assert ask(post(KNOWN, KNOWN), lifetime=0, key=b"other")[0] == told
