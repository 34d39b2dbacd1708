"""Policies on AI rules that share a hostname and a path: each holds for its own rule, and for no other.

All requests meet the same route first, which turns on the filters of all rules; what each of them does is decided by
the model in the body. So every kind of policy stands beside rules without it, and beside another policy of its kind.
"""

import json
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from hashlib import sha1
from time import time
from typing import Any

import httpx2
import pytest
from ai_gateway import CHAT, Provider, Served, ai_rule, backend, one_server, opaque, origin, plain_rule, route, serving
from joserfc import jwt as tokens
from joserfc.jwk import RSAKey

from anygate.model.limits import Faults, LimitRule, RateLimit
from anygate.model.root import Model
from anygate.model.route import Credential, HttpRule, Session
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

KEY = RSAKey.generate_key(2048, {"kid": "one"})
HOUR = timedelta(hours=1)


def guarded(name: str, **fields: Any) -> HttpRule:
    return ai_rule(name, "echo", security=Security(origin=origin(name, "SecurityPolicy"), **fields))


def policy(name: str) -> Any:
    return origin(name, "SecurityPolicy", f"spec.{name}")


def keys(name: str, **fields: Any) -> ApiKeyAuth:
    return ApiKeyAuth(origin=policy(name), secrets=(name,), headers=("x-key",), **fields)


def basic(name: str, **fields: Any) -> BasicAuth:
    return BasicAuth(origin=policy(name), secret=name, **fields)


def required_token(name: str) -> Jwt:
    jwks = json.dumps({"keys": [KEY.as_dict(private=False)]})
    provider = JwtProvider(origin=policy(name), name=name, issuer=f"https://{name}.example", jwks=jwks)
    return Jwt(origin=policy(name), providers=(provider,))


def login(name: str) -> Oidc:
    return Oidc(
        origin=policy(name),
        name=f"default/{name}",
        issuer="http://idp.example",
        client_id=name,
        client_secret="client",
        hmac_secret="hmac",
        token_backend="echo",
        authorization_endpoint=f"http://idp.example/{name}",
        token_endpoint="http://idp.example/token",
    )


def asking(name: str, backend_name: str) -> ExtAuth:
    return ExtAuth(origin=policy(name), protocol="http", backend=backend_name)


def only_team(name: str, team: str) -> Authorization:
    principal = Principal(jwt_provider=name, jwt_claims=(ClaimMatch(name="team", values=(team,)),))
    rule = AuthorizationRule(origin=policy(name), name="team", allow=True, principal=principal)
    return Authorization(origin=policy(name), rules=(rule,))


def only_from(name: str, cidr: str) -> Authorization:
    rule = AuthorizationRule(origin=policy(name), name="from", allow=True, principal=Principal(cidrs=(cidr,)))
    return Authorization(origin=policy(name), rules=(rule,))


def limited(name: str, requests: int) -> RateLimit:
    rule = LimitRule(origin=policy(name), requests=requests, unit=HOUR)
    return RateLimit(origin=policy(name), rules=(rule,))


def cors(name: str, allowed: str) -> Cors:
    return Cors(origin=policy(name), allow_origins=(allowed,), allow_methods=("POST",), expose_headers=(f"x-{name}",))


def hashed(password: str) -> str:
    return "{SHA}" + b64encode(sha1(password.encode()).digest()).decode()


RULES = (
    ai_rule("free", "echo"),
    guarded("key-one", api_key=keys("key-one")),
    guarded("key-two", api_key=keys("key-two", sanitize=True)),
    guarded("basic-one", basic=basic("basic-one")),
    guarded("basic-two", basic=basic("basic-two", forward_header="x-user")),
    guarded("jwt-one", jwt=required_token("jwt-one")),
    guarded("jwt-two", jwt=required_token("jwt-two"), authorization=only_team("jwt-two", "red")),
    guarded("login-one", oidc=login("login-one")),
    guarded("login-two", oidc=login("login-two")),
    guarded("ask-one", ext_auth=asking("ask-one", "allowing")),
    guarded("ask-two", ext_auth=asking("ask-two", "denying")),
    guarded("ask-none", ext_auth=asking("ask-none", "gone")),
    guarded("here", authorization=only_from("here", "127.0.0.0/8")),
    guarded("elsewhere", authorization=only_from("elsewhere", "192.0.2.0/24")),
    ai_rule("limited", "echo", rate_limit=limited("limited", 1)),
    ai_rule("generous", "echo", rate_limit=limited("generous", 100)),
    ai_rule("aborted", "echo", faults=Faults(origin=policy("aborted"), abort_status=418)),
    ai_rule("sticky", "echo", session=Session(origin=policy("sticky"), kind="cookie", name="seat")),
    ai_rule("signed-one", "echo", inject=Credential(origin=policy("signed-one"), secret="client", header="x-one")),
    ai_rule("signed-two", "echo", inject=Credential(origin=policy("signed-two"), secret="hmac", header="x-two")),
    ai_rule("seen-one", "echo", cors=cors("seen-one", "https://one.example")),
    ai_rule("seen-two", "echo", cors=cors("seen-two", "https://two.example")),
    ai_rule("both", "echo", cors=cors("both", "https://one.example"), faults=None),
)
GUARDED = {
    "key-one": 401,
    "key-two": 401,
    "basic-one": 401,
    "basic-two": 401,
    "jwt-one": 401,
    "jwt-two": 401,
    "login-one": 302,
    "login-two": 302,
    "ask-two": 403,
    "ask-none": 403,
    "elsewhere": 403,
    "aborted": 418,
}
OPEN = ("free", "ask-one", "here", "generous", "sticky", "signed-one", "signed-two", "seen-one", "seen-two", "both")


class Guards(Served):
    """The gateway, the backend behind it, and the service that is asked."""

    echo: Provider
    allowing: Provider


@pytest.fixture(scope="module")
def guards() -> Iterator[Guards]:
    # One rule each, in routes of their own: that is how policies find them.
    routes = [route(rule.name, rule) for rule in RULES]
    behind = plain_rule("/v1", "echo", security=Security(origin=origin("behind"), api_key=keys("behind")))
    secrets = {
        **{name: json.dumps({name: f"{name}-secret"}) for name in ("key-one", "key-two", "behind")},
        "basic-one": f"ann:{hashed('one')}",
        "basic-two": f"ann:{hashed('two')}",
        "client": "client-secret",
        "hmac": "hmac-secret",
    }
    with ExitStack() as stack:
        echo = stack.enter_context(Provider("echo"))
        allowing = stack.enter_context(Provider("allowing"))
        denying = stack.enter_context(Provider("denying", 403, body="no entry"))
        ports = {"echo": echo.port, "allowing": allowing.port, "denying": denying.port}
        backends = tuple(backend(name, port) for name, port in ports.items())
        model = Model(
            gateways=(one_server(*routes, route("behind", behind)),), backends=backends, secrets=opaque(**secrets)
        )
        served = stack.enter_context(serving(model))
        served.__class__ = Guards
        assert isinstance(served, Guards)
        served.echo, served.allowing = echo, allowing
        yield served


def bearer(issuer: str, **claims: Any) -> dict[str, str]:
    content = {"iss": f"https://{issuer}.example", "sub": "ann", "exp": int(time()) + 600, **claims}
    return {"authorization": f"Bearer {tokens.encode({'alg': 'RS256', 'kid': 'one'}, content, KEY)}"}


@pytest.mark.parametrize("name", OPEN)
def test_a_rule_is_free_of_the_policies_of_others(guards: Guards, name: str) -> None:
    answer = guards.ask(name)
    assert answer.status_code == 200
    headers = guards.echo.seen[-1].headers
    wanted = {"signed-one": {"x-one"}, "signed-two": {"x-two"}}.get(name, set())
    assert {each for each in headers if each in ("x-one", "x-two", "x-user", "x-key")} == wanted
    assert ("set-cookie" in answer.headers) is (name == "sticky")


@pytest.mark.parametrize("name", GUARDED)
@pytest.mark.parametrize("spoofed", ["", "free", "key-two"])
def test_a_rule_is_guarded_by_its_own_policy(guards: Guards, name: str, spoofed: str) -> None:
    before = len(guards.echo.seen)
    headers = {"x-ai-eg-model": spoofed} if spoofed else {}

    assert guards.ask(name, headers=headers, follow_redirects=False).status_code == GUARDED[name]
    assert len(guards.echo.seen) == before


def test_the_credentials_of_one_policy_open_no_other(guards: Guards) -> None:
    for name, other in (("key-one", "key-two"), ("key-two", "key-one")):
        assert guards.ask(name, headers={"x-key": f"{name}-secret"}).status_code == 200
        assert guards.ask(name, headers={"x-key": f"{other}-secret"}).status_code == 401
        assert guards.ask(name, headers={"x-key": "behind-secret"}).status_code == 401
    for name, password, wrong in (("basic-one", "one", "two"), ("basic-two", "two", "one")):
        assert guards.ask(name, auth=("ann", password)).status_code == 200
        assert guards.ask(name, auth=("ann", wrong)).status_code == 401
    assert guards.echo.seen[-1].headers.get("x-user") == "ann"


def test_tokens_are_checked_by_the_policy_of_the_rule(guards: Guards) -> None:
    assert guards.ask("jwt-one", headers=bearer("jwt-one")).status_code == 200
    assert guards.ask("jwt-one", headers=bearer("jwt-two", team="red")).status_code == 401
    assert guards.ask("jwt-two", headers=bearer("jwt-two", team="red")).status_code == 200
    assert guards.ask("jwt-two", headers=bearer("jwt-two", team="blue")).status_code == 403
    assert guards.ask("jwt-two", headers=bearer("jwt-one", team="red")).status_code == 401
    assert guards.ask("free", headers=bearer("nobody")).status_code == 200


def test_only_the_service_of_the_rule_is_asked(guards: Guards) -> None:
    before = len(guards.allowing.seen)
    for name in ("free", "generous", "signed-one"):
        guards.ask(name)
    assert len(guards.allowing.seen) == before
    guards.ask("ask-one")
    assert len(guards.allowing.seen) == before + 1


def test_logins_lead_to_their_own_provider(guards: Guards) -> None:
    for name in ("login-one", "login-two"):
        assert guards.ask(name, follow_redirects=False).headers["location"].startswith(f"http://idp.example/{name}")


def test_limits_count_for_their_own_rule(guards: Guards) -> None:
    assert [guards.ask("limited").status_code for _ in range(3)] == [200, 429, 429]
    assert {guards.ask(name).status_code for name in ("generous", "free") for _ in range(3)} == {200}
    refused = guards.ask("limited")
    assert refused.json()["error"]["type"] == "rate_limit_error"
    assert "retry-after" in refused.headers


def test_answers_are_readable_by_the_origins_of_the_rule(guards: Guards) -> None:
    for name, allowed in (("seen-one", "https://one.example"), ("seen-two", "https://two.example")):
        answer = guards.ask(name, headers={"origin": allowed})
        assert answer.headers["access-control-allow-origin"] == allowed
        assert answer.headers["access-control-expose-headers"] == f"x-{name}"
    wrong = guards.ask("seen-one", headers={"origin": "https://two.example"})
    assert "access-control-allow-origin" not in wrong.headers
    assert "access-control-allow-origin" not in guards.ask("free", headers={"origin": "https://one.example"}).headers


def test_preflights_are_answered_though_they_name_no_model(guards: Guards) -> None:
    asked = {"origin": "https://one.example", "access-control-request-method": "POST"}
    answer = guards.client.options(CHAT, headers=asked)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "https://one.example")


def test_a_plain_route_behind_the_ai_rules_keeps_its_guard(guards: Guards) -> None:
    """A model that no rule takes goes on to the plain route for the whole path, which wants a key."""
    assert guards.ask("unheard of").status_code == 401
    assert guards.ask("unheard of", headers={"x-key": "key-one-secret"}).status_code == 401
    assert guards.ask("unheard of", headers={"x-key": "behind-secret"}).status_code == 200
    assert guards.client.get("/v1/else").status_code == 401
    assert guards.client.get("/v1/else", headers={"x-key": "behind-secret"}).status_code == 200


def test_strangers_do_not_learn_which_models_there_are() -> None:
    """Where all rules of a path want the same of callers, so does what refuses the rest."""
    security = Security(origin=policy("key-one"), api_key=keys("key-one"))
    one, two = (ai_rule(name, "echo", security=security) for name in ("one", "two"))
    known = {"x-key": "secret"}
    with Provider("echo") as echo:
        model = Model(
            gateways=(one_server(route("ai", one, two)),),
            backends=(backend("echo", echo.port),),
            secrets=opaque(**{"key-one": '{"me": "secret"}'}),
        )
        with serving(model) as served:
            for body in (b'{"model":"one"}', b'{"model":"none"}', b"{", b'{"a":1}'):
                assert served.ask(content=body).status_code == 401
            wanted = {b'{"model":"one"}': 200, b'{"model":"none"}': 404, b"{": 400, b'{"a":1}': 400}
            for body, status in wanted.items():
                assert served.ask(content=body, headers=known).status_code == status


def test_refusals_are_in_the_format_of_the_client(guards: Guards) -> None:
    answer = guards.ask("key-one")
    assert answer.json()["error"]["type"] == "authentication_error"
    assert guards.ask("elsewhere").json()["error"]["type"] == "permission_error"
    assert guards.ask("ask-two").json()["error"]["message"] == "no entry"


def test_one_connection_serves_many_rules(guards: Guards) -> None:
    """What one request was told must not hold for the next."""
    with httpx2.Client(base_url=f"http://127.0.0.1:{guards.port}") as client:
        wanted = {**GUARDED, **dict.fromkeys(OPEN, 200)}
        for name in [*wanted, *reversed(wanted)]:
            answer = client.post(CHAT, json={"model": name}, follow_redirects=False)
            assert answer.status_code == wanted[name], name
