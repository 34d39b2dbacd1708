"""Signed requests: which ones tell who has sent them, and what the others are answered."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from time import process_time
from typing import Any

import pytest

from anygate.model.checks import HmacCheck
from anygate.model.origin import Origin
from anygate.services.checks.asked import Asked
from anygate.services.checks.signatures import SignatureCheck
from anygate.services.checks.verdict import Verdict

KEYS = json.dumps({"consumer1-key": ["ann", "2bda943c-ba2b-11ec-ba07-00163e1250b5"]}).encode()
FIRST_SIGNATURE = "746z4VISwZehUwZdzTV486ZMMbBtakmMHKPfs/A4RdU="
SECOND_SIGNATURE = "KoOlbkDIR/JzlKK47eURewnIpmhpkQU+KIyBUhqVfmo="
FIRST_DATE, SECOND_DATE = "Fri, 12 Sep 2025 23:53:18 GMT", "Sat, 13 Sep 2025 00:04:34 GMT"
NOW = datetime(2025, 9, 12, 23, 55, tzinfo=UTC)
USER = "x-consumer-username"


def ask(asked: Asked, now: datetime = NOW, **settings: Any) -> Verdict:
    made = HmacCheck(origin=Origin("", "", ""), secret="keys", header=USER, challenge='hmac realm="hmac"', **settings)
    verdict = Verdict()
    asyncio.run(SignatureCheck(made, KEYS, now.timestamp).ask(asked, verdict))
    return verdict


def written(signature: str = FIRST_SIGNATURE, **fields: str) -> str:
    given = {"keyId": "consumer1-key", "algorithm": "hmac-sha256", "headers": "@request-target date"}
    parts = [f'{name}="{value}"' for name, value in {**given, "signature": signature, **fields}.items()]
    return "Signature " + ",".join(parts)


def asked(authorization: str = "", *, method: str = "POST", target: str = "/foo", **headers: str) -> Asked:
    return Asked(method, target, {"authorization": authorization or written(), "date": FIRST_DATE, **headers}, b"{}")


def second(**headers: str) -> Asked:
    """A request with headers that are signed, and the digest of its body."""
    named = {"x-custom-header-a": "test1", "x-custom-header-b": "test2", "date": SECOND_DATE, **headers}
    named["digest"] = "SHA-256=RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o="
    signed = "@request-target date x-custom-header-a x-custom-header-b"
    return asked(written(SECOND_SIGNATURE, headers=signed), **named)


# The signatures are those of the examples at
# https://higress.cn/en/docs/latest/user/plugins/authentication/hmac-auth-apisix
def test_a_signed_request_tells_who_has_sent_it() -> None:
    verdict = ask(asked())
    assert (verdict.refused, verdict.headers, verdict.removed) == (None, {USER: "ann"}, set())


def test_headers_and_the_body_may_be_signed_too() -> None:
    wanted = ("date", "x-custom-header-a", "x-custom-header-b")
    now, other = datetime(2025, 9, 13, 0, 5, tzinfo=UTC), b'{"key":"value"}'
    assert ask(second(), now, signed_headers=wanted, body_limit=1000).headers == {USER: "ann"}
    assert ask(second(**{"x-custom-header-a": "other"}), now).refused
    assert ask(second()._replace(body=other), now, body_limit=1000).refused
    assert ask(second()._replace(body=other), now).refused is None


def test_the_credential_is_hidden_on_demand() -> None:
    assert ask(asked(), hide_credentials=True).removed == {"authorization"}


@pytest.mark.parametrize(
    "tampered",
    [
        asked(method="PUT"),
        asked(target="/bar"),
        asked(target="/foo?a=1"),
        asked(date="Fri, 12 Sep 2025 23:53:19 GMT"),
        asked(date=""),
        asked(date="yesterday"),
        asked(written("")),
        asked(written("no base64!")),
        asked(written(keyId="nobody")),
        asked(written(algorithm="none")),
        asked(written(algorithm="hmac-sha512")),
        asked(written(headers="@request-target")),
        asked(written("Wp7DqQEm8m22h41cjeF+Z2C2/yIbg3TG6FBqXV+JAnI=", headers="@request-target date Date")),
        asked("Signature"),
    ],
)
def test_what_is_not_signed_so_is_refused_without_saying_why(tampered: Asked) -> None:
    refused = ask(tampered).refused
    assert refused
    assert (refused.status, refused.body) == (401, '{"message":"client request can\'t be validated"}\n')
    assert ("www-authenticate", 'hmac realm="hmac"') in ask(tampered).answer


def test_one_request_does_not_keep_all_others_waiting() -> None:
    begun = process_time()
    assert ask(asked(f"Signature {'a' * 60_000}")).refused
    signed = "date " + "x-long " * 5_000
    assert ask(asked(written(headers=signed), **{"x-long": "a" * 30_000})).refused
    assert process_time() - begun < 1


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({}, "missing Authorization header"),
        ({"authorization": "Basic YTpi"}, "Authorization header does not start with 'Signature'"),
    ],
)
def test_who_has_not_signed_is_told_so(headers: dict[str, str], told: str) -> None:
    refused = ask(Asked("GET", "/", headers)).refused
    assert refused
    assert json.loads(refused.body) == {"message": f"client request can't be validated: {told}"}


@pytest.mark.parametrize("moment", [timedelta(minutes=-5, seconds=-1), timedelta(minutes=5, seconds=1)])
def test_a_request_holds_for_minutes_only(moment: timedelta) -> None:
    made = datetime(2025, 9, 12, 23, 53, 18, tzinfo=UTC)
    assert ask(asked(), now=made + moment).refused
    assert ask(asked(), now=made + moment * 0.99).refused is None
    assert ask(asked(), now=made + moment, clock_skew=timedelta(minutes=6)).refused is None


def test_an_algorithm_that_is_not_allowed_is_none() -> None:
    assert ask(asked(), algorithms=("hmac-sha512",)).refused


def test_who_is_not_recognised_may_be_somebody_anonymous() -> None:
    assert ask(asked(method="PUT"), anonymous="bob").headers == {USER: "bob"}
    assert ask(Asked("GET", "/", {}), anonymous="bob").headers == {USER: "bob"}
    assert ask(asked(), anonymous="bob").headers == {USER: "ann"}
