"""Every filter with real traffic through the real Envoy: what it lets through and what it refuses."""

import hmac
import json
import re
import threading
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from hashlib import sha1
from http.cookiejar import CookieJar, DefaultCookiePolicy
from time import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from filter_gateway import Gateway, Upstream, bootstrap, opaque, origin, rule, running, server
from joserfc import jwt as tokens
from joserfc.jwk import RSAKey

from anygate.model.limits import Faults, LimitRule, LimitSelector, RateLimit
from anygate.model.match import PathMatch, ValueMatch
from anygate.model.route import Credential, Session
from anygate.model.security import (
    ApiKeyAuth,
    Authorization,
    AuthorizationRule,
    BasicAuth,
    ClaimMatch,
    Cors,
    ExtAuth,
    Jwt,
    JwtProvider,
    Oidc,
    Principal,
    Security,
)

HOUR = timedelta(hours=1)
PASSWORD = "{SHA}" + b64encode(sha1(b"secret").digest()).decode()
KEY = RSAKey.generate_key(2048, {"kid": "one"})
OTHER_KEY = RSAKey.generate_key(2048, {"kid": "one"})
JWKS = json.dumps({"keys": [KEY.as_dict(private=False)]})


@contextmanager
def gateway(routes: dict[str, Any], **options: Any) -> Iterator[tuple[Gateway, httpx2.Client, Upstream]]:
    clusters = options.pop("clusters", {})
    with Upstream("echo") as echo:
        config = bootstrap(routes, {"echo": [echo.port], **clusters}, **options)
        with running(config) as envoy, httpx2.Client(base_url=envoy.url) as client:
            yield envoy, client, echo


def security(**fields: Any) -> Security:
    return Security(origin=origin("policy"), **fields)


def token(key: RSAKey = KEY, **claims: Any) -> str:
    content = {"iss": "https://issuer.example", "aud": "web", "sub": "ann", "exp": int(time()) + 600, **claims}
    header = {"alg": "RS256", "kid": "one"}
    return tokens.encode(header, {name: value for name, value in content.items() if value is not None}, key)


def _plain(content: bytes) -> str:
    return urlsafe_b64encode(content).decode().rstrip("=")


def bearer(made: str) -> dict[str, str]:
    return {"authorization": f"Bearer {made}"}


# health check


def test_health_check_is_answered_by_the_gateway_before_any_authentication() -> None:
    basic = BasicAuth(origin=origin("b"), secret="users")
    routes = {"/": rule(security=security(basic=basic))}
    with gateway(
        routes, at=server(health_check_path="/healthz"), secrets=opaque(users=f"ann:{PASSWORD}")
    ) as (_, client, echo):
        assert client.get("/healthz").status_code == 200
        assert client.get("/healthz/more").status_code == 401
        assert echo.seen == []


# CORS

CORS = Cors(
    origin=origin("c"),
    allow_origins=("https://shop.example", "https://*.friends.example", "http://*:8080"),
    allow_methods=("GET", "PUT"),
    allow_headers=("x-one", "x-two"),
    expose_headers=("x-seen",),
    max_age=timedelta(minutes=10),
    allow_credentials=True,
)


def preflight(source: str, method: str = "PUT", headers: str = "x-one") -> dict[str, str]:
    return {
        "origin": source,
        "access-control-request-method": method,
        "access-control-request-headers": headers,
    }


@pytest.fixture(scope="module")
def cors() -> Iterator[tuple[Gateway, httpx2.Client, Upstream]]:
    basic = security(basic=BasicAuth(origin=origin("b"), secret="users"))
    wild = Cors(origin=origin("w"), allow_origins=("*",), allow_methods=("*",), allow_headers=("*",))
    wild_credentials = Cors(
        origin=origin("v"), allow_origins=("*",), allow_methods=("*",), allow_headers=("*",), allow_credentials=True
    )
    routes = {
        "/locked": rule("locked", cors=CORS, security=basic),
        "/wild": rule("wild", cors=wild),
        "/credentials": rule("credentials", cors=wild_credentials),
        "/broken": rule("broken", cors=wild, faults=Faults(origin=origin("f"), abort_status=503)),
        "/none": rule("none"),
        "/answer": rule("answer", cors=wild),
    }
    with gateway(
        routes,
        secrets=opaque(users=f"ann:{PASSWORD}"),
        overrides={"/answer": {"route": None, "direct_response": {"status": 404}}},
    ) as made:
        yield made


@pytest.mark.parametrize(
    ("source", "allowed"),
    [
        ("https://shop.example", True),
        ("https://a.friends.example", True),
        ("https://a.b.friends.example", True),
        ("http://any.host.example:8080", True),
        ("https://friends.example", False),
        ("http://a.friends.example", False),
        ("https://a.friends.example.evil", False),
        ("https://evil-friends.example", False),
        ("https://shop.example.evil", False),
        ("null", False),
    ],
)
def test_preflight_is_answered_before_authentication_for_allowed_origins(
    cors: tuple[Gateway, httpx2.Client, Upstream], source: str, allowed: bool
) -> None:
    _, client, echo = cors
    answer = client.options("/locked", headers=preflight(source))
    assert answer.status_code == 200
    assert answer.headers.get("access-control-allow-origin") == (source if allowed else None)
    assert echo.seen == []
    if allowed:
        assert answer.headers["access-control-allow-methods"] == "GET, PUT"
        assert answer.headers["access-control-allow-headers"] == "x-one, x-two"
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert answer.headers["access-control-max-age"] == "600"


def test_refusals_of_later_filters_are_readable_by_allowed_origins(
    cors: tuple[Gateway, httpx2.Client, Upstream],
) -> None:
    _, client, _ = cors
    refused = client.get("/locked", headers={"origin": "https://shop.example"})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, "https://shop.example")
    assert refused.headers["access-control-expose-headers"] == "x-seen"
    aborted = client.get("/broken", headers={"origin": "https://shop.example"})
    assert (aborted.status_code, "access-control-allow-origin" in aborted.headers) == (503, True)
    foreign = client.get("/locked", headers={"origin": "https://evil.example"})
    assert "access-control-allow-origin" not in foreign.headers


def test_wildcards(cors: tuple[Gateway, httpx2.Client, Upstream]) -> None:
    _, client, _ = cors
    plain = client.options("/wild", headers=preflight("https://any.example", "DELETE", "x-odd"))
    assert plain.headers["access-control-allow-origin"] in ("*", "https://any.example")
    assert plain.headers["access-control-allow-methods"] in ("*", "DELETE")
    assert plain.headers["access-control-allow-headers"] in ("*", "x-odd")
    # With credentials browsers take `*` literally, so Envoy names what was asked for.
    named = client.options("/credentials", headers=preflight("https://any.example", "DELETE", "x-odd"))
    assert named.headers["access-control-allow-origin"] == "https://any.example"
    assert named.headers["access-control-allow-methods"] == "DELETE"
    assert named.headers["access-control-allow-headers"] == "x-odd"


def test_routes_without_cors_and_plain_options_requests_reach_the_backend(
    cors: tuple[Gateway, httpx2.Client, Upstream],
) -> None:
    _, client, _ = cors
    assert client.options("/none", headers=preflight("https://shop.example")).json()["method"] == "OPTIONS"
    assert client.options("/wild").json()["method"] == "OPTIONS"


# basic authentication and API keys


def test_basic_authentication() -> None:
    plain = BasicAuth(origin=origin("b"), secret="users")
    named = BasicAuth(origin=origin("n"), secret="others", forward_header="X-User")
    routes = {
        "/plain": rule("plain", security=security(basic=plain)),
        "/named": rule("named", security=security(basic=named)),
        "/open": rule("open"),
    }
    users = opaque(users=f"# comment\nann:{PASSWORD}\n", others=f"bob:{PASSWORD}")
    with gateway(routes, secrets=users) as (envoy, client, _):
        missing = client.get("/plain")
        assert (missing.status_code, missing.headers["www-authenticate"][:5]) == (401, "Basic")
        assert client.get("/plain", auth=("ann", "wrong")).status_code == 401
        assert client.get("/plain", auth=("bob", "secret")).status_code == 401
        assert client.get("/plain", auth=("nobody", "")).status_code == 401
        assert client.get("/plain", auth=("ann", "secret")).status_code == 200
        known = client.get("/named", auth=("bob", "secret"), headers={"x-user": "root"})
        assert known.json()["headers"]["x-user"] == "bob"
        assert client.get("/open").status_code == 200
        dump = envoy.ask_admin("/config_dump")
        inline = b64encode(f"ann:{PASSWORD}".encode()).decode()
        assert inline not in dump
        assert PASSWORD not in dump
        assert "[redacted]" in dump


def test_api_keys() -> None:
    auth = ApiKeyAuth(
        origin=origin("k"),
        secrets=("keys", "more"),
        headers=("x-key", "authorization"),
        query=("key",),
        cookies=("key",),
        forward_header="x-client",
        sanitize=True,
    )
    kept = ApiKeyAuth(origin=origin("k2"), secrets=("keys",), headers=("x-key",))
    routes = {
        "/key": rule("key", security=security(api_key=auth)),
        "/kept": rule("kept", security=security(api_key=kept)),
        "/open": rule("open"),
    }
    keys = opaque(keys=json.dumps({"ann": "key-of-ann"}), more=json.dumps({"bob": "key-of-bob"}))
    with gateway(routes, secrets=keys) as (envoy, client, _):
        assert client.get("/key").status_code == 401
        assert client.get("/key", headers={"x-key": "wrong"}).status_code == 401
        assert client.get("/key", headers={"x-key": "wrong"}, params={"key": "key-of-ann"}).status_code == 401
        by_header = client.get("/key", headers={"x-key": "key-of-ann", "x-client": "root"}).json()
        assert by_header["headers"]["x-client"] == "ann"
        assert "x-key" not in by_header["headers"]
        by_bearer = client.get("/key", headers=bearer("key-of-bob")).json()["headers"]
        assert (by_bearer["x-client"], "authorization" in by_bearer) == ("bob", False)
        by_query = client.get("/key?a=1&key=key-of-ann").json()
        assert (by_query["headers"]["x-client"], by_query["path"]) == ("ann", "/key?a=1")
        by_cookie = client.get("/key", headers={"cookie": "key=key-of-bob; other=1"}).json()["headers"]
        assert (by_cookie["x-client"], by_cookie["cookie"]) == ("bob", "other=1")
        assert client.get("/kept", headers={"x-key": "key-of-bob"}).status_code == 401
        assert client.get("/kept", headers={"x-key": "key-of-ann"}).json()["headers"]["x-key"] == "key-of-ann"
        assert client.get("/open").status_code == 200
        dump = envoy.ask_admin("/config_dump")
        assert "key-of-ann" not in dump
        assert "key-of-bob" not in dump


# JSON Web Tokens


def provider(name: str = "issuer", **fields: Any) -> JwtProvider:
    settings = {"issuer": "https://issuer.example", "audiences": ("web",), "jwks": JWKS, **fields}
    return JwtProvider(origin=origin("j"), name=name, **settings)


@pytest.fixture(scope="module")
def jwt() -> Iterator[tuple[Gateway, httpx2.Client, Upstream]]:
    rich = provider(
        claim_to_headers=(("sub", "x-sub"), ("org.team", "x-team")),
        from_headers=(("x-token", "Token "),),
        from_params=("token",),
        from_cookies=("token",),
    )
    second = provider("second", issuer="https://second.example", audiences=())
    routes = {
        "/required": rule("a", security=security(jwt=Jwt(origin=origin("a"), providers=(provider(),)))),
        "/optional": rule("b", security=security(jwt=Jwt(origin=origin("b"), providers=(provider(),), optional=True))),
        "/either": rule("c", security=security(jwt=Jwt(origin=origin("c"), providers=(provider(), second)))),
        "/rich": rule("d", security=security(jwt=Jwt(origin=origin("d"), providers=(rich,), optional=True))),
        "/open": rule("e"),
    }
    with gateway(routes) as made:
        yield made


def test_a_required_token_is_checked(jwt: tuple[Gateway, httpx2.Client, Upstream]) -> None:
    _, client, _ = jwt

    def status(made: str) -> int:
        return client.get("/required", headers=bearer(made)).status_code

    assert client.get("/required").status_code == 401
    assert status(token()) == 200
    assert status(token(aud=["other", "web"])) == 200
    assert status(token(aud="other")) == 403
    assert status(token(iss="https://second.example")) == 401
    assert status(token(exp=int(time()) - 3600)) == 401
    assert status(token(nbf=int(time()) + 3600)) == 401
    assert status(token(OTHER_KEY)) == 401
    assert status(token()[:-8] + "AAAAAAAA") == 401
    assert status("nonsense") == 401
    body = token().split(".")[1]
    assert status(".".join((_plain(b'{"alg":"none"}'), body, ""))) == 401
    assert client.get("/open").status_code == 200


def test_a_token_signed_with_the_public_key_as_a_shared_secret_is_refused(
    jwt: tuple[Gateway, httpx2.Client, Upstream],
) -> None:
    _, client, _ = jwt
    head = _plain(b'{"alg":"HS256","kid":"one"}')
    body = token().split(".")[1]
    signature = hmac.digest(KEY.as_pem(private=False), f"{head}.{body}".encode(), "sha256")
    confused = f"{head}.{body}.{_plain(signature)}"
    assert client.get("/required", headers=bearer(confused)).status_code == 401


def test_an_optional_token_may_be_missing_but_not_wrong(jwt: tuple[Gateway, httpx2.Client, Upstream]) -> None:
    _, client, _ = jwt
    assert client.get("/optional").status_code == 200
    assert client.get("/optional", headers=bearer(token())).status_code == 200
    assert client.get("/optional", headers=bearer(token(OTHER_KEY))).status_code == 401


def test_either_of_two_providers_will_do(jwt: tuple[Gateway, httpx2.Client, Upstream]) -> None:
    _, client, _ = jwt
    assert client.get("/either", headers=bearer(token())).status_code == 200
    assert client.get("/either", headers=bearer(token(iss="https://second.example", aud=None))).status_code == 200
    assert client.get("/either", headers=bearer(token(iss="https://third.example"))).status_code == 401


def test_tokens_are_found_where_told_and_claims_become_headers(
    jwt: tuple[Gateway, httpx2.Client, Upstream],
) -> None:
    _, client, _ = jwt
    made = token(org={"team": "blue"})
    for seen in (
        client.get("/rich", headers={"x-token": f"Token {made}"}),
        client.get("/rich", params={"token": made}),
        client.get("/rich", headers={"cookie": f"token={made}"}),
    ):
        headers = seen.json()["headers"]
        assert (headers["x-sub"], headers["x-team"]) == ("ann", "blue")
    assert client.get("/rich", headers={"x-token": "Token bad"}).status_code == 401


def test_a_client_cannot_forge_headers_that_carry_claims(jwt: tuple[Gateway, httpx2.Client, Upstream]) -> None:
    _, client, _ = jwt
    forged = {"x-sub": "root", "x-team": "root"}
    without = client.get("/rich", headers=forged).json()["headers"]
    assert "root" not in without.values()
    partial = client.get("/rich", headers={**forged, "x-token": f"Token {token()}"}).json()["headers"]
    assert (partial["x-sub"], partial.get("x-team")) == ("ann", None)


def test_remote_keys_are_fetched_before_the_first_request() -> None:
    fetched = threading.Event()

    def answer(request: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        fetched.set()
        return (200, {}, JWKS.encode()) if request["path"] == "/keys.json" else (404, {}, b"")

    with Upstream("keys", answer) as keys:
        remote = provider(jwks="", jwks_uri=f"http://127.0.0.1:{keys.port}/keys.json", jwks_backend="keys")
        routes = {"/": rule(security=security(jwt=Jwt(origin=origin("r"), providers=(remote,))))}
        with gateway(routes, clusters={"keys": [keys.port]}) as (_, client, _):
            assert fetched.is_set()
            assert client.get("/", headers=bearer(token())).status_code == 200
            assert client.get("/", headers=bearer(token(OTHER_KEY))).status_code == 401
            assert len(keys.seen) == 1


def test_claims_can_choose_the_route() -> None:
    choosing = provider(claim_to_headers=(("plan", "x-plan"),), recompute_route=True)
    one = rule(security=security(jwt=Jwt(origin=origin("r"), providers=(choosing,))))
    gold = {
        "match": {"prefix": "/", "headers": [{"name": "x-plan", "string_match": {"exact": "gold"}}]},
        "direct_response": {"status": 299},
    }
    with gateway({"/": one}, extra_routes=[gold]) as (_, client, _):
        assert client.get("/", headers=bearer(token(plan="gold"))).status_code == 299
        assert client.get("/", headers=bearer(token(plan="tin"))).status_code == 200


# authorization


def allow(name: str, methods: tuple[str, ...] = (), **principal: Any) -> AuthorizationRule:
    return AuthorizationRule(
        origin=origin("z"), name=name, allow=True, principal=Principal(**principal), methods=methods
    )


def deny(name: str, methods: tuple[str, ...] = (), **principal: Any) -> AuthorizationRule:
    return AuthorizationRule(
        origin=origin("z"), name=name, allow=False, principal=Principal(**principal), methods=methods
    )


def authorized(*rows: AuthorizationRule, default: bool = False, **more: Any) -> Security:
    return security(
        authorization=Authorization(origin=origin("z"), rules=rows, allow_by_default=default), **more
    )


def test_authorization_by_address_method_and_header() -> None:
    routes = {
        "/near": rule("near", security=authorized(allow("near", cidrs=("10.1.0.0/16", "2001:db8::/32")))),
        "/not": rule("not", security=authorized(deny("far", cidrs=("10.0.0.0/8",)), default=True)),
        "/read": rule("read", security=authorized(allow("read", methods=("GET", "HEAD")))),
        "/head": rule("head", security=authorized(allow("head", headers=(("x-role", ("a", "b")), ("x-on", ("1",)))))),
        "/order": rule(
            "order",
            security=authorized(deny("no", headers=(("x-role", ("bad",)),)), allow("all", methods=("GET",))),
        ),
        "/all": rule("all", security=authorized(allow("everyone"))),
        "/nobody": rule("nobody", security=authorized()),
        "/any": rule("any", security=authorized(default=True)),
        "/open": rule("open"),
    }
    with gateway(routes, manager={"use_remote_address": {"value": True}, "xff_num_trusted_hops": 1}) as (
        _,
        client,
        _,
    ):

        def status(path: str, method: str = "GET", address: str = "192.0.2.1", **headers: str) -> int:
            # With one trusted hop the client is the last but one in the header.
            sent = {"x-forwarded-for": address, **{name.replace("_", "-"): v for name, v in headers.items()}}
            return client.request(method, path, headers=sent).status_code

        assert (status("/near", address="10.1.2.3"), status("/near", address="10.2.0.1")) == (200, 403)
        assert (status("/near", address="2001:db8::1"), status("/near")) == (200, 403)
        assert (status("/not", address="10.1.2.3"), status("/not")) == (403, 200)
        assert (status("/read"), status("/read", "HEAD"), status("/read", "POST")) == (200, 200, 403)
        assert status("/head", x_role="b", x_on="1") == 200
        assert status("/head", x_role="b") == 403
        assert status("/head", x_role="c", x_on="1") == 403
        assert (status("/order", x_role="bad"), status("/order"), status("/order", "POST")) == (403, 200, 403)
        assert (status("/all"), status("/nobody"), status("/any"), status("/open")) == (200, 403, 200, 200)


def test_authorization_by_claims_and_scopes() -> None:
    checked = Jwt(origin=origin("j"), providers=(provider(),), optional=True)

    def by(**principal: Any) -> Security:
        return authorized(allow("a", jwt_provider="issuer", **principal), jwt=checked)

    routes = {
        "/claim": rule("claim", security=by(jwt_claims=(ClaimMatch(name="org.team", values=("blue", "red")),))),
        "/list": rule("list", security=by(jwt_claims=(ClaimMatch(name="roles", values=("admin",), is_list=True),))),
        "/scope": rule("scope", security=by(jwt_scopes=("read", "write"))),
        "/token": rule("token", security=by()),
    }
    with gateway(routes) as (_, client, _):

        def status(path: str, **claims: Any) -> int:
            return client.get(path, headers=bearer(token(**claims))).status_code

        assert status("/claim", org={"team": "red"}) == 200
        assert status("/claim", org={"team": "green"}) == 403
        assert status("/claim") == 403
        assert status("/list", roles=["user", "admin"]) == 200
        assert status("/list", roles=["user"]) == 403
        assert status("/list", roles="admin") == 403
        assert status("/scope", scope="read write more") == 200
        assert status("/scope", scp=["write", "read"]) == 200
        assert status("/scope", scope=["write", "read"]) == 200
        assert status("/scope", scope="read") == 403
        assert status("/scope", scope="readwrite") == 403
        assert (status("/token"), client.get("/token").status_code) == (200, 403)


# a service that is asked


def test_a_service_decides_over_http() -> None:
    def decide(request: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        if request["headers"].get("x-ticket") == "good":
            return 200, {"x-user": "ann", "x-other": "1"}, b""
        return 401, {"x-why": "no ticket"}, b"who are you?"

    with Upstream("auth", decide) as auth:
        ask = ExtAuth(
            origin=origin("x"),
            protocol="http",
            backend="auth",
            path="/check",
            headers_to_service=("X-Ticket",),
            headers_to_backend=("x-user",),
        )
        routes = {"/asked": rule("asked", security=security(ext_auth=ask)), "/open": rule("open")}
        with gateway(routes, clusters={"auth": [auth.port]}) as (_, client, _):
            refused = client.get("/asked/1?q=2", headers={"x-private": "1", "host": "shop.example"})
            assert (refused.status_code, refused.text) == (401, "who are you?")
            assert auth.seen[0]["path"] == "/check/asked/1?q=2"
            assert auth.seen[0]["headers"]["host"] == "shop.example"
            assert "x-private" not in auth.seen[0]["headers"]
            passed = client.get("/asked", headers={"x-ticket": "good", "x-user": "root"}).json()["headers"]
            assert (passed["x-user"], "x-other" in passed) == ("ann", False)
            assert client.get("/open").status_code == 200
            assert len(auth.seen) == 2


def test_a_service_that_is_down_refuses_unless_told_otherwise() -> None:
    with Upstream("gone") as gone:
        port = gone.port
    closed = ExtAuth(origin=origin("x"), protocol="http", backend="gone")
    opened = ExtAuth(origin=origin("y"), protocol="http", backend="gone", fail_open=True)
    called = ExtAuth(origin=origin("z"), protocol="grpc", backend="gone", timeout=timedelta(seconds=2))
    routes = {
        "/closed": rule("closed", security=security(ext_auth=closed)),
        "/opened": rule("opened", security=security(ext_auth=opened)),
        "/called": rule("called", security=security(ext_auth=called)),
    }
    with gateway(routes, clusters={"gone": [port]}) as (_, client, _):
        assert client.get("/closed").status_code == 403
        assert client.get("/called").status_code == 403
        assert client.get("/opened").status_code == 200


def test_a_service_sees_the_body_up_to_a_limit() -> None:
    with Upstream("auth") as auth:
        ask = ExtAuth(origin=origin("x"), protocol="http", backend="auth", body_limit=8)
        with gateway({"/": rule(security=security(ext_auth=ask))}, clusters={"auth": [auth.port]}) as (_, client, _):
            assert client.post("/", content=b"12345678").status_code == 200
            assert auth.seen[0]["body"] == "12345678"
            assert client.post("/", content=b"123456789").status_code == 413
            assert len(auth.seen) == 1


# login


@pytest.mark.filterwarnings("ignore:authlib.jose module is deprecated")
def test_login_through_an_openid_provider() -> None:
    oidc_provider_mock = pytest.importorskip("oidc_provider_mock")
    with oidc_provider_mock.run_server_in_thread() as idp:
        issuer = f"http://localhost:{idp.server_port}"
        login = Oidc(
            origin=origin("o"),
            name="default/login",
            issuer=issuer,
            client_id="web",
            client_secret="client",
            hmac_secret="hmac",
            token_backend="idp",
            authorization_endpoint=f"{issuer}/oauth2/authorize",
            token_endpoint=f"{issuer}/oauth2/token",
            forward_access_token=True,
            same_site="Lax",
            deny_redirect=(ValueMatch(name="x-requested-with", value="XMLHttpRequest"),),
        )
        routes = {"/": rule("app", security=security(oidc=login)), "/open": rule("open")}
        secrets = opaque(client="client-secret-value", hmac="h" * 32)
        with gateway(routes, clusters={"idp": [idp.server_port]}, secrets=secrets) as (envoy, plain, _):
            assert plain.get("/open").status_code == 200
            assert plain.get("/app", headers={"x-requested-with": "XMLHttpRequest"}).status_code == 401
            # Envoy marks its cookies Secure; browsers send those to localhost without TLS, and so does this jar.
            jar = CookieJar(DefaultCookiePolicy(secure_protocols=("http", "https")))
            with httpx2.Client(base_url=envoy.url, cookies=jar, follow_redirects=True) as browser:
                form = browser.get("/app?page=1")
                assert str(form.url).startswith(f"{issuer}/oauth2/authorize")
                asked = parse_qs(urlsplit(str(form.url)).query)
                assert asked["client_id"] == ["web"]
                assert asked["redirect_uri"] == [f"{envoy.url}/oauth2/callback"]
                assert "openid" in asked["scope"][0].split()
                assert asked["code_challenge_method"] == ["S256"]
                landed = browser.post(str(form.url), data={"sub": "ann"})
                assert (landed.status_code, landed.json()["path"]) == (200, "/app?page=1")
                assert landed.json()["headers"]["authorization"].startswith("Bearer ")
                assert browser.get("/other").json()["path"] == "/other"
                names = {cookie.name for cookie in jar}
                assert any(re.fullmatch(r"IdToken-[0-9a-f]{8}", name) for name in names)
                gone = browser.get("/logout", follow_redirects=False)
                assert gone.status_code == 302
                again = browser.get("/app", follow_redirects=False)
                assert (again.status_code, again.headers["location"].startswith(issuer)) == (302, True)
            with httpx2.Client(base_url=envoy.url) as forger:
                forged = {"cookie": "; ".join(f"{name}=x" for name in sorted(names))}
                assert forger.get("/app", headers=forged).status_code == 302
                assert forger.get("/oauth2/callback?code=1&state=x").status_code in (401, 302)
            assert "client-secret-value" not in envoy.ask_admin("/config_dump")


# faults, limits, buffers


def test_faults() -> None:
    routes = {
        "/abort": rule("abort", faults=Faults(origin=origin("f"), abort_status=418)),
        "/never": rule("never", faults=Faults(origin=origin("f"), abort_status=418, abort_percent=0)),
        "/grpc": rule("grpc", faults=Faults(origin=origin("f"), grpc_status=14)),
        "/delay": rule("delay", faults=Faults(origin=origin("f"), delay=timedelta(milliseconds=300))),
        "/half": rule("half", faults=Faults(origin=origin("f"), abort_status=418, abort_percent=50)),
        "/open": rule("open"),
    }
    with gateway(routes) as (_, client, _):
        assert client.get("/abort").status_code == 418
        assert client.get("/never").status_code == 200
        called = client.post("/grpc", headers={"content-type": "application/grpc"})
        assert (called.status_code, called.headers["grpc-status"]) == (200, "14")
        assert client.get("/delay").elapsed >= timedelta(milliseconds=300)
        assert {client.get("/half").status_code for _ in range(60)} == {200, 418}
        assert client.get("/open").status_code == 200


def limit(requests: int, *selectors: LimitSelector, shadow: bool = False) -> LimitRule:
    return LimitRule(origin=origin("l"), requests=requests, unit=HOUR, selectors=selectors, shadow=shadow)


def limited(*rules: LimitRule) -> RateLimit:
    return RateLimit(origin=origin("l"), scope="local", rules=rules)


def test_local_limits() -> None:
    exact = ValueMatch(name="x-plan", value="free")
    routes = {
        "/all": rule("all", rate_limit=limited(limit(2))),
        "/each": rule("each", rate_limit=limited(limit(1, LimitSelector(distinct_headers=("x-user",))))),
        "/some": rule("some", rate_limit=limited(limit(1, LimitSelector(headers=(exact,), methods=("POST", "PUT"))))),
        "/path": rule(
            "path", rate_limit=limited(limit(1, LimitSelector(path=PathMatch(kind="prefix", value="/path/a"))))
        ),
        "/near": rule("near", rate_limit=limited(limit(1, LimitSelector(cidr="127.0.0.0/8", distinct_addresses=True)))),
        "/far": rule("far", rate_limit=limited(limit(1, LimitSelector(cidr="10.0.0.0/8")))),
        "/both": rule("both", rate_limit=limited(limit(3), limit(1, LimitSelector(headers=(exact,))))),
        "/shadow": rule("shadow", rate_limit=limited(limit(1, shadow=True))),
        "/open": rule("open"),
    }
    with gateway(routes) as (_, client, _):

        def status(path: str, method: str = "GET", times: int = 1, **headers: str) -> list[int]:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            return [client.request(method, path, headers=sent).status_code for _ in range(times)]

        first = client.get("/all")
        assert (first.headers["x-ratelimit-limit"], first.headers["x-ratelimit-remaining"]) == ("2", "1")
        assert status("/all", times=3) == [200, 429, 429]
        assert 0 < int(client.get("/all").headers["retry-after"]) <= 3600
        assert "x-ratelimit-limit" not in client.get("/each").headers
        for user in ("ann", "bob"):
            assert status("/each", times=2, x_user=user) == [200, 429]
        assert status("/each", times=3) == [200, 200, 200]
        assert status("/some", "POST", x_plan="free") + status("/some", "PUT", x_plan="free") == [200, 429]
        assert status("/some", x_plan="free") + status("/some", "POST", x_plan="gold") == [200, 200]
        assert status("/path/a/1?x=1") + status("/path/a") + status("/path/ab") == [200, 429, 200]
        assert (status("/near", times=2), status("/far", times=2)) == ([200, 429], [200, 200])
        assert status("/both", x_plan="free", times=2) == [200, 429]
        assert 429 in status("/both", times=4)
        assert (status("/shadow", times=3), status("/open", times=3)) == ([200] * 3, [200] * 3)


def test_local_limits_may_be_silent() -> None:
    with gateway({"/": rule(rate_limit=limited(limit(1)))}, at=server(rate_limit_headers=False)) as (_, client, _):
        assert not [name for name in client.get("/").headers if name.startswith("x-ratelimit")]
        assert client.get("/").status_code == 429


def test_many_values_do_not_reset_a_count() -> None:
    each = limited(limit(1, LimitSelector(distinct_headers=("x-user",))))
    with gateway({"/": rule(rate_limit=each)}) as (_, client, _):
        assert client.get("/", headers={"x-user": "ann"}).status_code == 200
        assert {client.get("/", headers={"x-user": str(number)}).status_code for number in range(100)} == {200}
        assert client.get("/", headers={"x-user": "ann"}).status_code == 429


def test_bodies_beyond_the_buffer_are_refused() -> None:
    with gateway({"/small": rule("small", request_buffer=10), "/open": rule("open")}) as (_, client, echo):
        assert client.post("/small", content=b"1" * 10).status_code == 200
        assert client.post("/small", content=iter([b"1" * 5, b"2" * 5])).json()["body"] == "1111122222"
        assert client.post("/small", content=b"1" * 11).status_code == 413
        assert client.post("/open", content=b"1" * 100).status_code == 200
        assert len(echo.seen) == 3


# sessions and credentials


def test_sessions_stay_on_their_endpoint() -> None:
    cookie = Session(origin=origin("s"), kind="cookie", name="sid", path="/cookie")
    lasting = Session(origin=origin("s"), kind="cookie", name="lasting", permanent=True, absolute_timeout=HOUR)
    header = Session(origin=origin("s"), kind="header", name="x-session")
    routes = {
        "/cookie": rule("cookie", session=cookie),
        "/lasting": rule("lasting", session=lasting),
        "/header": rule("header", session=header),
        "/open": rule("open"),
    }
    with Upstream("a") as one, Upstream("b") as two, Upstream("c") as three:
        config = bootstrap(routes, {"echo": [one.port, two.port, three.port]}, at=server("https"))
        with running(config) as envoy, httpx2.Client(base_url=envoy.url) as client:
            assert len({client.get("/open").json()["server"] for _ in range(30)}) == 3
            first = client.get("/cookie")
            assert re.fullmatch(
                r'sid="[^"]+"; Path=/cookie; SameSite=Lax; Secure; HttpOnly', first.headers["set-cookie"]
            )
            sent = {"cookie": first.headers["set-cookie"].partition(";")[0]}
            client.cookies.clear()
            again = [client.get("/cookie", headers=sent) for _ in range(50)]
            assert {answer.json()["server"] for answer in again} == {first.json()["server"]}
            assert not any("set-cookie" in answer.headers for answer in again)
            assert "; Max-Age=3600;" in client.get("/lasting").headers["set-cookie"]
            client.cookies.clear()
            start = client.get("/header")
            kept = {"x-session": start.headers["x-session"]}
            servers = {client.get("/header", headers=kept).json()["server"] for _ in range(50)}
            assert servers == {start.json()["server"]}


def test_credentials_are_put_on_requests_to_the_backend() -> None:
    routes = {
        "/kept": rule("kept", inject=Credential(origin=origin("i", "a"), secret="one")),
        "/forced": rule(
            "forced", inject=Credential(origin=origin("i", "b"), secret="two", header="X-Key", overwrite=True)
        ),
        "/open": rule("open"),
    }
    with gateway(routes, secrets=opaque(one="Bearer first-credential", two="second-credential")) as (
        envoy,
        client,
        _,
    ):
        assert client.get("/kept").json()["headers"]["authorization"] == "Bearer first-credential"
        own = client.get("/kept", headers={"authorization": "own"}).json()["headers"]
        assert own["authorization"] == "own"
        assert client.get("/forced", headers={"x-key": "own"}).json()["headers"]["x-key"] == "second-credential"
        assert "authorization" not in client.get("/open").json()["headers"]
        assert "first-credential" not in envoy.ask_admin("/config_dump")
