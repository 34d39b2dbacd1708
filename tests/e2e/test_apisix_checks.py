"""APISIX's plugins whose checks our own service makes, by real requests through the real Envoy."""

import asyncio
import hmac
import json
import os
import signal
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from http.client import HTTPConnection
from time import gmtime, strftime, time
from typing import Any
from urllib.parse import urlsplit

import apisix_objects
import httpx2
import pytest
from apisix_objects import consumer
from joserfc import jwt
from joserfc.jwk import OctKey
from ldap_directory import BASE_DN, Directory, directory
from running import Running, run_manifests
from wolf_server import Wolf, wolf

from anygate.proxy.admin import Admin
from anygate.runner.destinations import parse_resolution

HTTP = 9080
USER = "x-consumer-username"
ANN_KEY, BOB_KEY, FORM_KEY = "key-of-ann-0123", "key-of-bob-4567", "key-of-forms-89ab"
TOKEN_KEY = "a-secret-of-at-least-32-characters!"
UNSIGNED = {"message": "client request can't be validated: missing Authorization header"}
INVALID = {"message": "client request can't be validated"}
CHALLENGE = 'hmac realm="hmac"'


def route(name: str, *plugins: str, more: str = "", paths: str = "") -> str:
    match = f'paths: ["{paths}"], hosts: [{name}.test]' if paths else f'paths: ["/{name}/*"], hosts: [web.test]'
    return apisix_objects.route(name, *plugins, match=match, more=more)


SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80}]}
---
apiVersion: v1
kind: Secret
metadata: {name: bob}
stringData: {key_id: bob-id, secret_key: key-of-bob-4567}
"""
LIMIT = "{name: limit-count, enable: true, config: {count: 1, time_window: 600, rejected_code: 429}}"
AI = "{name: ai-proxy, config: {provider: openai, options: {model: m}, auth: {header: {Authorization: Bearer key}}}}"
REWRITE = "{name: proxy-rewrite, enable: true, config: {headers: {set: {X-Mine: '1'}}}}"
FORMS = f"{{name: csrf, config: {{key: {FORM_KEY}, expires: 60}}}}"


def manifests(found: Directory) -> str:
    ldap = f"base_dn: '{BASE_DN}', ldap_uri: '127.0.0.1:{found.port}'"
    moved = f"base_dn: '{BASE_DN}', ldap_uri: 'ldap.test:1389'"
    return "".join(
        (
            SERVICE,
            consumer("ann", f"hmacAuth: {{value: {{key_id: ann-id, secret_key: {ANN_KEY}}}}}"),
            consumer("bob", "hmacAuth: {secretRef: {name: bob}}"),
            consumer("eve", "hmacAuth: {value: {key_id: eve-id, secret_key: key-of-eve}}", LIMIT),
            consumer("fay", "hmacAuth: {value: {key_id: fay-id, secret_key: key-of-fay}}", REWRITE),
            consumer("gil", f"jwtAuth: {{value: {{key: gil-key, secret: {TOKEN_KEY}}}}}"),
            consumer("carl", f"ldapAuth: {{value: {{user_dn: 'cn=carl,{BASE_DN}'}}}}"),
            consumer("shop", "wolfRBAC: {value: {server: 'http://wolf.test:12180', appid: shop, header_prefix: X-W-}}"),
            consumer("dora", "keyAuth: {value: {key: key-of-dora}}"),
            route("open"),
            route("signed", "{name: hmac-auth, config: {}}"),
            route("body", "{name: hmac-auth, config: {validate_request_body: true, max_req_body_size: 2000000}}"),
            route("hidden", "{name: hmac-auth, config: {hide_credentials: true, realm: place}}"),
            route("anonymous", "{name: hmac-auth, config: {anonymous_consumer: default_bob}}"),
            route("only-ann", "{name: hmac-auth}", "{name: consumer-restriction, config: {whitelist: [default_ann]}}"),
            route("shorthand", more="authentication: {enable: true, type: hmacAuth}"),
            route("both", "{name: hmac-auth}", "{name: key-auth}"),
            route("token", "{name: hmac-auth}", "{name: jwt-auth}"),
            route("form", FORMS),
            route("form-signed", FORMS, "{name: hmac-auth}"),
            route("directory", f"{{name: ldap-auth, config: {{{ldap}}}}}"),
            route("short", more=f"authentication: {{enable: true, type: ldapAuth, ldapAuth: {{{moved}}}}}"),
            route("wolf", "{name: wolf-rbac, config: {}}"),
            route("short-wolf", more="authentication: {enable: true, type: wolfRBAC}"),
            route("model", "{name: hmac-auth}", AI, paths="/*"),
            route("model-open", AI, paths="/*"),
        )
    )


@pytest.fixture(scope="module")
def people() -> Iterator[Directory]:
    with directory(carl="secret of carl") as found:
        yield found


@pytest.fixture(scope="module")
def server() -> Iterator[Wolf]:
    with wolf((200, {"ok": True, "data": {"userInfo": {"id": 1, "username": "ann"}}})) as found:
        yield found


@pytest.fixture(scope="module")
def gateway(people: Directory, server: Wolf) -> Iterator[Running]:
    elsewhere = (f"ldap.test:1389=127.0.0.1:{people.port}", f"wolf.test=127.0.0.1:{urlsplit(server.url).port}")
    resolutions = tuple(map(parse_resolution, elsewhere))
    with run_manifests(manifests(people), ports=(HTTP,), resolutions=resolutions) as running:
        # A consumer with plugins of its own cannot ask models.
        assert running.rules() == ["apisix-consumer-plugin"]
        yield running


@pytest.fixture
def client(gateway: Running) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=gateway.url(HTTP), headers={"host": "web.test"}) as found:
        yield found


def sign(
    method: str, target: str, key_id: str = "ann-id", key: str = ANN_KEY, moment: float = 0, **headers: str
) -> dict[str, str]:
    """The headers of a signed request."""
    date = strftime("%a, %d %b %Y %H:%M:%S GMT", gmtime(moment or time()))
    lines = [key_id, f"{method} {target}", f"date: {date}", *(f"{name}: {value}" for name, value in headers.items())]
    signature = b64encode(hmac.digest(key.encode(), "".join(f"{line}\n" for line in lines).encode(), "sha256")).decode()
    named = " ".join(("@request-target", "date", *headers))
    fields = f'keyId="{key_id}",algorithm="hmac-sha256",headers="{named}",signature="{signature}"'
    return {"authorization": f"Signature {fields}", "date": date, **headers}


def seen(answer: httpx2.Response) -> dict[str, str]:
    """The headers that the backend got."""
    assert answer.status_code == 200, (answer.status_code, answer.text)
    return {name.lower(): ", ".join(values) for name, values in answer.json()["headers"].items()}


def said(answer: httpx2.Response) -> tuple[int, Any, str]:
    """The status, the JSON and the challenge of a refusal."""
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text.endswith("}\n")
    return answer.status_code, answer.json(), answer.headers.get("www-authenticate", "")


def test_a_signed_request_passes_with_the_name_of_its_consumer(client: httpx2.Client) -> None:
    got = seen(client.get("/signed/a?b=c", headers=sign("GET", "/signed/a?b=c")))
    assert got[USER] == "default_ann"
    assert got["authorization"].startswith("Signature ")
    assert seen(client.get("/signed/a", headers=sign("GET", "/signed/a", "bob-id", BOB_KEY)))[USER] == "default_bob"
    assert seen(client.get("/shorthand/a", headers=sign("GET", "/shorthand/a")))[USER] == "default_ann"
    assert "authorization" not in seen(client.get("/hidden/a", headers=sign("GET", "/hidden/a")))


def test_nobody_can_say_who_the_consumer_is(client: httpx2.Client) -> None:
    claimed = {"X-Consumer-Username": "default_ann"}
    assert USER not in seen(client.get("/open/a", headers=claimed))
    assert said(client.get("/signed/a", headers=claimed)) == (401, UNSIGNED, CHALLENGE)
    bob = sign("GET", "/signed/b", "bob-id", BOB_KEY)
    assert seen(client.get("/signed/b", headers={**bob, **claimed}))[USER] == "default_bob"


def test_what_is_not_signed_so_is_refused(client: httpx2.Client) -> None:
    good = sign("GET", "/signed/a")
    assert said(client.get("/signed/b", headers=good)) == (401, INVALID, CHALLENGE)
    assert said(client.get("/signed/a?b=c", headers=good)) == (401, INVALID, CHALLENGE)
    assert said(client.delete("/signed/a", headers=good)) == (401, INVALID, CHALLENGE)
    for wrong in (
        sign("GET", "/signed/a", key="another key"),
        sign("GET", "/signed/a", key_id="nobody"),
        sign("GET", "/signed/a", moment=time() - 302),
        sign("GET", "/signed/a", moment=time() + 310),
        {**good, "date": strftime("%a, %d %b %Y %H:%M:%S GMT", gmtime(time() - 5))},
        {"authorization": good["authorization"]},
    ):
        assert said(client.get("/signed/a", headers=wrong)) == (401, INVALID, CHALLENGE)
    basic = client.get("/hidden/a", auth=("a", "b"))
    told = {"message": "client request can't be validated: Authorization header does not start with 'Signature'"}
    assert said(basic) == (401, told, 'hmac realm="place"')


@pytest.mark.parametrize("size", [0, 2, 1_900_000])
def test_a_body_is_the_one_that_was_signed(client: httpx2.Client, size: int) -> None:
    body = os.urandom(size)
    digest = "SHA-256=" + b64encode(sha256(body).digest()).decode()
    headers = sign("POST", "/body/a", digest=digest)
    answer = client.post("/body/a", headers=headers, content=body)
    assert seen(answer)[USER] == "default_ann"
    assert said(client.post("/body/a", headers=headers, content=body + b"!")) == (401, INVALID, CHALLENGE)
    other = {**headers, "digest": "SHA-256=" + b64encode(sha256(body + b"!").digest()).decode()}
    assert said(client.post("/body/a", headers=other, content=body + b"!")) == (401, INVALID, CHALLENGE)
    # Without a digest there is nothing to hold the body against.
    assert said(client.post("/body/a", headers=sign("POST", "/body/a"), content=body)) == (401, INVALID, CHALLENGE)
    assert seen(client.post("/signed/a", headers=sign("POST", "/signed/a"), content=body))[USER] == "default_ann"


def test_a_body_that_is_too_large_is_refused(client: httpx2.Client) -> None:
    body = b"x" * 2_000_001
    headers = sign("POST", "/body/a", digest="SHA-256=" + b64encode(sha256(body).digest()).decode())
    assert client.post("/body/a", headers=headers, content=body).status_code == 413


def test_who_is_not_recognised_may_be_somebody_anonymous(client: httpx2.Client) -> None:
    assert seen(client.get("/anonymous/a", headers=sign("GET", "/anonymous/a")))[USER] == "default_ann"
    assert seen(client.get("/anonymous/a"))[USER] == "default_bob"
    assert seen(client.get("/anonymous/a", headers=sign("GET", "/anonymous/b")))[USER] == "default_bob"


def test_what_goes_by_consumers_goes_by_these_too(client: httpx2.Client) -> None:
    assert client.get("/only-ann/a", headers=sign("GET", "/only-ann/a")).status_code == 200
    refused = client.get("/only-ann/a", headers=sign("GET", "/only-ann/a", "bob-id", BOB_KEY))
    assert said(refused) == (403, {"message": "The consumer_name is forbidden."}, "")
    eve = sign("GET", "/signed/eve", "eve-id", "key-of-eve")
    assert [client.get("/signed/eve", headers=eve).status_code for _ in range(2)] == [200, 429]
    got = seen(client.get("/signed/fay", headers=sign("GET", "/signed/fay", "fay-id", "key-of-fay")))
    assert (got[USER], got["x-mine"]) == ("default_fay", "1")


def test_two_credentials_are_both_needed(client: httpx2.Client) -> None:
    signed, key = sign("GET", "/both/a"), {"apikey": "key-of-dora"}
    assert said(client.get("/both/a", headers=key))[:2] == (401, UNSIGNED)
    assert said(client.get("/both/a", headers=signed))[:2] == (401, {"message": "Missing API key in request"})
    # As in APISIX the plugin that is asked last has the last word about who it is.
    assert seen(client.get("/both/a", headers={**signed, **key}))[USER] == "default_dora"


def test_a_token_of_nobody_is_not_made_good_by_a_signature(client: httpx2.Client) -> None:
    for key, status in (("gil-key", 200), ("other", 401)):
        claims = {"key": key, "exp": int(time()) + 60}
        token = jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(TOKEN_KEY), ["HS256"])
        target = f"/token/a?jwt={token}"
        answer = client.get(target, headers=sign("GET", target))
        assert answer.status_code == status
    assert answer.json() == {"message": "Invalid user key in JWT token"}


def test_a_model_is_asked_by_who_has_signed_only(client: httpx2.Client) -> None:
    body, path = {"messages": [{"role": "user", "content": "hi"}]}, "/v1/chat/completions"
    assert client.post(path, json=body, headers={"host": "model-open.test"}).status_code == 200
    client.headers["host"] = "model.test"
    assert client.post(path, json=body).status_code == 401
    assert client.post(path, json=body, headers=sign("POST", path)).json()["object"] == "chat.completion"


def test_a_form_is_sent_with_the_token_of_its_cookie(client: httpx2.Client) -> None:
    name = "apisix-csrf-token"
    given = client.get("/form/a")
    token = given.cookies[name]
    assert given.status_code == 200
    assert "SameSite=Lax" in given.headers["set-cookie"]
    client.cookies.clear()
    cookie = {"cookie": f"{name}={token}"}
    assert client.post("/form/a", headers={**cookie, name: token}).status_code == 200
    client.cookies.clear()
    for headers, told in (
        (cookie, "no csrf token in headers"),
        ({name: token}, "no csrf cookie"),
        ({**cookie, name: token[:-1]}, "csrf token mismatch"),
        ({"cookie": f"{name}=e30=", name: "e30="}, "Failed to verify the csrf token signature"),
    ):
        refused = client.post("/form/a", headers=headers)
        assert said(refused) == (401, {"error_msg": told}, "")
        assert refused.headers["set-cookie"].startswith(f"{name}=")
        client.cookies.clear()


def test_a_form_may_have_to_be_signed_too(client: httpx2.Client) -> None:
    assert said(client.post("/form-signed/a"))[:2] == (401, {"error_msg": "no csrf token in headers"})
    assert said(client.get("/form-signed/a"))[:2] == (401, UNSIGNED)
    answer = client.get("/form-signed/a", headers=sign("GET", "/form-signed/a"))
    assert seen(answer)[USER] == "default_ann"
    assert "apisix-csrf-token" in answer.cookies


@pytest.mark.parametrize("path", ["/directory/a", "/short/a"])
def test_users_of_a_directory(client: httpx2.Client, path: str) -> None:
    challenge = 'Basic realm="ldap"'
    assert said(client.get(path)) == (401, {"message": "Missing authorization in request"}, challenge)
    assert seen(client.get(path, auth=("carl", "secret of carl")))[USER] == "default_carl"
    for auth in (("carl", "wrong"), ("carl", ""), ("", ""), ("nobody", "x")):
        assert said(client.get(path, auth=auth)) == (401, {"message": "Invalid user authorization"}, challenge)


@pytest.mark.parametrize("path", ["/wolf/a", "/short-wolf/a"])
def test_what_wolf_allows(client: httpx2.Client, server: Wolf, path: str) -> None:
    assert said(client.get(path)) == (401, {"message": "Missing rbac token in request"}, "")
    claimed = {"x-w-userid": "9", "x-w-nickname": "x", "x-rbac-token": "V1#shop#token"}
    answer = client.get(f"{path}?b=c", headers=claimed)
    got = seen(answer)
    assert (got[USER], got["x-w-userid"], got["x-w-username"]) == ("default_shop", "1", "ann")
    assert answer.headers["x-w-username"] == "ann"
    assert server.asked[-1][1]["resName"] == [path]
    assert server.asked[-1][1]["clientIP"] == ["127.0.0.1"]


def test_what_wolf_refuses(client: httpx2.Client, server: Wolf) -> None:
    server.answers.insert(0, (403, json.dumps({"ok": False, "reason": "no permission"}).encode()))
    answer = client.get("/wolf/a", headers={"x-rbac-token": "V1#shop#token"})
    assert said(answer) == (403, {"message": "no permission"}, "")


def test_no_key_is_in_envoys_settings_or_in_the_open(gateway: Running, client: httpx2.Client) -> None:
    assert gateway.session.folder is not None
    dump = json.dumps(asyncio.run(Admin(gateway.session.folder.admin_socket).config_dump()))
    assert "anygate/checks" in dump
    for key in (ANN_KEY, BOB_KEY, FORM_KEY):
        assert key not in dump
        assert b64encode(key.encode()).decode() not in dump
    orders = list(gateway.session.folder.credentials.glob("*.order"))
    assert orders
    assert {path.stat().st_mode & 0o777 for path in orders} == {0o600}


def without_checks(text: str) -> str:
    return text.replace("{name: hmac-auth, config: {}}", "{name: cors, config: {}}")


def test_a_check_that_is_added_holds_for_connections_that_are_there() -> None:
    text = SERVICE + consumer("ann", f"hmacAuth: {{value: {{key_id: ann-id, secret_key: {ANN_KEY}}}}}")
    text += route("signed", "{name: hmac-auth, config: {}}")
    with run_manifests(without_checks(text), ports=(HTTP,)) as running:
        connection = HTTPConnection(*running.address(HTTP), timeout=20)
        try:
            connection.request("GET", "/signed/a", headers={"host": "web.test"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200
            running.write(text)
            running.await_word("reloaded")
            connection.request("GET", "/signed/a", headers={"host": "web.test"})
            # Its chain of filters is from before the check.
            answer = connection.getresponse()
            answer.read()
            assert answer.status in (401, 403)
        finally:
            connection.close()
        with httpx2.Client(base_url=running.url(HTTP), headers={"host": "web.test"}) as client:
            assert client.get("/signed/a", headers=sign("GET", "/signed/a")).status_code == 200
            running.write(text.replace(ANN_KEY, "another-key"))
            running.await_word("reloaded")
            assert client.get("/signed/b", headers=sign("GET", "/signed/b")).status_code == 401
            fresh = sign("GET", "/signed/c", key="another-key")
            assert client.get("/signed/c", headers=fresh).status_code == 200


def test_without_the_service_nobody_gets_in() -> None:
    text = SERVICE + consumer("ann", f"hmacAuth: {{value: {{key_id: ann-id, secret_key: {ANN_KEY}}}}}")
    text += route("signed", "{name: hmac-auth, config: {}}") + route("open")
    with (
        run_manifests(text, ports=(HTTP,)) as running,
        httpx2.Client(base_url=running.url(HTTP), headers={"host": "web.test"}) as client,
    ):
        worker = running.session._companions._services
        assert worker is not None
        assert worker.pid is not None
        assert client.get("/signed/a", headers=sign("GET", "/signed/a")).status_code == 200
        os.kill(worker.pid, signal.SIGKILL)
        running.await_word("warning: the service for limits, checks and usage")
        asyncio.run_coroutine_threadsafe(worker.ready(), running._loop).result(20)
        assert client.get("/signed/b", headers=sign("GET", "/signed/b")).status_code == 200
        asyncio.run_coroutine_threadsafe(worker.stop(), running._loop).result(20)
        assert client.get("/signed/c", headers=sign("GET", "/signed/c")).status_code == 503
        assert client.get("/signed/c").status_code == 503
        assert client.get("/open/a").status_code == 200
