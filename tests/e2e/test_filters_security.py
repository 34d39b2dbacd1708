"""Who may call, with real traffic through the real Envoy: real tokens, a real login, a real service asked."""

import hmac
import json
import re
import threading
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http.cookiejar import CookieJar, DefaultCookiePolicy
from time import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import grpc
import httpx2
import pytest
from filter_gateway import (
    PASSWORD,
    Running,
    Upstream,
    gateway,
    opaque,
    origin,
    rule,
    security,
    server,
)
from joserfc import jwt as tokens
from joserfc.jwk import RSAKey

from anygate.envoy.api import build, message
from anygate.model.match import ValueMatch
from anygate.model.security import (
    ApiKeyAuth,
    Authorization,
    AuthorizationRule,
    BasicAuth,
    ClaimMatch,
    ExtAuth,
    Jwt,
    JwtProvider,
    Oidc,
    Principal,
    Security,
)

KEY = RSAKey.generate_key(2048, {"kid": "one"})
OTHER_KEY = RSAKey.generate_key(2048, {"kid": "one"})
JWKS = json.dumps({"keys": [KEY.as_dict(private=False)]})


def token(key: RSAKey = KEY, **claims: Any) -> str:
    content = {
        "iss": "https://issuer.example",
        "aud": "web",
        "sub": "ann",
        "exp": int(time()) + 600,
        **claims,
    }
    header = {"alg": "RS256", "kid": "one"}
    return tokens.encode(header, {name: value for name, value in content.items() if value is not None}, key)


def _plain(content: bytes) -> str:
    return urlsafe_b64encode(content).decode().rstrip("=")


def bearer(made: str) -> dict[str, str]:
    return {"authorization": f"Bearer {made}"}


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
def jwt() -> Iterator[Running]:
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


def test_a_required_token_is_checked(jwt: Running) -> None:
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
    jwt: Running,
) -> None:
    _, client, _ = jwt
    head = _plain(b'{"alg":"HS256","kid":"one"}')
    body = token().split(".")[1]
    signature = hmac.digest(KEY.as_pem(private=False), f"{head}.{body}".encode(), "sha256")
    confused = f"{head}.{body}.{_plain(signature)}"
    assert client.get("/required", headers=bearer(confused)).status_code == 401


def test_an_optional_token_may_be_missing_but_not_wrong(jwt: Running) -> None:
    _, client, _ = jwt
    assert client.get("/optional").status_code == 200
    assert client.get("/optional", headers=bearer(token())).status_code == 200
    assert client.get("/optional", headers=bearer(token(OTHER_KEY))).status_code == 401


def test_either_of_two_providers_will_do(jwt: Running) -> None:
    _, client, _ = jwt
    assert client.get("/either", headers=bearer(token())).status_code == 200
    assert client.get("/either", headers=bearer(token(iss="https://second.example", aud=None))).status_code == 200
    assert client.get("/either", headers=bearer(token(iss="https://third.example"))).status_code == 401


def test_tokens_are_found_where_told_and_claims_become_headers(
    jwt: Running,
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


def test_headers_that_carry_claims_cannot_be_forged(jwt: Running) -> None:
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


# connections from before a policy

ASKED = ExtAuth(origin=origin("x"), protocol="http", backend="gone")
LOGIN = Oidc(
    origin=origin("o"),
    name="login",
    issuer="http://idp",
    client_id="web",
    client_secret="keys",
    hmac_secret="keys",
    token_backend="gone",
    authorization_endpoint="http://idp/authorize",
    token_endpoint="http://idp/token",
)


def test_a_chain_from_before_a_policy_still_refuses() -> None:
    """A connection keeps its chain while routes change: what guards requests must not need a new chain."""
    keys = ApiKeyAuth(origin=origin("k"), secrets=("keys",), headers=("x-key",))
    checked = Jwt(origin=origin("c"), providers=(provider(),))
    routes = {
        "/basic": rule("basic", security=security(basic=BasicAuth(origin=origin("b"), secret="users"))),
        "/key": rule("key", security=security(api_key=keys)),
        "/jwt": rule("jwt", security=security(jwt=Jwt(origin=origin("a"), providers=(provider(),)))),
        "/rbac": rule("rbac", security=authorized()),
        "/login": rule("login", security=security(oidc=LOGIN)),
        "/asked": rule("asked", security=security(ext_auth=ASKED)),
        "/both": rule("both", security=security(ext_auth=ASKED, jwt=checked)),
        "/large": rule("large", request_buffer=3),
        "/open": rule("open"),
    }
    secrets = opaque(users=f"ann:{PASSWORD}", keys='{"ann": "one"}')
    before = [rule("open"), rule("checked", security=security(jwt=checked))]
    callers = server(caller_headers=("x-caller",))
    with gateway(routes, secrets=secrets, chain_rules=before, at=callers, clusters={"gone": []}) as (_, client, echo):
        assert client.get("/basic").status_code == 401
        assert client.get("/key").status_code == 401
        assert client.get("/jwt", headers=bearer(token())).status_code == 403
        assert client.get("/rbac").status_code == 403
        assert client.get("/login").status_code == 403
        assert client.get("/asked").status_code == 403
        assert client.get("/both", headers=bearer(token())).status_code == 403
        assert client.post("/large", content="1234").status_code == 413
        assert echo.seen == []
        assert client.get("/open").status_code == 200
        assert client.get("/basic", auth=("ann", "secret")).status_code == 200


def test_routes_that_answer_themselves_are_guarded_too() -> None:
    with Upstream("gone") as gone:
        port = gone.port
    keys = ApiKeyAuth(origin=origin("k"), secrets=("keys",), headers=("x-key",))
    routes = {
        "/basic": rule("basic", security=security(basic=BasicAuth(origin=origin("b"), secret="users"))),
        "/key": rule("key", security=security(api_key=keys)),
        "/jwt": rule("jwt", security=security(jwt=Jwt(origin=origin("a"), providers=(provider(),)))),
        "/rbac": rule("rbac", security=authorized()),
        "/asked": rule("asked", security=security(ext_auth=ASKED)),
        "/login": rule("login", security=security(oidc=LOGIN)),
    }
    respond = {"route": None, "direct_response": {"status": 299}}
    move = {"route": None, "redirect": {"host_redirect": "elsewhere.example"}}
    secrets = opaque(users=f"ann:{PASSWORD}", keys='{"ann": "one"}')
    for action in (respond, move):
        overrides = dict.fromkeys(routes, action)
        with gateway(routes, secrets=secrets, overrides=overrides, clusters={"gone": [port]}) as (
            _,
            client,
            _,
        ):
            statuses = [client.get(path).status_code for path in routes if path != "/login"]
            assert statuses == [401, 401, 401, 403, 403]
            assert client.get("/login").headers["location"].startswith("http://idp/authorize")
            assert client.get("/key", headers={"x-key": "one"}).status_code in (299, 301)


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
    return security(authorization=Authorization(origin=origin("z"), rules=rows, allow_by_default=default), **more)


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


class GrpcAuthorization(grpc.GenericRpcHandler):
    """`envoy.service.auth.v3.Authorization/Check`: lets requests with a good ticket pass."""

    def service(self, call: Any) -> Any:
        assert call.method == "/envoy.service.auth.v3.Authorization/Check"
        return grpc.unary_unary_rpc_method_handler(
            self.decide,
            request_deserializer=message("envoy.service.auth.v3.CheckRequest").FromString,
            response_serializer=lambda answer: answer.SerializeToString(),
        )

    def decide(self, request: Any, _: Any) -> Any:
        ticket = request.attributes.request.http.headers.get("x-ticket")
        name = "envoy.service.auth.v3.CheckResponse"
        if ticket != "good":
            return build(name, status={"code": 7}, denied_response={"status": {"code": "Forbidden"}, "body": "no"})
        header = {"header": {"key": "x-user", "value": "ann"}}
        return build(name, ok_response={"headers": [header]})


def test_a_service_decides_over_grpc() -> None:
    service = grpc.server(ThreadPoolExecutor(2))
    service.add_generic_rpc_handlers((GrpcAuthorization(),))
    port = service.add_insecure_port("127.0.0.1:0")
    service.start()
    try:
        ask = ExtAuth(origin=origin("x"), protocol="grpc", backend="auth-h2")
        checked = authorized(allow("ann", headers=(("x-user", ("ann",)),)), ext_auth=ask)
        with gateway({"/": rule(security=checked)}, clusters={"auth-h2": [port]}) as (_, client, _):
            refused = client.get("/")
            assert (refused.status_code, refused.text) == (403, "no")
            # The authorization rule, which comes later, sees what the service added.
            passed = client.get("/", headers={"x-ticket": "good"})
            assert passed.json()["headers"]["x-user"] == "ann"
    finally:
        service.stop(None).wait()


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
        with gateway({"/": rule(security=security(ext_auth=ask))}, clusters={"auth": [auth.port]}) as (
            _,
            client,
            _,
        ):
            assert client.post("/", content=b"12345678").status_code == 200
            assert auth.seen[0]["body"] == "12345678"
            assert client.post("/", content=b"123456789").status_code == 413
            assert len(auth.seen) == 1


# login


@pytest.mark.filterwarnings("ignore:authlib.jose module", "ignore:get_jwt_config")
def test_login_through_an_openid_provider() -> None:
    import oidc_provider_mock

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
            # Envoy marks its cookies Secure; browsers send those to localhost without TLS, and this jar too.
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
