"""APISIX's plugins for who may call, by real requests through the real Envoy: what is answered, what backends see."""

import asyncio
import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from hashlib import sha1
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from time import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import apisix_objects
import httpx2
import pytest
from filter_gateway import Upstream
from joserfc import jwt as tokens
from joserfc.jwk import OctKey, RSAKey
from running import DEADLINE, Running, run_manifests

from anygate.proxy.admin import Admin

HTTP = 9080
KEY = RSAKey.generate_key(2048)
PEM = KEY.as_pem(private=False).decode()
SECRET = "a-secret-of-at-least-32-characters!"
USER = "x-consumer-username"

CONSUMERS = f"""
apiVersion: apisix.apache.org/v2
kind: ApisixConsumer
metadata: {{name: ann}}
spec: {{authParameter: {{keyAuth: {{value: {{key: key-of-ann}}}}}}}}
---
apiVersion: apisix.apache.org/v2
kind: ApisixConsumer
metadata: {{name: bob}}
spec: {{authParameter: {{keyAuth: {{secretRef: {{name: bob}}}}}}}}
---
apiVersion: v1
kind: Secret
metadata: {{name: bob}}
stringData: {{key: key-of-bob}}
---
apiVersion: v1
kind: Secret
metadata: {{name: backend}}
stringData: {{headers.Authorization: Bearer key-of-backend}}
---
apiVersion: apisix.apache.org/v2
kind: ApisixConsumer
metadata: {{name: carl}}
spec: {{authParameter: {{basicAuth: {{value: {{username: "carl)%x", password: pass}}}}}}}}
---
apiVersion: apisix.apache.org/v2
kind: ApisixConsumer
metadata: {{name: dora}}
spec: {{authParameter: {{jwtAuth: {{value: {{key: dora-key, secret: {SECRET}}}}}}}}}
---
apiVersion: apisix.apache.org/v2
kind: ApisixConsumer
metadata: {{name: eve}}
spec: {{authParameter: {{jwtAuth: {{value: {{key: eve-key, algorithm: RS256, public_key: {json.dumps(PEM)}}}}}}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec: {{ports: [{{port: 80}}]}}
"""


def route(name: str, *plugins: str, more: str = "") -> str:
    return apisix_objects.route(name, *plugins, match=f'paths: ["/{name}/*"], hosts: [web.test]{more}')


BASIC_HIDDEN = "{name: basic-auth, config: {hide_credentials: true}}"
KEY_AUTH = "{name: key-auth, config: {hide_credentials: true}}"
MANIFESTS = CONSUMERS + "".join(
    (
        route("open"),
        route("key", KEY_AUTH),
        route("anonymous", "{name: key-auth, config: {anonymous_consumer: default_bob}}"),
        route("basic", "{name: basic-auth, config: {realm: place}}"),
        route("basic-hidden", BASIC_HIDDEN),
        route("token", "{name: jwt-auth, config: {}}"),
        route("token-hidden", "{name: jwt-auth, config: {hide_credentials: true, header: x-token}}"),
        route("both", "{name: basic-auth, config: {}}", "{name: key-auth, config: {}}"),
        route("only-ann", KEY_AUTH, "{name: consumer-restriction, config: {whitelist: [default_ann]}}"),
        route(
            "not-ann",
            KEY_AUTH,
            "{name: consumer-restriction, config: {blacklist: [default_ann], rejected_code: 418, rejected_msg: gone}}",
        ),
        route(
            "methods",
            KEY_AUTH,
            "{name: consumer-restriction, config: {allowed_by_methods: [{user: default_ann, methods: [GET, HEAD]}]}}",
        ),
        route("nobody", "{name: consumer-restriction, config: {whitelist: [default_ann]}}"),
        route("outside", "{name: ip-restriction, config: {whitelist: [192.0.2.0/24]}}", KEY_AUTH),
        route(
            "banned", "{name: ip-restriction, config: {blacklist: [127.0.0.0/8], message: banned, response_code: 404}}"
        ),
        route("inside", "{name: ip-restriction, config: {whitelist: [127.0.0.1]}}"),
        route("small", "{name: client-control, config: {max_body_size: 10}}"),
        route("cors", "{name: cors, config: {}}", "{name: ip-restriction, config: {blacklist: [127.0.0.0/8]}}"),
        route(
            "cors-listed",
            "{name: cors, config: {allow_origins: 'https://a.test,https://b.test', allow_credential: true, "
            "allow_methods: '**', allow_headers: '**', expose_headers: x-seen, max_age: 60}}",
        ),
        route("cors-pattern", r"{name: cors, config: {allow_origins_by_regex: ['\.good\.test$', 'other']}}"),
        route(
            "cors-echo", "{name: cors, config: {allow_origins: '**', allow_methods: GET, timing_allow_origins: '*'}}"
        ),
        route("unknown", "{name: key-auth, config: {anonymous_consumer: nobody}}"),
        route("rewritten", BASIC_HIDDEN, "{name: proxy-rewrite, config: {headers: {X-Old: a}}, secretRef: backend}"),
        route("lost", "{name: key-auth, config: {}, secretRef: nowhere}"),
    )
)


@pytest.fixture(scope="module")
def gateway() -> Iterator[Running]:
    with run_manifests(MANIFESTS, ports=(HTTP,)) as running:
        yield running


@pytest.fixture
def client(gateway: Running) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=gateway.url(HTTP), headers={"host": "web.test"}) as found:
        yield found


def seen(answer: httpx2.Response) -> dict[str, str]:
    """The headers that the backend got."""
    assert answer.status_code == 200, (answer.status_code, answer.text)
    return {name.lower(): ", ".join(values) for name, values in answer.json()["headers"].items()}


def said(answer: httpx2.Response) -> tuple[int, Any, str]:
    """The status, the JSON and the challenge of a refusal."""
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    return answer.status_code, answer.json(), answer.headers.get("www-authenticate", "")


def test_nobody_can_say_who_the_consumer_is(client: httpx2.Client) -> None:
    claimed = {"X-Consumer-Username": "default_ann", "X-Credential-Identifier": "c", "X-Consumer-Custom-Id": "i"}
    assert not {name.lower() for name in claimed} & seen(client.get("/open/a", headers=claimed)).keys()
    assert said(client.get("/nobody/a", headers=claimed))[0] == 401


def test_keys(client: httpx2.Client) -> None:
    challenge = 'apikey realm="key"'
    assert said(client.get("/key/a")) == (401, {"message": "Missing API key in request"}, challenge)
    wrong = client.get("/key/a", headers={"apikey": "key"})
    assert said(wrong) == (401, {"message": "Invalid API key in request"}, challenge)
    assert wrong.text.endswith("}\n")
    got = seen(client.get("/key/a", headers={"apikey": "key-of-ann", "x-credential-identifier": "mine"}))
    assert got[USER] == "default_ann"
    assert not {"apikey", "x-credential-identifier"} & got.keys()
    assert seen(client.get("/key/a?apikey=key-of-bob"))[USER] == "default_bob"


def test_an_anonymous_consumer(client: httpx2.Client) -> None:
    assert seen(client.get("/anonymous/a"))[USER] == "default_bob"
    assert seen(client.get("/anonymous/a", headers={"apikey": "key-of-ann"}))[USER] == "default_ann"
    assert client.get("/anonymous/a", headers={"apikey": "key"}).status_code == 401


def test_passwords(client: httpx2.Client) -> None:
    missing = client.get("/basic/a")
    assert said(missing) == (401, {"message": "Missing authorization in request"}, 'Basic realm="place"')
    wrong = client.get("/basic/a", auth=("carl)%x", "no"))
    assert said(wrong) == (401, {"message": "Invalid user authorization"}, 'Basic realm="place"')
    got = seen(client.get("/basic/a", auth=("carl)%x", "pass")))
    assert got[USER] == "default_carl"
    assert got["authorization"].startswith("Basic ")
    assert "x-anygate-user" not in got
    assert "authorization" not in seen(client.get("/basic-hidden/a", auth=("carl)%x", "pass")))


def token(signer: Any = None, algorithm: str = "HS256", /, **claims: Any) -> str:
    signing = OctKey.import_key(SECRET) if signer is None else signer
    return tokens.encode({"alg": algorithm}, {"exp": int(time()) + 60, **claims}, signing, [algorithm])


def test_tokens(client: httpx2.Client) -> None:
    challenge = 'Bearer realm="jwt"'
    assert said(client.get("/token/a")) == (401, {"message": "Missing JWT token in request"}, challenge)
    good = token(key="dora-key")
    for headers in ({"authorization": f"Bearer {good}"}, {"authorization": good}, {"cookie": f"jwt={good}"}):
        assert seen(client.get("/token/a", headers=headers))[USER] == "default_dora"
    assert seen(client.get(f"/token/a?jwt={good}"))[USER] == "default_dora"
    signed = token(KEY, "RS256", key="eve-key")
    assert seen(client.get("/token/a", headers={"authorization": signed}))[USER] == "default_eve"


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: token(key="eve-key"), "Invalid user key in JWT token"),
        (lambda: token(KEY, "RS256", key="dora-key"), "Invalid user key in JWT token"),
        (lambda: token(sub="dora-key"), "Invalid user key in JWT token"),
        (lambda: token(OctKey.import_key("x" * 32), key="dora-key"), "failed to verify jwt"),
        (lambda: token(key="dora-key", exp=int(time()) - 10), "failed to verify jwt"),
        (lambda: "nonsense", "failed to verify jwt"),
    ],
)
def test_tokens_that_are_not_the_consumers(client: httpx2.Client, made: Any, message: str) -> None:
    answer = client.get("/token/a", headers={"authorization": f"Bearer {made()}"})
    assert said(answer) == (401, {"message": message}, 'Bearer realm="jwt"')


def test_a_token_that_the_backend_does_not_see(client: httpx2.Client) -> None:
    got = seen(client.get("/token-hidden/a", headers={"x-token": token(key="dora-key")}))
    assert got[USER] == "default_dora"
    assert "x-token" not in got


def test_two_credentials_are_both_needed(client: httpx2.Client) -> None:
    basic = "Basic " + b64encode(b"carl)%x:pass").decode()
    assert client.get("/both/a", headers={"authorization": basic}).status_code == 401
    assert client.get("/both/a", headers={"apikey": "key-of-ann"}).status_code == 401
    assert seen(client.get("/both/a", headers={"authorization": basic, "apikey": "key-of-ann"}))[USER] == "default_ann"


def test_which_consumers(client: httpx2.Client) -> None:
    ann, bob = {"apikey": "key-of-ann"}, {"apikey": "key-of-bob"}
    assert client.get("/only-ann/a").status_code == 401
    assert client.get("/only-ann/a", headers=ann).status_code == 200
    refused = client.get("/only-ann/a", headers=bob)
    assert said(refused) == (403, {"message": "The consumer_name is forbidden."}, "")
    assert said(client.get("/not-ann/a", headers=ann)) == (418, {"message": "gone"}, "")
    assert client.get("/not-ann/a", headers=bob).status_code == 200
    assert client.get("/methods/a", headers=ann).status_code == 200
    assert client.post("/methods/a", headers=ann).status_code == 403
    assert client.post("/methods/a", headers=bob).status_code == 200
    unknown = "The request is rejected, please check the consumer_name for this request"
    assert said(client.get("/nobody/a")) == (401, {"message": unknown}, "")


def test_which_addresses(client: httpx2.Client) -> None:
    # A stranger is not asked for a key.
    assert said(client.get("/outside/a")) == (403, {"message": "Your IP address is not allowed"}, "")
    assert said(client.get("/banned/a")) == (404, {"message": "banned"}, "")
    assert client.get("/inside/a").status_code == 200


def test_the_size_of_bodies(client: httpx2.Client) -> None:
    assert client.post("/small/a", content=b"x" * 10).status_code == 200
    for body in (b"x" * 11, iter([b"x" * 11])):
        answer = client.post("/small/a", content=body)
        assert answer.status_code == 413
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert "<h1>413 Request Entity Too Large</h1>" in answer.text


def test_cors_for_everybody(client: httpx2.Client) -> None:
    answer = client.options("/cors/a")
    assert (answer.status_code, answer.content) == (200, b"")
    refused = client.get("/cors/a")
    assert refused.status_code == 403
    for one in (answer, refused):
        assert {name: value for name, value in one.headers.items() if name.startswith("access-control")} == {
            "access-control-allow-origin": "*",
            "access-control-allow-methods": "*",
            "access-control-allow-headers": "*",
            "access-control-max-age": "5",
        }
        assert "vary" not in one.headers


def test_cors_for_listed_origins(client: httpx2.Client) -> None:
    asked = {"origin": "https://b.test", "access-control-request-headers": "x-a,x-b"}
    answer = client.get("/cors-listed/a", headers=asked)
    assert answer.headers["access-control-allow-origin"] == "https://b.test"
    assert answer.headers["vary"] == "Origin"
    assert answer.headers["access-control-allow-methods"] == "GET,POST,PUT,DELETE,PATCH,HEAD,OPTIONS,CONNECT,TRACE"
    assert answer.headers["access-control-allow-headers"] == "x-a,x-b"
    assert answer.headers["access-control-expose-headers"] == "x-seen"
    assert answer.headers["access-control-allow-credentials"] == "true"
    for origin in ({"origin": "https://c.test"}, {}):
        other = client.get("/cors-listed/a", headers=origin)
        assert other.status_code == 200
        assert not [name for name in other.headers if name.startswith("access-control")]
        assert client.options("/cors-listed/a", headers=origin).status_code == 200


def test_cors_by_pattern_and_for_whoever_asks(client: httpx2.Client) -> None:
    for origin in ("https://x.good.test", "https://another.example"):
        answer = client.get("/cors-pattern/a", headers={"origin": origin})
        assert answer.headers["access-control-allow-origin"] == origin
    bad = client.get("/cors-pattern/a", headers={"origin": "https://x.good.test.evil"})
    assert "access-control-allow-origin" not in bad.headers
    answer = client.get("/cors-echo/a", headers={"origin": "https://any.test"})
    assert answer.headers["access-control-allow-origin"] == "https://any.test"
    assert answer.headers["timing-allow-origin"] == "*"
    assert client.get("/cors-echo/a").headers["access-control-allow-origin"] == "*"


def test_a_route_does_not_run_without_its_guard(gateway: Running, client: httpx2.Client) -> None:
    assert client.get("/unknown/a").status_code == 503
    assert client.get("/lost/a").status_code == 503
    assert client.get("/open/a").status_code == 200
    assert "apisix-guard-unsupported" in gateway.rules()


def test_a_changed_key_holds_at_once(tmp_path: Path) -> None:
    path = tmp_path / "in.yaml"
    other = "another-secret-of-at-least-32-characters"
    text = CONSUMERS + route("token", "{name: jwt-auth, config: {}}") + route("key", KEY_AUTH)
    path.write_text(text)
    with run_manifests(path=path, ports=(HTTP,)) as running:
        url, host = running.url(HTTP), {"host": "web.test"}
        old = {**host, "authorization": token(key="dora-key")}
        assert httpx2.get(f"{url}/token/a", headers=old).status_code == 200
        running.write(text.replace(SECRET, other).replace("key-of-ann", "new-key"))
        running.await_word("reloaded")
        deadline = time() + DEADLINE
        while httpx2.get(f"{url}/token/a", headers=old).status_code == 200:
            assert time() < deadline
        new = token(OctKey.import_key(other), key="dora-key")
        assert httpx2.get(f"{url}/token/a", headers={**host, "authorization": new}).status_code == 200
        assert httpx2.get(f"{url}/key/a", headers={**host, "apikey": "key-of-ann"}).status_code == 401
        assert httpx2.get(f"{url}/key/a", headers={**host, "apikey": "new-key"}).status_code == 200


def test_a_header_from_a_secret_takes_the_place_of_what_the_client_sent(client: httpx2.Client) -> None:
    headers = seen(client.get("/rewritten/a", auth=("carl)%x", "pass")))
    assert headers["authorization"] == "Bearer key-of-backend"
    assert headers["x-old"] == "a"


def test_no_key_is_shown(gateway: Running) -> None:
    folder = gateway.session.folder
    assert folder is not None
    dump = json.dumps(asyncio.run(Admin(folder.admin_socket).config_dump()))
    assert "x-consumer-username" in dump.lower()
    for secret in ("key-of-ann", "key-of-bob", "key-of-backend", SECRET):
        assert secret not in dump
        assert b64encode(secret.encode()).decode().rstrip("=") not in dump
    assert sha1(b"pass").hexdigest() not in dump


LIMITED = """
apiVersion: apisix.apache.org/v2
kind: ApisixConsumer
metadata: {name: much}
spec:
  authParameter: {keyAuth: {value: {key: key-of-much}}}
  plugins: [{name: limit-count, config: {count: 3, time_window: 3600, rejected_code: 429}}]
---
apiVersion: apisix.apache.org/v2
kind: ApisixConsumer
metadata: {name: usual}
spec: {authParameter: {keyAuth: {value: {key: key-of-usual}}}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80}]}
"""


def test_a_consumer_may_have_a_limit_of_its_own() -> None:
    own = "{name: limit-count, config: {count: 1, time_window: 3600, rejected_code: 429}}"
    text = LIMITED + route("key", KEY_AUTH, own) + route("other", KEY_AUTH) + route("open")
    with run_manifests(text, ports=(HTTP,)) as running:

        def ask(path: str, key: str) -> int:
            headers = {"host": "web.test", "apikey": key}
            return httpx2.get(f"{running.url(HTTP)}/{path}/a", headers=headers, timeout=DEADLINE).status_code

        # The limit of the consumer takes the place of the route's own.
        assert [ask("key", "key-of-much") for _ in range(4)] == [200, 200, 200, 429]
        assert [ask("key", "key-of-usual") for _ in range(2)] == [200, 429]
        # It is one for all routes.
        assert ask("other", "key-of-much") == 429
        assert [ask("other", "key-of-usual") for _ in range(5)] == [200] * 5
        assert [ask("open", "key-of-much") for _ in range(5)] == [200] * 5


def test_refusals_in_the_words_of_a_route() -> None:
    words = "_meta: {error_response: {message: go away}}"
    limit = f"{{name: limit-count, config: {{count: 1, time_window: 3600, rejected_code: 429, {words}}}}}"
    text = LIMITED + route("key", f"{{name: key-auth, config: {{{words}}}}}") + route("open", limit)
    text += route("gone", "{name: fault-injection, config: {abort: {http_status: 410}, _meta: {error_response: gone}}}")
    with run_manifests(text, ports=(HTTP,)) as running:

        def ask(path: str) -> tuple[int, str]:
            answer = httpx2.get(f"{running.url(HTTP)}/{path}/a", headers={"host": "web.test"}, timeout=DEADLINE)
            return answer.status_code, answer.text

        worded = '{"message":"go away"}\n'
        assert ask("key") == (401, worded)
        assert ask("open")[0] == 200
        assert ask("open") == (429, worded)
        assert ask("gone") == (410, "gone")


# a login, and tokens of an OpenID provider

PROVIDER = """
apiVersion: anygate.dev/v1alpha1
kind: OpenIdProvider
metadata: {{name: sso}}
spec:
  discovery: {issuer}/.well-known/openid-configuration
  issuer: {issuer}
  authorizationEndpoint: {issuer}/oauth2/authorize
  tokenEndpoint: {issuer}/oauth2/token
  jwksUri: {issuer}/jwks
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec: {{ports: [{{port: 80}}]}}
---
apiVersion: v1
kind: Secret
metadata: {{name: login}}
stringData: {{client_secret: client-secret-value, session.secret: session-secret-value}}
"""


def guarded(path: str, config: str, more: str = "", *plugins: str) -> str:
    """A route for every host with a login; `config` is YAML in braces, without the braces."""
    name = path.strip("/*") or "all"
    listed = "".join(f"\n      - {plugin}" for plugin in plugins)
    return f"""
---
apiVersion: apisix.apache.org/v2
kind: ApisixRoute
metadata: {{name: {name}}}
spec:
  http:
    - name: {name}
      match: {{paths: ["{path}"]}}
      backends: [{{serviceName: web, servicePort: 80}}]
      plugins:
      - {{name: openid-connect, secretRef: login, config: {{{config}}}{more}}}{listed}
"""


@pytest.mark.filterwarnings("ignore:authlib.jose module", "ignore:get_jwt_config")
def test_a_login() -> None:
    import oidc_provider_mock

    with oidc_provider_mock.run_server_in_thread() as idp:
        issuer = f"http://localhost:{idp.server_port}"
        common = f"client_id: web, discovery: '{issuer}/.well-known/openid-configuration'"
        text = PROVIDER.format(issuer=issuer) + "".join(
            (
                guarded("/app/*", common),
                guarded("/bearer/*", f"{common}, access_token_in_authorization_header: true"),
                guarded("/deny/*", f"{common}, unauth_action: deny"),
                guarded("/pass/*", f"{common}, unauth_action: pass"),
                guarded("/far/*", common, "", "{name: ip-restriction, config: {whitelist: [192.0.2.0/24]}}"),
            )
        )
        with run_manifests(text, ports=(HTTP,)) as running:
            url = running.url(HTTP)
            # Envoy marks its cookies Secure; browsers send those to localhost without TLS, and this jar too.
            jar = CookieJar(DefaultCookiePolicy(secure_protocols=("http", "https")))
            claimed = {"x-access-token": "mine", "x-id-token": "mine", "x-userinfo": "mine", "x-refresh-token": "mine"}
            with httpx2.Client(base_url=url, cookies=jar, follow_redirects=True, headers=claimed) as browser:
                form = browser.get("/app/page?n=1")
                asked = parse_qs(urlsplit(str(form.url)).query)
                assert asked["redirect_uri"] == [f"{url}/app/.apisix/redirect"]
                assert asked["code_challenge_method"] == ["S256"]
                landed = browser.post(str(form.url), data={"sub": "ann"})
                assert landed.json()["path"] == "/app/page?n=1"
                got = seen(landed)
                claims = json.loads(b64decode(got["x-id-token"], validate=True))
                assert (claims["sub"], claims["aud"]) == ("ann", ["web"])
                assert got["x-access-token"] not in ("mine", "")
                assert not {"authorization", "x-userinfo", "x-refresh-token", "x-anygate-id-token"} & got.keys()
                gone = browser.get("/logout", follow_redirects=False)
                assert gone.status_code == 404  # not one of the route's paths, as in APISIX
                form = browser.get("/bearer/page")
                got = seen(browser.post(str(form.url), data={"sub": "ann"}))
                assert got["authorization"].startswith("Bearer ")
                assert "x-access-token" not in got
            denied = httpx2.get(f"{url}/deny/a")
            assert (denied.status_code, "401 Authorization Required" in denied.text) == (401, True)
            assert "www-authenticate" not in denied.headers
            forged = {"authorization": "Bearer forged", "x-access-token": "forged", "x-id-token": "forged"}
            forged["x-anygate-id-token"] = "a.e30.b"
            got = seen(httpx2.get(f"{url}/pass/a", headers=forged))
            assert not {"x-access-token", "x-id-token"} & got.keys()
            # A stranger is not sent to log in.
            assert httpx2.get(f"{url}/far/a").status_code == 403
            folder = running.session.folder
            assert folder is not None
            dump = json.dumps(asyncio.run(Admin(folder.admin_socket).config_dump()))
            assert "client-secret-value" not in dump


def test_tokens_of_a_provider() -> None:
    keys = json.dumps({"keys": [{**KEY.as_dict(private=False), "alg": "RS256"}]}).encode()
    with Upstream("sso", lambda _: (200, {"content-type": "application/json"}, keys)) as sso:
        issuer = f"http://127.0.0.1:{sso.port}"
        common = f"client_id: web, discovery: '{issuer}/.well-known/openid-configuration', bearer_only: true"
        public = json.dumps(PEM)
        text = PROVIDER.format(issuer=issuer) + "".join(
            (
                guarded("/keys/*", f"{common}, use_jwks: true, realm: place"),
                guarded("/scope/*", f"{common}, use_jwks: true, required_scopes: [read, write]"),
                guarded("/pem/*", f"{common}, public_key: {public}, token_signing_alg_values_expected: RS256"),
                guarded(
                    "/other/*",
                    f"{common}, use_jwks: true, claim_validator: {{issuer: {{valid_issuers: [https://a, https://b]}}, "
                    "audience: {match_with_client_id: true}}",
                ),
            )
        )
        with run_manifests(text, ports=(HTTP,)) as running, httpx2.Client(base_url=running.url(HTTP)) as client:

            def ask(path: str, **claims: Any) -> httpx2.Response:
                made = token(KEY, "RS256", **{"iss": issuer, **claims})
                return client.get(path, headers={"authorization": f"Bearer {made}", "x-access-token": "mine"})

            missing = client.get("/keys/a")
            assert (missing.status_code, missing.headers["www-authenticate"]) == (401, 'Bearer realm="place"')
            wrong = client.get("/keys/a", headers={"authorization": f"Bearer {token(iss=issuer)}"})
            assert (wrong.status_code, 'error="invalid_token"' in wrong.headers["www-authenticate"]) == (401, True)
            assert ask("/keys/a", iss="https://other").status_code == 401
            got = seen(ask("/keys/a"))
            assert got["authorization"] == f"Bearer {got['x-access-token']}"
            assert seen(ask("/scope/a", scope="write read more"))
            lacking = ask("/scope/a", scope="read")
            assert (lacking.status_code, lacking.json()) == (403, {"error": "required scopes read, write not present"})
            assert seen(ask("/pem/a"))
            assert seen(ask("/other/a", iss="https://b", aud="web"))
            assert ask("/other/a", iss="https://b", aud="x").status_code == 401
            assert ask("/other/a", aud="web").status_code == 401


def test_a_global_rule_holds_for_what_no_route_takes_too() -> None:
    everywhere = """
---
apiVersion: apisix.apache.org/v2
kind: ApisixGlobalRule
metadata: {name: everywhere}
spec:
  plugins:
  - {name: cors, enable: true, config: {}}
  - {name: ip-restriction, enable: true, config: {blacklist: [127.0.0.0/8]}}
"""
    with run_manifests(CONSUMERS + route("key", KEY_AUTH) + everywhere, ports=(HTTP,)) as running:
        for path in ("/key/a", "/nowhere"):
            refused = httpx2.get(running.url(HTTP) + path, headers={"host": "web.test"})
            assert said(refused) == (403, {"message": "Your IP address is not allowed"}, "")
            assert refused.headers["access-control-allow-origin"] == "*"
            assert httpx2.options(running.url(HTTP) + path, headers={"host": "web.test"}).status_code == 200
