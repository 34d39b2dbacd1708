"""openid-connect beyond logins and signed tokens: what backends are told of users, and tokens that are looked up."""

import asyncio
import json
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import apisix_objects
import httpx2
import pytest
from filter_gateway import Answer, Upstream
from joserfc import jwt
from joserfc.jwk import RSAKey
from running import DEADLINE, Running, run_manifests
from token_services import openid_provider, read_basic

from anygate.proxy.admin import Admin

HTTP = 9080
WELL_KNOWN = "/.well-known/openid-configuration"
SECRET = "client-s%cret+value"
FORGED = dict.fromkeys(("x-access-token", "x-id-token", "x-userinfo", "x-refresh-token"), "forged") | {
    "x-raw-id-token": "forged",
    "x-anygate-userinfo": "forged",
    "x-anygate-refresh-token": "forged",
    "x-anygate-introspection": "forged",
    "x-anygate-id-token": "a.e30.b",
}
BASICS = f"""
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec: {{ports: [{{port: 80}}]}}
---
apiVersion: v1
kind: Secret
metadata: {{name: login}}
stringData: {{client_secret: "{SECRET}", session.secret: session-secret-value}}
"""

pytestmark = pytest.mark.filterwarnings("ignore:authlib.jose module", "ignore:get_jwt_config")


def route(name: str, config: str, secret: str = "login") -> str:
    return apisix_objects.route(name, f"{{name: openid-connect, secretRef: {secret}, config: {{{config}}}}}")


@contextmanager
def browser(url: str, **headers: str) -> Iterator[httpx2.Client]:
    # Envoy marks its cookies Secure; browsers send those to localhost without TLS, and this jar too.
    jar = CookieJar(DefaultCookiePolicy(secure_protocols=("http", "https")))
    with httpx2.Client(base_url=url, cookies=jar, follow_redirects=True, timeout=DEADLINE, headers=headers) as client:
        yield client


def log_in(client: httpx2.Client, path: str) -> httpx2.Response:
    form = client.get(path)
    return client.post(str(form.url), data={"sub": "ann"})


def seen(answer: httpx2.Response) -> dict[str, str]:
    """The headers that the backend got."""
    assert answer.status_code == 200, (answer.status_code, answer.text)
    return {name.lower(): ", ".join(values) for name, values in answer.json()["headers"].items()}


def opened(value: str) -> Any:
    return json.loads(b64decode(value, validate=True))


def dumped(running: Running) -> str:
    folder = running.session.folder
    assert folder is not None
    return json.dumps(asyncio.run(Admin(folder.admin_socket).config_dump()))


@contextmanager
def provider_of(*users: Any) -> Iterator[str]:
    """The issuer of an OpenID provider that knows some users."""
    import oidc_provider_mock

    with oidc_provider_mock.run_server_in_thread(user_claims=users) as idp:
        yield f"http://localhost:{idp.server_port}"


def test_what_a_backend_is_told_after_a_login() -> None:
    import oidc_provider_mock

    ann = oidc_provider_mock.User(sub="ann", claims={"name": "Änn?>", "email": "ann@shop.test"})
    with provider_of(ann) as issuer:
        common = f"client_id: web, discovery: '{issuer}{WELL_KNOWN}'"
        text = BASICS + "".join(
            (
                route("app", f"{common}, scope: openid profile"),
                route(
                    "raw", f"{common}, set_raw_id_token_header: true, token_endpoint_auth_method: client_secret_post"
                ),
                route("quiet", f"{common}, set_userinfo_header: false, set_access_token_header: false"),
                route("hidden", f"{common}, set_access_token_header: false"),
                route("pass", f"{common}, unauth_action: pass"),
            )
        )
        with run_manifests(text, ports=(HTTP,)) as running:
            url = running.url(HTTP)
            with browser(url, **FORGED) as client:
                client.cookies.set("theme", "dark")
                for answer in (log_in(client, "/app/x"), client.get("/app/y")):
                    got = seen(answer)
                    assert "theme=dark" in got["cookie"]
                    assert got["x-access-token"] not in got["cookie"]
                    assert "IdToken" not in got["cookie"]
                    assert opened(got["x-userinfo"]) == {"sub": "ann", "name": "Änn?>"}
                    assert not {name for name in got if name.startswith("x-anygate")}
                    assert not {"x-raw-id-token", "x-refresh-token", "authorization"} & got.keys()
                got = seen(log_in(client, "/raw/x"))
                assert opened(got["x-userinfo"]) == {"sub": "ann"}
                assert got["x-raw-id-token"].count(".") == 2
                got = seen(log_in(client, "/quiet/x"))
                assert opened(got["x-id-token"])["sub"] == "ann"
                assert not {"x-userinfo", "x-access-token"} & got.keys()
                got = seen(log_in(client, "/hidden/x"))
                assert opened(got["x-userinfo"])["sub"] == "ann"
                assert not {"x-access-token", "authorization"} & got.keys()
                cookies = "; ".join(f"{one.name}={one.value}" for one in client.cookies.jar)
            # A login of another route is none here.
            for more in ({}, {"cookie": cookies}):
                stranger = {**FORGED, "authorization": "Bearer forged", **more}
                got = seen(httpx2.get(f"{url}/pass/x", headers=stranger, timeout=DEADLINE))
                assert not FORGED.keys() & got.keys()


@pytest.mark.parametrize(
    "answer",
    [
        (200, {"content-type": "application/json"}, b'{"sub": "bob", "admin": true}'),
        (200, {"content-type": "application/json"}, b'{"sub": "bob", "sub": "ann"}'),
        (200, {"content-type": "text/html"}, b"<html>"),
        (500, {}, b'{"sub": "ann"}'),
    ],
)
def test_a_provider_that_does_not_say_who_has_logged_in(answer: Answer) -> None:
    with provider_of() as issuer, Upstream("userinfo", lambda _: answer) as userinfo:
        known = f"""
---
apiVersion: anygate.dev/v1alpha1
kind: OpenIdProvider
metadata: {{name: sso}}
spec:
  discovery: {issuer}{WELL_KNOWN}
  issuer: {issuer}
  authorizationEndpoint: {issuer}/oauth2/authorize
  tokenEndpoint: {issuer}/oauth2/token
  userinfoEndpoint: http://localhost:{userinfo.port}/me?all=1
"""
        text = BASICS + known + route("app", f"client_id: web, discovery: '{issuer}{WELL_KNOWN}'")
        with run_manifests(text, ports=(HTTP,)) as running, browser(running.url(HTTP), **FORGED) as client:
            got = seen(log_in(client, "/app/x"))
            assert "x-userinfo" not in got
            assert opened(got["x-id-token"])["sub"] == "ann"
            (asked,) = userinfo.seen
            assert (asked["method"], asked["path"]) == ("GET", "/me?all=1")
            assert asked["headers"]["authorization"] == f"Bearer {got['x-access-token']}"


# tokens that the provider is asked about


class Desk:
    """A provider that knows tokens without having signed them, and clients by either form of their secret."""

    def __init__(self) -> None:
        self.tokens: dict[str, Any] = {}
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.is_down = False

    def answer(self, request: dict[str, Any]) -> Answer:
        if request["path"] == WELL_KNOWN:
            issuer = f"http://{request['headers']['host']}"
            names = ("authorization_endpoint", "token_endpoint", "introspection_endpoint", "jwks_uri")
            found: Any = {"issuer": issuer, **{name: f"{issuer}/{name}" for name in names}}
            return 200, {}, json.dumps(found).encode()
        form = dict(parse_qsl(request["body"], strict_parsing=True))
        basic = request["headers"].get("authorization", "")
        known = read_basic(basic) if basic else (form.get("client_id"), form.get("client_secret"))
        if self.is_down:
            return 500, {}, b'{"active": true}'
        if (request["method"], known) != ("POST", ("we b", SECRET)):
            return 401, {}, b'{"active": true}'
        self.asked.append(form["token"])
        self.headers.append(request["headers"])
        found = self.tokens.get(form["token"], {"active": False})
        return 200, {}, found if isinstance(found, bytes) else json.dumps(found).encode()


def test_tokens_that_the_provider_is_asked_about() -> None:
    desk = Desk()
    later = int(time.time()) + 600
    desk.tokens = {
        "good/+=~": {"active": True, "sub": "änn", "exp": later, "scope": "write read", "aud": ["x", "we b"]},
        "fleeting": {"active": True, "scope": "read", "aud": "other"},
        "quoted": {"active": "true", "exp": later},
        "listed": b"[true]",
        "twice": b'{"active": false, "active": true}',
        "vague": {"active": True, "scope": ["read"], "cid": None},
    }
    with Upstream("sso", desk.answer) as sso:
        issuer = f"http://127.0.0.1:{sso.port}"
        common = f"client_id: we b, discovery: '{issuer}{WELL_KNOWN}', bearer_only: true"
        audience = "claim_validator: {audience: {match_with_client_id: true"
        text = BASICS + "".join(
            (
                route("plain", f"{common}, realm: place, introspection_addon_headers: [X-Tenant, Host]"),
                route("brief", f"{common}, introspection_interval: 1"),
                route("post", f"{common}, introspection_endpoint_auth_method: client_secret_post, unauth_action: pass"),
                route("scopes", f"{common}, required_scopes: [read, write]"),
                route("for-us", f"{common}, {audience}, required: true}}}}"),
                route("for-cid", f"{common}, {audience}, claim: cid}}}}"),
                route("quiet", f"{common}, set_userinfo_header: false, access_token_in_authorization_header: true"),
            )
        )
        with (
            run_manifests(text, ports=(HTTP,)) as running,
            httpx2.Client(base_url=running.url(HTTP), timeout=DEADLINE) as client,
        ):

            def ask(path: str, token: str, **headers: str) -> httpx2.Response:
                return client.get(path, headers={**FORGED, "authorization": f"Bearer {token}", **headers})

            for path in ("/plain/a", "/post/a"):
                for authorization in ({}, {"authorization": "Basic Ym9iOmE="}):
                    missing = client.get(path, headers={**FORGED, **authorization})
                    assert (missing.status_code, "<h1>401" in missing.text) == (401, True)
            assert client.get("/plain/a").headers["www-authenticate"] == 'Bearer realm="place"'
            assert not desk.asked

            for path in ("/plain/a", "/plain/b", "/post/a"):
                got = seen(ask(path, "good/+=~", **{"x-tenant": "north"}))
                assert opened(got["x-userinfo"]) == desk.tokens["good/+=~"]
                assert got["x-access-token"] == "good/+=~"
                assert not {name for name in got if name.startswith("x-anygate")}
            # What the provider says the end of is kept; what it does not is asked about every time.
            assert desk.asked == ["good/+=~"] * 2
            assert (desk.headers[0]["x-tenant"], desk.headers[0]["host"]) == ("north", urlsplit(issuer).netloc)
            for _ in range(2):
                got = seen(ask("/quiet/a", "fleeting", authorization="bEARER fleeting"))
                assert got["authorization"] == "Bearer fleeting"
                assert not {"x-userinfo", "x-access-token", "x-id-token"} & got.keys()
            assert desk.asked[2:] == ["fleeting"] * 2

            del desk.asked[:]
            end = time.monotonic() + DEADLINE
            while len(desk.asked) < 2:
                assert time.monotonic() < end
                assert ask("/brief/a", "good/+=~").status_code == 200

            for token in ("unknown", "quoted", "listed", "twice"):
                wrong = ask("/plain/a", token)
                said = 'Bearer realm="place", error="invalid_token", error_description="invalid token"'
                assert (wrong.status_code, wrong.headers["www-authenticate"]) == (401, said), token
            two = [("authorization", "Bearer good/+=~"), ("authorization", "Bearer forged")]
            assert client.get("/plain/a", headers=two).status_code == 401
            assert ask("/plain/a", "", authorization="Basic a.b.c Bearer good/+=~").status_code == 401

            assert ask("/scopes/a", "good/+=~").status_code == 200
            for token in ("fleeting", "vague"):
                lacking = ask("/scopes/a", token)
                assert lacking.status_code == 403
                assert lacking.json() == {"error": "required scopes read, write not present"}
            assert ask("/for-us/a", "good/+=~").status_code == 200
            for token in ("fleeting", "vague"):
                other = ask("/for-us/a", token)
                assert (other.status_code, other.json()) == (403, {"error": "mismatched audience"})
            assert ask("/for-cid/a", "vague").status_code == 200
            assert SECRET not in dumped(running)
            desk.is_down = True
            assert ask("/plain/a", "fleeting").status_code == 401
            assert ask("/plain/a", "good/+=~").status_code == 200


def test_a_login_or_a_token() -> None:
    desk = Desk()
    desk.tokens = {"good": {"active": True, "sub": "bob"}}
    with Upstream("sso", desk.answer) as sso, openid_provider() as idp:
        config = f"discovery: '{idp.issuer}{WELL_KNOWN}', introspection_endpoint: 'http://127.0.0.1:{sso.port}/i'"
        text = BASICS + route("app", f"client_id: we b, {config}, unauth_action: deny")
        text += route("keys", f"client_id: we b, discovery: '{idp.issuer}{WELL_KNOWN}', use_jwks: true")
        with (
            run_manifests(text, ports=(HTTP,)) as running,
            httpx2.Client(base_url=running.url(HTTP), timeout=DEADLINE) as client,
        ):
            assert client.get("/app/x").status_code == 401
            assert client.get("/app/x", headers={"authorization": "bearer other"}).status_code == 401
            got = seen(client.get("/app/x", headers={**FORGED, "authorization": "bearer good"}))
            assert (opened(got["x-userinfo"])["sub"], got["x-access-token"]) == ("bob", "good")
            assert client.get("/keys/x").status_code == 302
            assert client.get("/keys/x", headers={"authorization": "Bearer other"}).status_code == 401


def test_the_claims_of_a_signed_token() -> None:
    key = RSAKey.generate_key(2048)
    with Upstream("sso", Desk().answer) as sso:
        issuer = f"http://127.0.0.1:{sso.port}"
        pem = json.dumps(key.as_pem(private=False).decode())
        config = f"client_id: web, discovery: '{issuer}{WELL_KNOWN}', bearer_only: true, public_key: {pem}"
        with (
            run_manifests(BASICS + route("app", config), ports=(HTTP,)) as running,
            httpx2.Client(base_url=running.url(HTTP), timeout=DEADLINE) as client,
        ):
            for name in ("ann", "änn", "???>>>~~~"):
                claims = {"iss": issuer, "sub": name, "exp": int(time.time()) + 60}
                made = jwt.encode({"alg": "RS256"}, claims, key)
                got = seen(client.get("/app/x", headers={**FORGED, "authorization": f"bearer {made}"}))
                assert opened(got["x-userinfo"]) == claims
                assert got["x-access-token"] == made
                # Where the check finds the token somewhere in between, its claims are still those that count.
                odd = client.get("/app/x", headers={**FORGED, "authorization": f"Basic x.e30.y Bearer {made}"})
                got = seen(odd)
                assert opened(got["x-userinfo"]) == claims
                assert "x-access-token" not in got


def test_a_login_without_its_secrets() -> None:
    config = "client_id: web, discovery: 'http://127.0.0.1:9/d'"
    secrets = """
---
apiVersion: v1
kind: Secret
metadata: {name: half}
stringData: {client_secret: a-secret-that-is-not-shown}
---
apiVersion: v1
kind: Secret
metadata: {name: short}
stringData: {client_secret: a-secret-that-is-not-shown, session.secret: too-short}
"""
    text = BASICS + secrets + route("half", config, "half") + route("short", config, "short")
    with run_manifests(text, ports=(HTTP,)) as running:
        for name in ("half", "short"):
            assert httpx2.get(f"{running.url(HTTP)}/{name}/x", timeout=DEADLINE).status_code == 503
        found = sorted(str(one.message) for one in running.findings if one.rule == "apisix-openid-secret")
        assert [text.partition(":")[0] for text in found] == [
            "session.secret is shorter than 16 characters",
            "the Secret half lacks session.secret",
        ]
        assert not any("too-short" in text for text in found)
