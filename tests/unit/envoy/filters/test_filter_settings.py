"""What the filters tell Envoy, what they refuse to tell it, and that Envoy takes all of it."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from filter_gateway import (
    PASSWORD,
    bootstrap,
    opaque,
    origin,
    route_entry,
    rule,
    security,
    server,
    validate,
)

from anygate.envoy import filters
from anygate.envoy.api import redact, to_json
from anygate.envoy.constraints import check
from anygate.envoy.filters import FILTERS, NOT_CARRIED, ORDER, CannotBuild, Scope
from anygate.envoy.filters.api_key import ApiKeyFilter
from anygate.envoy.filters.basic_auth import BasicAuthFilter
from anygate.envoy.filters.cors import build_cors_policy
from anygate.envoy.filters.credential import build_entry as build_credential
from anygate.envoy.filters.faults import percentage
from anygate.envoy.filters.filter import ChainEntry, only
from anygate.envoy.filters.matches import path_header
from anygate.envoy.filters.oidc import build_entry as build_login
from anygate.envoy.filters.oidc import cookie_names
from anygate.manifests.sensitive import Sensitive
from anygate.model.limits import Expression, Faults, LimitRule, LimitSelector, MetadataNumber, RateLimit
from anygate.model.match import PathMatch, ValueMatch
from anygate.model.route import Credential, HttpRule, Session
from anygate.model.security import (
    ApiKeyAuth,
    Authorization,
    AuthorizationRule,
    BasicAuth,
    Caller,
    ClaimMatch,
    Cors,
    CorsHeaders,
    ExtAuth,
    Introspection,
    Jwt,
    JwtProvider,
    Oidc,
    Principal,
    Security,
)
from anygate.model.tls import Opaque

JWKS = '{"keys":[{"kty":"oct","k":"AAAA","alg":"HS256"}]}'
SECRETS = opaque(users=f"ann:{PASSWORD}", keys='{"ann":"key-one"}', client="client-secret", hmac="hmac-secret")
SCOPE = Scope(server("https", caller_headers=("x-caller",)), SECRETS)


def login(**fields: Any) -> Oidc:
    settings = {
        "origin": origin("o", "spec.oidc"),
        "name": "default/login",
        "issuer": "https://idp.example",
        "client_id": "web",
        "client_secret": "client",
        "hmac_secret": "hmac",
        "token_backend": "idp",
        "authorization_endpoint": "https://idp.example/authorize",
        "token_endpoint": "https://idp.example/token",
        **fields,
    }
    return Oidc(**settings)


def lookup(**fields: Any) -> Introspection:
    settings = {"endpoint": "https://idp.example/introspect", "backend": "idp", "credential": "client", **fields}
    return Introspection(origin=origin("n"), **settings)


def provider(name: str = "one", **fields: Any) -> JwtProvider:
    return JwtProvider(origin=origin("j"), name=name, **{"issuer": "i", "jwks": JWKS, **fields})


def everything() -> HttpRule:
    """A rule with every field that a filter reads, set to something."""
    who = Principal(
        cidrs=("10.0.0.0/8", "2001:db8::1"),
        jwt_provider="one",
        jwt_scopes=("read",),
        jwt_claims=(
            ClaimMatch(name="a.b", values=("1", "2")),
            ClaimMatch(name="c", values=("3",), is_list=True),
        ),
        headers=(("x-role", ("a", "b")),),
    )
    remote = provider("two", jwks="", jwks_uri="https://i/keys", jwks_backend="idp", jwks_cache=timedelta(1))
    return rule(
        "everything",
        cors=Cors(
            origin=origin("c"),
            allow_origins=("*", "https://a.example", "https://*.b.example"),
            allow_methods=("GET",),
            allow_headers=("x-a",),
            expose_headers=("x-b",),
            max_age=timedelta(seconds=5),
            allow_credentials=True,
        ),
        cors_headers=CorsHeaders(
            origin=origin("h"),
            patterns=(r"\.a\.example$", "(b|c)%(d)%"),
            allow_methods="**",
            allow_headers="**",
            expose_headers="x-b",
            max_age=5,
            allow_credentials=True,
            timing_origins=("https://a.example",),
        ),
        security=security(
            access_token_header="x-token",
            admission=Authorization(
                origin=origin("a"),
                rules=(
                    AuthorizationRule(
                        origin=origin("a"),
                        name="outside",
                        allow=False,
                        principal=Principal(
                            cidrs=("10.0.0.0/8",), other_addresses=True, other_headers=(("x-a", ()), ("x-b", ("1",)))
                        ),
                        methods=("GET",),
                        other_methods=True,
                    ),
                ),
                allow_by_default=True,
            ),
            basic=BasicAuth(origin=origin("b"), secret="users", forward_header="x-user"),
            api_key=ApiKeyAuth(
                origin=origin("k"),
                secrets=("keys",),
                headers=("x-key",),
                query=("key",),
                cookies=("key",),
                forward_header="x-client",
                sanitize=True,
            ),
            jwt=Jwt(
                origin=origin("j"),
                providers=(
                    provider(
                        audiences=("web",),
                        claim_to_headers=(("sub", "x-sub"),),
                        recompute_route=True,
                        from_headers=(("x-token", "Token "),),
                        from_params=("token",),
                        from_cookies=("token",),
                    ),
                    remote,
                ),
            ),
            oidc=login(
                end_session_endpoint="https://idp.example/end",
                scopes=("email",),
                resources=("https://api.example",),
                forward_access_token=True,
                default_token_ttl=timedelta(hours=1),
                default_refresh_token_ttl=timedelta(hours=2),
                csrf_token_ttl=timedelta(minutes=5),
                cookie_domain="example.com",
                cookie_names=(("accessToken", "mine"),),
                same_site="Strict",
                deny_redirect=(ValueMatch(name="x-ajax", kind="present"),),
                pass_through_auth_header=True,
                disable_token_encryption=True,
                id_token_header="x-raw",
                hides_cookies=True,
                userinfo_endpoint="https://idp.example/me",
                userinfo_backend="idp",
                secret_in_body=True,
                timeout=timedelta(seconds=2),
            ),
            introspection=lookup(
                headers=("X-Tenant",),
                longest=timedelta(seconds=5),
                scopes=("read",),
                audience="web",
                audience_required=True,
            ),
            userinfo_header="x-user",
            ext_auth=ExtAuth(
                origin=origin("x"),
                protocol="http",
                backend="idp",
                path="/check",
                headers_to_service=("x-a",),
                headers_to_backend=("x-b",),
                body_limit=10,
                fail_open=True,
                timeout=timedelta(seconds=1),
            ),
            authorization=Authorization(
                origin=origin("z"),
                rules=(
                    AuthorizationRule(origin=origin("z"), name="a", allow=True, principal=who, methods=("GET", "PUT")),
                    AuthorizationRule(origin=origin("z"), name="b", allow=False, principal=Principal()),
                    AuthorizationRule(
                        origin=origin("z"), name="c", allow=True, principal=Principal(jwt_provider="two")
                    ),
                ),
            ),
        ),
        faults=Faults(
            origin=origin("f"),
            delay=timedelta(seconds=1),
            delay_percent=0.5,
            abort_status=503,
            abort_percent=1,
        ),
        rate_limit=RateLimit(
            origin=origin("l"),
            rules=(
                LimitRule(
                    origin=origin("l"),
                    requests=5,
                    unit=timedelta(seconds=1),
                    shadow=True,
                    selectors=(
                        LimitSelector(
                            headers=(
                                ValueMatch(name="x-a", value="1", invert=True),
                                ValueMatch(name="x-r", kind="range", range_start=1, range_end=9),
                            ),
                            distinct_headers=("x-user",),
                            methods=("GET", "PUT"),
                            path=PathMatch(kind="prefix", value="/a.b"),
                            cidr="10.1.2.3/8",
                            distinct_addresses=True,
                        ),
                        LimitSelector(path=PathMatch(kind="regex", value="/x+", ignore_case=True)),
                    ),
                ),
                LimitRule(origin=origin("l"), requests=1, unit=timedelta(hours=24)),
                LimitRule(origin=origin("shared"), requests=1, unit=timedelta(hours=24), shared=True, headers=False),
                LimitRule(
                    origin=origin("g"),
                    requests=10,
                    unit=timedelta(seconds=90),
                    scope="global",
                    selectors=(
                        LimitSelector(
                            query=(ValueMatch(name="q", kind="regex", value="a+"), ValueMatch(name="p", value="1")),
                            distinct_query=("tenant",),
                            methods=("GET",),
                            other_methods=True,
                            path=PathMatch(kind="exact", value="/a"),
                            other_path=True,
                            cidr="10.0.0.0/8",
                            other_addresses=True,
                        ),
                    ),
                    request_cost=0,
                    response_cost=Expression(expression="total_tokens"),
                    limit_from=MetadataNumber(namespace="plans", key="limit"),
                ),
                LimitRule(
                    origin=origin("c"),
                    requests=10,
                    unit=timedelta(days=365),
                    scope="global",
                    request_cost=MetadataNumber(namespace="plans", key="cost"),
                    fail_closed=True,
                ),
            ),
        ),
        request_buffer=1000,
        session=Session(origin=origin("s"), kind="cookie", name="sid", absolute_timeout=timedelta(hours=1)),
        inject=Credential(origin=origin("i"), secret="client"),
    )


def test_envoy_takes_a_rule_with_everything() -> None:
    config = bootstrap(
        {"/": everything(), "/other": rule("other")},
        {"echo": [1], "idp": [1]},
        at=server("https", health_check_path="/healthz", caller_headers=("x-caller",)),
        secrets=SECRETS,
    )
    assert validate(config) == ""


def test_every_message_keeps_the_rules_of_the_api() -> None:
    one = everything()
    for each in FILTERS:
        for entry in each.chain(server(health_check_path="/healthz"), [one]):
            assert list(check(entry.config)) == []
        for message in each.route(one, SCOPE).values():
            assert list(check(message)) == []


STANDING = [
    "envoy.filters.http.api_key_auth",
    "envoy.filters.http.basic_auth",
    "envoy.filters.http.jwt_authn",
    "envoy.filters.http.rbac",
]
"""The guards that stand in every chain, so that a policy reaches connections that are open already."""


def test_a_rule_without_wishes_costs_nothing() -> None:
    entries = [entry for each in FILTERS for entry in each.chain(server(), [rule()])]
    assert [entry.name for entry in entries] == STANDING
    assert all(entry.disabled for entry in entries)
    assert all(each.route(rule(), SCOPE) == {} for each in FILTERS)


def test_every_entry_is_off_by_default_except_the_health_check() -> None:
    entries = [entry for each in FILTERS for entry in each.chain(server(health_check_path="/h"), [everything()])]
    assert [entry.name for entry in entries if not entry.disabled] == ["envoy.filters.http.health_check"]
    assert len({entry.name for entry in entries}) == len(entries)


def test_every_route_setting_belongs_to_an_entry() -> None:
    one = everything()
    for each in FILTERS:
        names = {entry.name for entry in each.chain(server(), [one])}
        assert set(each.route(one, SCOPE)) <= names
        assert names - set(each.route(one, SCOPE)) <= {"envoy.filters.http.basic_auth", "anygate/prompts/guard"}


def test_other_routes_and_their_order_do_not_change_an_entry() -> None:
    one, other = everything(), rule("other", inject=Credential(origin=origin("other"), secret="hmac"))
    for each in FILTERS:
        alone = {entry.name: entry for entry in each.chain(server(), [one])}
        together = each.chain(server(), [other, one, one])
        assert together == each.chain(server(), [one, other])
        assert {entry.name: entry for entry in together if entry.name in alone} == alone


def test_the_order_and_its_reasons() -> None:
    assert [type(row.filter).__name__ for row in ORDER] == [
        "HealthCheck",
        "RequestIdFilter",
        "CompressionFilter",
        "AnswersFilter",
        "DecompressionFilter",
        "ModelReadingFilter",
        "BodyReadingFilter",
        "CorsFilter",
        "CorsHeadersFilter",
        "McpChallengeFilter",
        "BufferFilter",
        "FaultFilter",
        "AdmissionFilter",
        "ChecksFilter",
        "ApiKeyFilter",
        "BasicAuthFilter",
        "OidcFilter",
        "LoginFilter",
        "JwtFilter",
        "IntrospectionFilter",
        "CallerFilter",
        "HandoverFilter",
        "ExtAuthFilter",
        "ForwardAuthFilter",
        "AuthorizationFilter",
        "CacheFilter",
        "PromptsFilter",
        "BreakerFilter",
        "LocalRateLimitFilter",
        "LimitBodyFilter",
        "GlobalRateLimitFilter",
        "CacheFilter",
        "WasmFilter",
        "RequestLineFilter",
        "SessionAgeFilter",
        "SessionFilter",
        "McpReadingFilter",
        "UsageFilter",
        "StreamStartFilter",
        "HiddenHeadersFilter",
        "CredentialFilter",
    ]
    assert all(len(row.reason) > 20 for row in ORDER)


def test_no_secret_is_shown() -> None:
    one = everything()
    shown = json.dumps(
        [
            *(redact(entry.config) for each in FILTERS for entry in each.chain(server(), [one])),
            *(redact(message) for each in FILTERS for message in each.route(one, SCOPE).values()),
        ]
    )
    for secret in ("key-one", "client-secret", "hmac-secret", PASSWORD):
        assert secret not in shown
    for secret in ("client-secret", "hmac-secret"):
        entries = [to_json(entry.config) for each in FILTERS for entry in each.chain(server(), [one])]
        assert secret not in json.dumps(entries)


# what is refused, because Envoy could not do it or would refuse every route with it

KEYS = ApiKeyAuth(origin=origin("k"), secrets=("keys",), headers=("x-key",))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("ann:$2y$05$abcdefghijklmnopqrstuv", "not of the form {SHA}"),
        ("ann:{SHA}short", "not of the form {SHA}"),
        ("ann:plain", "not of the form {SHA}"),
        ("ann", "entry 1 of the secret users is not"),
        (f":{PASSWORD}", "entry 1 of the secret users is not"),
        (f"ann:{PASSWORD}\nann:{PASSWORD}", "a user who is there already"),
        ("# nobody\n\n", "has no user"),
        (b"\xff\xfe", "is not text"),
    ],
)
def test_passwords_that_envoy_cannot_check(content: str | bytes, why: str) -> None:
    one = rule(security=security(basic=BasicAuth(origin=origin("b"), secret="users")))
    raw = content.encode() if isinstance(content, str) else content
    secrets = {"users": Opaque(origin=origin("b"), name="users", value=Sensitive(raw))}
    with pytest.raises(CannotBuild, match=re.escape(why)) as refused:
        BasicAuthFilter().route(one, Scope(secrets=secrets))
    assert "$2y$" not in str(refused.value)


@pytest.mark.parametrize(
    ("auth", "content", "why"),
    [
        (KEYS, "not json", "not a JSON object"),
        (KEYS, '{"a": 1}', "not a JSON object"),
        (KEYS, "{}", "there is no key"),
        (KEYS, '{"a": ""}', "an empty key"),
        (KEYS, '{"a": "same", "b": "same"}', "share one key"),
        (
            ApiKeyAuth(origin=origin("k"), secrets=("keys",)),
            '{"a": "1"}',
            "no header, query parameter or cookie",
        ),
        (ApiKeyAuth(origin=origin("k"), secrets=("gone",), headers=("x",)), "{}", "gone is not there"),
    ],
)
def test_api_keys_that_cannot_be_used(auth: ApiKeyAuth, content: str, why: str) -> None:
    with pytest.raises(CannotBuild, match=why):
        ApiKeyFilter().route(rule(security=security(api_key=auth)), Scope(secrets=opaque(keys=content)))


def _authorized(principal: Principal, jwt: Jwt | None = None) -> Security:
    row = AuthorizationRule(origin=origin("z"), name="row", allow=False, principal=principal)
    return security(authorization=Authorization(origin=origin("z"), rules=(row,), allow_by_default=True), jwt=jwt)


BEARER = Jwt(origin=origin("j"), providers=(provider(),))


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (_authorized(Principal(cidrs=("10.0.0.0/99",))), "not a range of addresses"),
        (
            _authorized(Principal(jwt_provider="one", jwt_scopes=("a",))),
            "tokens of one, which nothing checks",
        ),
        (_authorized(Principal(jwt_provider="two"), BEARER), "tokens of two, which nothing checks"),
        (_authorized(Principal(jwt_scopes=("a",)), BEARER), "tokens of nobody, which nothing checks"),
        (security(jwt=Jwt(origin=origin("j"), providers=())), "no provider is named"),
        (security(jwt=Jwt(origin=origin("j"), providers=(provider(jwks=""),))), "has no keys"),
        (security(jwt=Jwt(origin=origin("j"), providers=(provider(jwks="{}"),))), "not a JSON Web Key Set"),
        (security(jwt=Jwt(origin=origin("j"), providers=(provider(jwks="{"),))), "not a JSON Web Key Set"),
        (security(jwt=Jwt(origin=origin("j"), providers=(provider(), provider()))), "the same name"),
        (security(oidc=login(token_endpoint="")), "endpoints"),
        (security(oidc=login(same_site="Sometimes")), "no SameSite"),
        (security(oidc=login(cookie_names=(("wrong", "x"),))), "wrong is no cookie"),
        (security(oidc=login(pass_through_auth_header=True)), "would pass unchecked"),
        (
            security(
                oidc=login(pass_through_auth_header=True),
                jwt=Jwt(origin=origin("j"), providers=(provider(),), optional=True),
            ),
            "would pass unchecked",
        ),
        (security(ext_auth=ExtAuth(origin=origin("x"), protocol="grpc", backend="")), "service to ask"),
        (security(introspection=lookup(backend="")), "no URL of an endpoint"),
        (security(introspection=lookup(endpoint="/introspect")), "no URL of an endpoint"),
    ],
)
def test_security_that_would_not_hold_is_refused(asked: Security, why: str) -> None:
    with pytest.raises(CannotBuild, match=why):
        route_entry("/", rule(security=asked), SCOPE, "echo")
    # The chain of the server, which other routes need, is built all the same.
    for each in FILTERS:
        each.chain(server(), [rule(security=asked)])


def test_two_settings_of_one_name_are_refused() -> None:
    one = ChainEntry("x", build_credential(Credential(origin=origin("i"), secret="a")).config)
    other = ChainEntry("x", build_credential(Credential(origin=origin("i"), secret="b")).config)
    assert only([(origin("i"), one), (origin("i"), one)]) == [one]
    with pytest.raises(CannotBuild, match="share the name x"):
        only([(origin("i"), one), (origin("i"), other)])


# details


@pytest.mark.parametrize(
    "node",
    [
        *(
            ApiKeyAuth,
            Authorization,
            AuthorizationRule,
            BasicAuth,
            Caller,
            ClaimMatch,
            Cors,
            CorsHeaders,
            Credential,
            ExtAuth,
            Faults,
        ),
        *(Jwt, JwtProvider, LimitRule, LimitSelector, Oidc, Principal, RateLimit, Security, Session),
    ],
)
def test_every_field_is_read_or_named_as_not_carried(node: type[Any]) -> None:
    source = "".join(path.read_text() for path in Path(filters.__file__).parent.glob("*.py"))
    read = set(re.findall(r"\.(\w+)\b", source))
    missing = {
        f"{node.__name__}.{name}"
        for name in node.__struct_fields__
        if name not in read and f"{node.__name__}.{name}" not in NOT_CARRIED
    }
    assert missing == set()


def test_secrets_are_fetched_over_the_stream_that_is_there() -> None:
    config = to_json(build_credential(Credential(origin=origin("i"), secret="token", header="X-Key")).config)
    generic = config["credential"]["typed_config"]
    assert generic["credential"] == {"name": "token", "sds_config": {"ads": {}, "resource_api_version": "V3"}}
    assert generic["header"] == "X-Key"


def test_login_settings() -> None:
    config = to_json(build_login(login(scopes=("email",), cookie_names=(("idToken", "mine"),))).config)["config"]
    assert config["auth_scopes"] == ["openid", "email"]
    assert config["auth_type"] == "BASIC_AUTH"
    assert config["credentials"]["cookie_names"]["id_token"] == "mine"
    assert cookie_names(login())["bearer_token"] != cookie_names(login(name="other"))["bearer_token"]


def test_cookies_of_a_server_without_tls_are_not_secure() -> None:
    one = rule(session=Session(origin=origin("s"), kind="cookie", name="sid"))
    session = next(each for each in FILTERS if each.route(one, Scope(server("http"))))
    assert "Secure" in json.dumps([to_json(m) for m in session.route(one, Scope(server("https"))).values()])
    assert "Secure" not in json.dumps([to_json(m) for m in session.route(one, Scope(server("http"))).values()])


def test_origins() -> None:
    cors = Cors(origin=origin("c"), allow_origins=("*", "https://a.example", "https://*.b.example"))
    matchers = to_json(build_cors_policy(cors))["allow_origin_string_match"]
    assert matchers[1] == {"exact": "https://a.example", "ignore_case": True}
    pattern = re.compile(matchers[2]["safe_regex"]["regex"])
    assert pattern.fullmatch("https://x.y.b.example")
    for wrong in (
        "https://b.example",
        "https://.b.example.evil",
        "https://x/.b.example",
        "https://xb.example",
    ):
        assert not pattern.fullmatch(wrong)


@pytest.mark.parametrize(("percent", "numerator"), [(0.0, 0), (0.0001, 1), (33.3333, 333333), (100.0, 1_000_000)])
def test_percentages(percent: float, numerator: int) -> None:
    assert percentage(percent).numerator == numerator


@pytest.mark.parametrize(
    ("match", "hits", "misses"),
    [
        (PathMatch(kind="exact", value="/a.b"), ("/a.b", "/a.b?x=1"), ("/a.b/", "/aab")),
        (PathMatch(kind="prefix", value="/a/"), ("/a", "/a/b?x", "/a?y"), ("/ab", "/")),
        (PathMatch(kind="prefix", value="/"), ("/", "/x", "/?a"), ()),
        (PathMatch(kind="string_prefix", value="/a"), ("/a", "/ab", "/a?x"), ("/b",)),
        (PathMatch(kind="regex", value="/a|/b"), ("/a", "/b?x"), ("/ab",)),
        (PathMatch(kind="exact", value="/A", ignore_case=True), ("/a", "/A?x"), ("/b",)),
    ],
)
def test_paths_as_headers(match: PathMatch, hits: tuple[str, ...], misses: tuple[str, ...]) -> None:
    pattern = re.compile(path_header(match).string_match.safe_regex.regex)
    assert all(pattern.fullmatch(path) for path in hits)
    assert not any(pattern.fullmatch(path) for path in misses)
