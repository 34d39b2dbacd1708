"""What clients cannot make themselves by what they send: somebody else, known, or a case for another rule."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx2
import pytest
from filter_gateway import Upstream
from joserfc import jwt
from joserfc.jwk import OctKey
from running import Running, run_manifests
from test_apisix_consumers import KEY, consumer, route, upstream

HTTP = 9080
SECRET = "0123456789abcdef0123456789abcdef"
RULES = (
    consumer("ann", credential="hmacAuth: {value: {key_id: id-of-ann, secret_key: key-of-ann}}")
    + consumer("plain")
    + consumer("tom", credential=f"jwtAuth: {{value: {{key: id-of-tom, secret: {SECRET}}}}}")
    + consumer("own", "response-rewrite, config: {headers: {set: {X-Mine: own}}}")
    + route("open")
    + route("key", KEY)
    + route("both", "jwt-auth, config: {}", KEY)
    + route("either", "jwt-auth, config: {}", "key-auth, config: {anonymous_consumer: default_plain}")
    + route("signed", "hmac-auth, config: {}")
    + route("public").replace(
        "hosts", "exprs: [{subject: {scope: Body, name: role}, op: NotEqual, value: admin}], hosts"
    )
    + route("closed", KEY).replace("/closed/*", "/public/*")
    + upstream("web", 1)
)
FORM = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def gateway() -> Iterator[Running]:
    with ExitStack() as stack:
        server = stack.enter_context(Upstream("web"))
        text = RULES.replace("port: 1}", f"port: {server.port}}}")
        yield stack.enter_context(run_manifests(text, ports=(HTTP,), stubs="none"))


def ask(gateway: Running, path: str, headers: dict[str, str], **more: Any) -> httpx2.Response:
    method = "POST" if more else "GET"
    named = {"host": "web.test", **headers}
    return httpx2.request(method, gateway.url(HTTP) + path, headers=named, timeout=20, **more)


@pytest.mark.parametrize("key", ["", "key-of-plain", "key-of-own"])
@pytest.mark.parametrize(
    "forged",
    [
        {"x-consumer-username": "default_own"},
        {"X-CONSUMER-USERNAME": "default_own", "X-Credential-Identifier": "own"},
        {"x-anygate-rule": "default/key/key/default_own", "X-Anygate-User": "own"},
        {
            "connection": "keep-alive, x-consumer-username, x-anygate-rule",
            "x-anygate-rule": "default/key/key/default_own",
        },
    ],
)
def test_who_somebody_is_follows_from_credentials_only(gateway: Running, key: str, forged: dict[str, str]) -> None:
    sent = {**forged, **({"apikey": key} if key else {})}
    answer = ask(gateway, "/key/a", sent)
    assert answer.status_code == (200 if key else 401)
    assert ("x-mine" in answer.headers) == (key == "key-of-own")
    caller = {"x-consumer-username": key.replace("key-of-", "default_")}
    assert told(ask(gateway, "/open/a", sent)) == {}
    assert not key or told(answer) == caller


def told(answer: httpx2.Response) -> dict[str, str]:
    """What the backend was told of the caller."""
    headers: dict[str, str] = answer.json()["headers"]
    return {name: value for name, value in headers.items() if name.startswith(("x-consumer", "x-cred", "x-anygate"))}


@pytest.mark.parametrize("path", ["/both/a", "/either/a"])
@pytest.mark.parametrize("key", ["", "key-of-own", "wrong"])
@pytest.mark.parametrize("claim", ["id-of-tom", "nobody", ""])
def test_every_credential_has_to_be_somebodys(gateway: Running, path: str, key: str, claim: str) -> None:
    claims = {"key": claim} if claim else {}
    token = jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(SECRET), ["HS256"])
    sent = {"authorization": f"Bearer {token}", **({"apikey": key} if key else {})}
    answer = ask(gateway, path, sent)
    if claim == "id-of-tom" and (key == "key-of-own" or (path == "/either/a" and not key)):
        assert told(answer) == {"x-consumer-username": "default_own" if key else "default_plain"}
    else:
        assert answer.status_code == 401
    assert ("x-mine" in answer.headers) == (answer.status_code == 200 and key == "key-of-own")


@pytest.mark.parametrize("kind", ["application/json", FORM])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_is_not_hidden_by_making_it_long(gateway: Running, kind: str, chunked: bool) -> None:
    def send(length: int) -> int:
        pad = "x" * length
        text = json.dumps({"pad": pad, "role": "admin"}) if kind != FORM else f"pad={pad}&role=admin"
        body = text.encode()
        content: Any = iter([body[:1000], body[1000:]]) if chunked else body
        return ask(gateway, "/public/a", {"content-type": kind}, content=content).status_code

    assert ask(gateway, "/public/a", {"content-type": FORM}, content=b"role=user").status_code == 200
    assert (send(10), send(1_000_000), send(1_048_577)) == (401, 401, 413)


def test_which_form_is_meant_is_what_backends_take_it_for(gateway: Running) -> None:
    part = '--b\r\ncontent-disposition: form-data; name="role"\r\n\r\nadmin\r\n--b--\r\n'
    kind = "multipart/form-data; xboundary=c; boundary=b"
    assert ask(gateway, "/public/a", {"content-type": kind}, content=part.encode()).status_code == 401


@pytest.mark.parametrize("given", ["Signature", "Signature " + "a" * 50_000, "Signature " + 'a="' * 10_000])
def test_what_is_no_signature_is_refused_at_once(gateway: Running, given: str) -> None:
    answer = ask(gateway, "/signed/a", {"authorization": given})
    assert (answer.status_code, answer.json()) == (401, {"message": "client request can't be validated"})
    assert answer.elapsed.total_seconds() < 2
