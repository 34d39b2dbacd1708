"""openid-connect, field by field: what each becomes in the model, or what is said of it."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from anygate.compiler import Result, compile_sources
from anygate.diagnostics import SourceFile
from anygate.dialects.apisix.plugins.security.openid_config import OpenIdConfig, OpenIdSession
from anygate.explain.applied import describe_rule
from anygate.model.edit import Respond
from anygate.model.route import HttpRule
from anygate.model.security import Introspection, JwtProvider, Oidc
from anygate.model.tls import Opaque

HEAD = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80}]}
---
apiVersion: anygate.dev/v1alpha1
kind: OpenIdProvider
metadata: {name: sso}
spec:
  discovery: https://sso.test/d
  issuer: https://sso.test
  authorizationEndpoint: https://sso.test/authorize?a=1
  tokenEndpoint: https://sso.test/token
  endSessionEndpoint: https://sso.test/end
  jwksUri: https://sso.test/keys
  userinfoEndpoint: https://api.sso.test/me
  introspectionEndpoint: https://sso.test/introspect
---
apiVersion: v1
kind: Secret
metadata: {name: login}
stringData: {client_secret: hidden-value, session.secret: session-secret-value}
---
apiVersion: apisix.apache.org/v2
kind: ApisixRoute
metadata: {name: web}
spec:
  http:
    - name: web
      match: {paths: ["/web/*"]}
      backends: [{serviceName: web, servicePort: 80}]
      plugins:
      - {name: openid-connect, secretRef: login, config: {client_id: me, discovery: 'https://sso.test/d', MORE}}
"""


def compiled(more: str = "realm: apisix", head: str = HEAD) -> Result:
    return compile_sources([SourceFile("in.yaml", head.replace("MORE", more))])


def rules_of(result: Result) -> list[HttpRule]:
    server = result.model.gateways[0].listeners[0].servers[0]
    return [rule for route in server.routes for rule in route.rules if rule.name != "not-found"]


def parts_of(result: Result) -> dict[str, Any]:
    """The parts of the rules that a field may show in."""
    found: dict[str, Any] = {}
    for rule in rules_of(result):
        if rule.security:
            found |= {"access": rule.security.access_token_header, "userinfo": rule.security.userinfo_header}
            found |= {"checks": rule.security.authorization and rule.security.authorization.rules}
            jwt = rule.security.jwt
            parts = (rule.security.oidc, rule.security.introspection, *(jwt.providers if jwt else ()))
            found |= {f"{type(one).__name__}": one for one in parts if one}
        found["words"] = [*found.get("words", ()), *rule.wordings]
        found["removed"] = rule.request_headers and rule.request_headers.remove
    return found


BEARER = "bearer_only: true, "
KEYS = "bearer_only: true, use_jwks: true, "

HONOURED = [
    ("", "scope: openid email", Oidc, "scopes", ("openid", "email")),
    ("", "timeout: 5", Oidc, "timeout", timedelta(seconds=5)),
    ("", "timeout: 2000", Oidc, "timeout", timedelta(seconds=2)),
    (BEARER, "timeout: 5", Introspection, "timeout", timedelta(seconds=5)),
    ("", "redirect_uri: /back", Oidc, "redirect_path", "/back"),
    ("", "logout_path: /out", Oidc, "logout_path", "/out"),
    ("", "post_logout_redirect_uri: 'https://x'", Oidc, "post_logout_url", "https://x"),
    ("", "unauth_action: deny", Oidc, "when_missing", "refuse"),
    ("", "unauth_action: pass", Oidc, "when_missing", "pass"),
    (
        "",
        "authorization_params: {prompt: a b, age: 1, x: true}",
        Oidc,
        "authorization_endpoint",
        "https://sso.test/authorize?a=1&prompt=a+b&age=1&x=true",
    ),
    ("", "session: {cookie_domain: a.test}", Oidc, "cookie_domain", "a.test"),
    ("", "session: {cookie_same_site: Lax}", Oidc, "same_site", "Lax"),
    ("", "renew_access_token_on_expiry: false", Oidc, "refresh_token", False),
    ("", "access_token_expires_in: 60", Oidc, "default_token_ttl", timedelta(seconds=60)),
    ("", "token_endpoint_auth_method: client_secret_post", Oidc, "secret_in_body", True),
    ("", "set_id_token_header: false", Oidc, "id_claims_header", ""),
    ("", "set_raw_id_token_header: true", Oidc, "id_token_header", "x-raw-id-token"),
    ("", "set_userinfo_header: false", Oidc, "userinfo_endpoint", ""),
    ("", "set_access_token_header: false", Oidc, "forward_access_token", False),
    ("", "ssl_verify: false", Oidc, "token_backend", "url/sso.test/443/unverified"),
    (KEYS, "iat_slack: 7", JwtProvider, "clock_skew", timedelta(seconds=7)),
    (KEYS, "jwk_expires_in: 60", JwtProvider, "jwks_cache", timedelta(seconds=60)),
    (KEYS, "claim_validator: {issuer: {valid_issuers: ['https://i']}}", JwtProvider, "issuer", "https://i"),
    (KEYS, "claim_validator: {audience: {match_with_client_id: true}}", JwtProvider, "audiences", ("me",)),
    (BEARER, "introspection_endpoint: 'http://i.test/x'", Introspection, "endpoint", "http://i.test/x"),
    (BEARER, "introspection_endpoint_auth_method: client_secret_post", Introspection, "in_body", True),
    (BEARER, "introspection_interval: 9", Introspection, "longest", timedelta(seconds=9)),
    (BEARER, "introspection_expiry_claim: until", Introspection, "expiry_claim", "until"),
    (BEARER, "introspection_addon_headers: [X-Tenant]", Introspection, "headers", ("x-tenant",)),
    (BEARER, "required_scopes: [a, b]", Introspection, "scopes", ("a", "b")),
    (BEARER, "claim_validator: {audience: {match_with_client_id: true}}", Introspection, "audience", "me"),
    (BEARER, "claim_validator: {audience: {claim: cid}}", Introspection, "audience_claim", "cid"),
    (BEARER, "claim_validator: {audience: {required: true}}", Introspection, "audience_required", True),
]


@pytest.mark.parametrize(("base", "more", "node", "name", "value"), HONOURED)
def test_a_field_that_is_honoured(base: str, more: str, node: type, name: str, value: object) -> None:
    before, after = compiled(f"{base}realm: apisix"), compiled(base + more)
    assert [one.rule for one in after.diagnostics if one.severity != "note"] == []
    part, plain = parts_of(after)[node.__name__], parts_of(before)[node.__name__]
    assert getattr(part, name) == value
    assert getattr(plain, name) != value


NAMED = [
    ("", "set_refresh_token_header: true"),
    ("", "use_nonce: true"),
    ("", "accept_unsupported_alg: false"),
    ("", "iat_slack: 1"),
    ("", "jwk_expires_in: 1"),
    ("", "claim_validator: {issuer: {valid_issuers: [a]}}"),
    ("", "token_endpoint_auth_method: client_secret_jwt"),
    ("", "client_rsa_private_key_id: a"),
    ("", "client_jwt_assertion_expires_in: 1"),
    ("", "client_jwt_assertion_alg: RS256"),
    ("", "client_jwt_assertion_audience: a"),
    ("", "access_token_expires_leeway: 1"),
    ("", "refresh_session_interval: 1"),
    ("", "session_contents: {user: true}"),
    ("", "cache_segment: a"),
    ("", "force_reauthorize: true"),
    ("", "revoke_tokens_on_logout: true"),
    (BEARER, "unauth_action: pass"),
    (BEARER, "introspection_addon_headers: [Authorization]"),
    (BEARER, "token_signing_alg_values_expected: RS256"),
    (KEYS, "introspection_interval: 9"),
    (KEYS, "introspection_endpoint: 'https://i.test/x'"),
    (KEYS, "accept_none_alg: true"),
    (KEYS, "timeout: 5"),
    (KEYS, "token_signing_alg_values_expected: RS256"),
]


@pytest.mark.parametrize(("base", "more"), NAMED)
def test_a_field_without_effect_is_named(base: str, more: str) -> None:
    named = [one for one in compiled(base + more).diagnostics if one.rule == "apisix-not-honoured"]
    assert [one.path[-1] for one in named] == [more.partition(":")[0]]


@pytest.mark.parametrize(
    "field",
    [name for name in OpenIdSession.model_fields if name not in ("secret", "cookie_domain", "cookie_same_site")],
)
def test_a_field_of_sessions_is_named(field: str) -> None:
    values = {"cookie": "{lifetime: 1}", "redis": "{host: a}", "cookie_secure": "true", "cookie_http_only": "true"}
    value = values.get(field, "1" if field.endswith("timeout") else "redis")
    named = [one for one in compiled(f"session: {{{field}: {value}}}").diagnostics if one.severity == "warning"]
    assert [(one.rule, one.path[-1]) for one in named] == [("apisix-not-honoured", field)]


REFUSED = [
    ("", "claim_schema: {type: object}", "claim_schema"),
    ("", "client_rsa_private_key: a", "client_rsa_private_key"),
    ("", "proxy_opts: {}", "proxy_opts"),
    ("", "backchannel_logout: {path: /gone}", "backchannel_logout"),
    ("", "par: {enabled: true}", "par"),
    ("", "dpop: {enabled: true}", "dpop"),
    ("", "required_scopes: [a]", "required_scopes"),
    (BEARER, "introspection_endpoint_auth_method: private_key_jwt", "introspection_endpoint_auth_method"),
    (BEARER, "public_key: nonsense", "public_key"),
    (KEYS, "claim_validator: {audience: {claim: cid}}", "audience"),
]


@pytest.mark.parametrize(("base", "more", "field"), REFUSED)
def test_a_field_that_closes_its_route(base: str, more: str, field: str) -> None:
    result = compiled(base + more)
    (rule,) = rules_of(result)
    assert isinstance(rule.action, Respond)
    assert rule.action.status == 503
    assert [one.path[-1] for one in result.diagnostics if one.severity == "error"] == [field]


def test_every_field_is_tried_here() -> None:
    tried = {more.partition(":")[0] for more in (one[1] for one in (*HONOURED, *NAMED, *REFUSED))}
    plain = {"client_id", "discovery", "client_secret", "session", "bearer_only", "use_jwks", "realm", "public_key"}
    always = {"use_pkce", "jwt_verification_cache_ignore", "access_token_in_authorization_header"}
    assert set(OpenIdConfig.model_fields) - tried == (plain | always) - tried


@pytest.mark.parametrize(
    ("secret", "more", "text"),
    [
        ("session.secret: session-secret-value", "scope: openid", "the Secret login lacks client_secret"),
        ("client_secret: hidden-value", "scope: openid", "the Secret login lacks session.secret"),
        ("other: a", "scope: openid", "the Secret login lacks client_secret and session.secret"),
        ("other: a", "bearer_only: true", "the Secret login lacks client_secret"),
        ("client_secret: a, session.secret: hidden", "scope: openid", "session.secret is shorter than 16 characters"),
    ],
)
def test_a_secret_that_is_missing_is_named(secret: str, more: str, text: str) -> None:
    whole = "client_secret: hidden-value, session.secret: session-secret-value"
    # Which fields a Secret has is only seen once what it has is not taken for fields of the plugin.
    result = compiled(more, HEAD.replace(whole, secret).replace("other: a", "realm: a"))
    (rule,) = rules_of(result)
    assert isinstance(rule.action, Respond)
    assert rule.action.status == 503
    (found,) = [one for one in result.diagnostics if one.severity == "error"]
    assert (found.rule, found.message.partition(":")[0]) == ("apisix-openid-secret", text)
    assert found.span is not None
    assert "hidden" not in str(found)


def test_a_login_without_any_secret() -> None:
    result = compiled("realm: a", HEAD.replace(" secretRef: login,", ""))
    (found,) = [one for one in result.diagnostics if one.severity == "error"]
    assert "client_secret and session.secret must come from a Secret, and none is named" in found.message
    assert [one.rule for one in compiled(f"{KEYS}realm: a", HEAD.replace(" secretRef: login,", "")).diagnostics][
        1:
    ] == []


def test_who_brings_a_token_is_not_sent_to_log_in() -> None:
    tokens, login = rules_of(compiled("use_jwks: true"))
    assert [(one.name, one.kind) for match in tokens.matches for one in match.headers] == [("authorization", "regex")]
    assert tokens.security
    assert tokens.security.jwt
    assert tokens.security.oidc is None
    assert login.security
    assert login.security.oidc
    assert login.security.jwt is None
    assert {one.cause for one in tokens.wordings} == {"token_missing", "token_wrong"}
    assert {one.cause for one in login.wordings} == {"login_missing"}


def test_what_clients_say_of_themselves_is_removed() -> None:
    (rule,) = rules_of(compiled(f"{BEARER}set_userinfo_header: false, set_access_token_header: false"))
    assert rule.request_headers
    told = {"x-access-token", "x-id-token", "x-userinfo", "x-refresh-token", "x-raw-id-token"}
    assert set(rule.request_headers.remove) == told


@pytest.mark.parametrize(
    ("method", "held"),
    [
        ("client_secret_basic", b"Basic bWU6aGlkZGVuLXZhbHVl"),
        ("client_secret_post", b"client_id=me&client_secret=hidden-value"),
    ],
)
def test_how_the_provider_knows_who_asks(method: str, held: bytes) -> None:
    result = compiled(f"{BEARER}introspection_endpoint_auth_method: {method}")
    lookup = parts_of(result)["Introspection"]
    (secret,) = [one for one in result.model.secrets if one.name == lookup.credential]
    assert isinstance(secret, Opaque)
    assert secret.value.reveal() == held
    assert "hidden-value" not in str(msgspec.to_builtins(lookup, enc_hook=str))


def test_a_provider_that_says_nothing_about_users_or_tokens() -> None:
    without = HEAD.replace("  userinfoEndpoint: https://api.sso.test/me\n", "").replace(
        "  introspectionEndpoint: https://sso.test/introspect\n", ""
    )
    result = compiled("set_userinfo_header: true", without)
    assert [one.path[-1] for one in result.diagnostics if one.severity == "warning"] == ["set_userinfo_header"]
    (rule,) = rules_of(result)
    assert rule.security
    assert rule.security.userinfo_header == ""
    result = compiled("bearer_only: true", without)
    (rule,) = rules_of(result)
    assert isinstance(rule.action, Respond)
    assert [one.path[-1] for one in result.diagnostics if one.severity == "error"] == ["bearer_only"]


def test_keycloak_has_the_endpoints_where_it_always_has_them() -> None:
    keycloak = HEAD.replace("'https://sso.test/d'", "'https://kc.test/realms/lab/.well-known/openid-configuration'")
    at = "https://kc.test/realms/lab/protocol/openid-connect"
    assert parts_of(compiled("realm: a", keycloak))["Oidc"].userinfo_endpoint == f"{at}/userinfo"
    assert parts_of(compiled("bearer_only: true", keycloak))["Introspection"].endpoint == f"{at}/token/introspect"


def test_a_lookup_is_explained() -> None:
    (rule,) = rules_of(compiled(f"{BEARER}required_scopes: [read]"))
    assert [one.text for one in describe_rule(rule) if one.kind == "introspection"] == [
        "token needed, with the scopes read; https://sso.test/introspect is asked about it"
    ]
