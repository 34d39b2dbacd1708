"""What APISIX's plugins for who may call become in the model, field by field, and what is said about the rest."""

from typing import Any

import pytest

from anygate.compiler import Result, compile_sources
from anygate.diagnostics import SourceFile
from anygate.explain.applied import describe_rule
from anygate.model.edit import Respond
from anygate.model.route import HttpRule
from anygate.model.security import Security
from anygate.model.tls import Opaque

HEAD = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80}]}
---
apiVersion: apisix.apache.org/v2
kind: ApisixConsumer
metadata: {name: ann}
spec: {authParameter: {keyAuth: {value: {key: key-of-ann}}}}
---
apiVersion: apisix.apache.org/v2
kind: ApisixConsumer
metadata: {name: my-bob}
spec: {authParameter: {basicAuth: {value: {username: bob, password: pass}}}}
---
apiVersion: apisix.apache.org/v2
kind: ApisixConsumer
metadata: {name: carl}
spec: {authParameter: {jwtAuth: {value: {key: c, secret: c2VjcmV0, base64_secret: true, lifetime_grace_period: 9}}}}
---
apiVersion: anygate.dev/v1alpha1
kind: OpenIdProvider
metadata: {name: sso}
spec:
  discovery: https://sso.test/d
  issuer: https://sso.test
  authorizationEndpoint: https://sso.test/authorize
  tokenEndpoint: https://sso.test/token
  endSessionEndpoint: https://sso.test/end
  jwksUri: https://sso.test/keys
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
"""
SECRETS = "client_secret: hidden-value, session: {secret: a-secret-of-16-chars}"
OPENID = f"client_id: me, {SECRETS}, discovery: 'https://sso.test/d'"


def compiled(*plugins: str, more: str = "") -> Result:
    listed = "".join(f"      - {plugin}\n" for plugin in plugins)
    return compile_sources([SourceFile("in.yaml", f"{HEAD}{listed}{more}")])


def rules_of(result: Result) -> list[HttpRule]:
    server = result.model.gateways[0].listeners[0].servers[0]
    return [rule for route in server.routes for rule in route.rules if rule.name != "not-found"]


def one(*plugins: str) -> HttpRule:
    (rule,) = rules_of(compiled(*plugins))
    return rule


def guarded(*plugins: str) -> Security:
    security = one(*plugins).security
    assert security is not None
    return security


def secret(result: Result, name: str) -> bytes:
    (found,) = [one for one in result.model.secrets if one.name == name]
    assert isinstance(found, Opaque)
    return found.value.reveal()


def found(result: Result) -> list[str]:
    """The rules of everything found, but that the Service has no endpoints."""
    return [one.rule for one in result.diagnostics if one.rule != "apisix-no-endpoints"]


def test_where_a_key_is() -> None:
    auth = guarded("{name: key-auth, config: {header: X-Key, query: k, hide_credentials: true, realm: r}}").api_key
    assert auth is not None
    assert (auth.headers, auth.query, auth.sanitize) == (("x-key",), ("k",), True)
    wording = one("{name: key-auth, config: {realm: r}}").wordings[0]
    assert wording.challenge == 'apikey realm="r"'


def test_the_last_plugin_names_the_caller() -> None:
    both = guarded("{name: key-auth, config: {}}", "{name: basic-auth, config: {}}")
    assert both.api_key
    assert both.basic
    assert both.caller is None
    assert both.api_key.forward_header == "x-consumer-username"


def test_passwords_are_hashed() -> None:
    result = compiled("{name: basic-auth, config: {hide_credentials: true}}")
    assert secret(result, "apisix/consumers/users").startswith(b"bob:{SHA}")
    (rule,) = rules_of(result)
    assert rule.request_headers
    assert set(rule.request_headers.remove) == {"x-anygate-user", "authorization"}
    assert rule.security
    assert rule.security.caller
    assert rule.security.caller.users == (("bob", "default_my-bob"),)


def test_tokens_are_checked_by_the_consumers_key() -> None:
    config = "{header: X-T, query: t, cookie: c, hide_credentials: true, key_claim_name: who}"
    result = compiled(f"{{name: jwt-auth, config: {config}}}")
    (rule,) = rules_of(result)
    assert rule.security
    assert rule.security.jwt
    first, bare = rule.security.jwt.providers
    assert first.from_headers == (("x-t", "Bearer "), ("x-t", "bearer "))
    assert (first.from_params, first.from_cookies, bare.from_headers) == (("t",), ("c",), (("x-t", ""),))
    assert first.sanitize
    assert first.clock_skew is not None
    assert first.clock_skew.total_seconds() == 9
    assert secret(result, first.jwks_secret) == b'{"keys": [{"kty": "oct", "alg": "HS256", "k": "c2VjcmV0"}]}'
    assert rule.security.caller
    assert rule.security.caller.claim == "who"
    assert found(result) == ["apisix-not-honoured"]


@pytest.mark.parametrize("name", ["key-auth", "basic-auth", "jwt-auth"])
def test_nobody_gets_in_without_a_consumer(name: str) -> None:
    text = HEAD.split("---\n")
    kept = "---\n".join(part for part in text if "ApisixConsumer" not in part)
    result = compile_sources([SourceFile("in.yaml", f"{kept}      - {{name: {name}, config: {{}}}}\n")])
    (rule,) = rules_of(result)
    assert rule.security
    assert rule.security.admission
    assert [row.allow for row in rule.security.admission.rules] == [False]
    assert rule.wordings[0].status == 401
    assert "apisix-no-consumer" in found(result)


def test_an_anonymous_consumer_has_a_rule_of_its_own() -> None:
    checked, other = rules_of(compiled("{name: key-auth, config: {anonymous_consumer: default_my_bob}}"))
    assert [match.headers[0].name if match.headers else match.query[0].name for match in checked.matches] == [
        "apikey",
        "apikey",
    ]
    assert other.security
    assert other.security.api_key is None
    assert other.security.caller
    assert other.security.caller.name == "default_my-bob"


def test_which_consumers() -> None:
    config = "{whitelist: [default_my_bob, x], rejected_code: 410, rejected_msg: gone}"
    rule = one("{name: key-auth, config: {}}", f"{{name: consumer-restriction, config: {config}}}")
    assert rule.security
    assert rule.security.authorization
    missing, listed = rule.security.authorization.rules
    assert missing.principal.other_headers == (("x-consumer-username", ()),)
    assert listed.principal.other_headers == (("x-consumer-username", ("default_my-bob", "x")),)
    assert [(one.status, one.body) for one in rule.wordings if one.rule == "consumer-restriction"] == [
        (410, '{"message":"gone"}\n')
    ]


def test_which_addresses() -> None:
    rule = one("{name: ip-restriction, config: {whitelist: [10.0.0.1, 2001:db8::/32], message: no way}}")
    assert rule.security
    assert rule.security.admission
    (row,) = rule.security.admission.rules
    assert row.principal.cidrs == ("10.0.0.1", "2001:db8::/32")
    assert row.principal.other_addresses
    assert [applied.text for applied in describe_rule(rule) if applied.kind == "admission"] == [
        "ip-restriction denies clients outside 10.0.0.1, 2001:db8::/32"
    ]


def test_options_are_answered_before_anything_is_asked() -> None:
    answering, rest = rules_of(compiled("{name: key-auth, config: {}}", "{name: cors, config: {max_age: -1}}"))
    assert isinstance(answering.action, Respond)
    assert answering.security is None
    assert [match.method for match in answering.matches] == ["OPTIONS"]
    assert rest.security
    assert rest.cors_headers == answering.cors_headers
    assert rest.cors_headers
    assert (rest.cors_headers.max_age, rest.cors_headers.allow_headers) == (-1, "*")


def test_the_size_of_bodies() -> None:
    assert one("{name: client-control, config: {max_body_size: 10}}").request_buffer == 10
    assert one("{name: client-control, config: {max_body_size: 0}}").request_buffer is None


def test_a_login() -> None:
    config = (
        f"{OPENID}, redirect_uri: /back, logout_path: /out, "
        "post_logout_redirect_uri: 'https://x', unauth_action: deny, authorization_params: {prompt: none}, "
        "renew_access_token_on_expiry: false, set_id_token_header: false, set_userinfo_header: false"
    )
    result = compiled(f"{{name: openid-connect, config: {{{config}}}}}")
    assert found(result) == []
    (rule,) = rules_of(result)
    assert rule.security
    oidc = rule.security.oidc
    assert oidc
    assert oidc.redirect_url == "%REQ(x-forwarded-proto)%://%REQ(:authority)%/back"
    assert (oidc.redirect_path, oidc.logout_path, oidc.post_logout_url) == ("/back", "/out", "https://x")
    assert oidc.authorization_endpoint == "https://sso.test/authorize?prompt=none"
    assert (oidc.token_endpoint, oidc.end_session_endpoint) == ("https://sso.test/token", "https://sso.test/end")
    assert (oidc.when_missing, oidc.refresh_token, oidc.id_claims_header) == ("refuse", False, "")
    assert rule.security.access_token_header == "x-access-token"
    assert [match.path.value for match in rule.matches if match.path] == ["/web/", "/back"]
    assert rule.request_headers
    assert {"authorization", "x-id-token", "x-userinfo", "x-refresh-token"} <= set(rule.request_headers.remove)
    assert len(secret(result, oidc.hmac_secret)) == 32


def test_the_endpoints_of_keycloak_follow_from_its_address() -> None:
    discovery = "https://kc.test/auth/realms/lab/.well-known/openid-configuration"
    config = f"client_id: me, {SECRETS}, discovery: '{discovery}'"
    oidc = guarded(f"{{name: openid-connect, config: {{{config}}}}}").oidc
    assert oidc
    assert oidc.token_endpoint == "https://kc.test/auth/realms/lab/protocol/openid-connect/token"
    assert (oidc.redirect_path, oidc.token_backend) == ("/web/.apisix/redirect", "url/kc.test/443")


@pytest.mark.parametrize(
    "plugin",
    [
        "{name: hmac-auth, config: {clock_skew: 0}}",
        "{name: ldap-auth, config: {base_dn: x}}",
        "{name: ldap-auth, config: {base_dn: x, ldap_uri: 'http://directory'}}",
        "{name: csrf, config: {key: ''}}",
        "{name: key-auth, config: {anonymous_consumer: nobody}}",
        "{name: key-auth, config: {no_such_field: 1}}",
        "{name: consumer-restriction, config: {}}",
        "{name: ip-restriction, config: {whitelist: [10.0.0.1], blacklist: [10.0.0.2]}}",
        "{name: ip-restriction, config: {whitelist: [nonsense]}}",
        "{name: client-control, config: {max_body_size: 5000000000}}",
        f"{{name: openid-connect, config: {{{OPENID}, bearer_only: true}}}}",
        f"{{name: openid-connect, config: {{{OPENID}, backchannel_logout: {{path: /gone}}}}}}",
        f"{{name: openid-connect, config: {{{OPENID}, proxy_opts: {{}}}}}}",
        f"{{name: openid-connect, config: {{{OPENID}, required_scopes: [a]}}}}",
        f"{{name: openid-connect, config: {{{OPENID}, bearer_only: true, public_key: nonsense}}}}",
        "{name: openid-connect, config: {client_id: me, discovery: 'https://sso.test/d'}}",
        f"{{name: openid-connect, config: {{client_id: me, {SECRETS}, discovery: sso.test}}}}",
    ],
)
def test_a_route_whose_guard_cannot_be_had_is_closed(plugin: str) -> None:
    result = compiled(plugin)
    (rule,) = rules_of(result)
    assert isinstance(rule.action, Respond)
    assert rule.action.status == 503
    assert any(one.severity == "error" for one in result.diagnostics)
    assert not any("hidden-value" in str(one) for one in result.diagnostics)


def test_a_provider_that_nobody_has_asked_closes_its_routes() -> None:
    result = compiled(f"{{name: openid-connect, config: {{client_id: me, {SECRETS}, discovery: 'https://other/d'}}}}")
    (rule,) = rules_of(result)
    assert isinstance(rule.action, Respond)
    assert rule.action.status == 503
    (found,) = [one for one in result.diagnostics if one.rule == "openid-not-asked"]
    assert (found.severity, found.path[-1], "https://other/d" in found.message) == ("note", "discovery", True)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("use_nonce", "true"),
        ("accept_unsupported_alg", "false"),
        ("iat_slack", "1"),
        ("force_reauthorize", "true"),
        ("set_userinfo_header", "true"),
        ("set_refresh_token_header", "true"),
    ],
)
def test_a_field_without_effect_is_named(field: str, value: str) -> None:
    result = compiled(f"{{name: openid-connect, config: {{{OPENID}, {field}: {value}}}}}")
    places: list[Any] = [one.path[-1] for one in result.diagnostics if one.rule == "apisix-not-honoured"]
    assert field in places


def test_preflights_pass_the_guards_of_global_rules_and_none_of_the_route() -> None:
    everywhere = """
---
apiVersion: apisix.apache.org/v2
kind: ApisixGlobalRule
metadata: {name: everywhere}
spec: {plugins: [{name: ip-restriction, config: {whitelist: [192.0.2.0/24]}}]}
"""
    preflight, rest = rules_of(compiled("{name: cors, config: {}}", "{name: key-auth, config: {}}", more=everywhere))
    assert isinstance(preflight.action, Respond)
    assert preflight.security is not None
    assert preflight.security.admission
    assert preflight.security.api_key is None
    assert rest.security is not None
    assert rest.security.admission
    assert rest.security.api_key
