"""Who may call: CORS, authentication and authorization of requests."""

from datetime import timedelta
from typing import Literal

from anygate.model.checks import Check
from anygate.model.edit import Respond
from anygate.model.match import ValueMatch
from anygate.model.origin import Node, Origin
from anygate.model.text import Value


class Cors(Node, frozen=True):
    """Which other origins a browser lets call. Origins are literals, may start their host with `*.`, or be `*`."""

    origin: Origin
    allow_origins: tuple[str, ...] = ()
    allow_methods: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    max_age: timedelta | None = None
    allow_credentials: bool = False


class CorsHeaders(Node, frozen=True):
    """Headers for browsers on every answer, refusals too, whether or not it is a preflight that is answered.

    Origins are literals; `*` stands for any and is answered as it is, `**` for any by its own name. With `patterns`
    (RE2, found anywhere in the origin) the origins do not count. `**` in `allow_methods` stands for the methods that
    are known, in `allow_headers` for those that a preflight asks about. `timing_origins` and `timing_patterns` say
    who may see `Timing-Allow-Origin` in the same way; empty means nobody.
    """

    origin: Origin
    allow_origins: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    allow_methods: str = ""
    allow_headers: str = ""
    expose_headers: str = ""
    max_age: int = 0
    allow_credentials: bool = False
    timing_origins: tuple[str, ...] = ()
    timing_patterns: tuple[str, ...] = ()


class BasicAuth(Node, frozen=True):
    """Name and password; `secret` names a generic `Secret` that holds an htpasswd file (SHA)."""

    origin: Origin
    secret: str
    forward_header: str = ""


class ApiKeyAuth(Node, frozen=True):
    """An API key. `secrets` name `Opaque`s that each hold a JSON object of client id to key; the key is taken from
    the first of the headers, query parameters and cookies that carries one."""

    origin: Origin
    secrets: tuple[str, ...]
    headers: tuple[str, ...] = ()
    query: tuple[str, ...] = ()
    cookies: tuple[str, ...] = ()
    forward_header: str = ""
    sanitize: bool = False


class JwtProvider(Node, frozen=True):
    """One issuer. The keys come from `jwks` (inline JSON), from `jwks_uri` through `jwks_backend`, or, where they have
    to be kept secret, from `jwks_secret`, which names an `Opaque` with a key set: whoever runs Envoy puts it in a file
    beside it (`jwks_file`) that Envoy reads when it is told of the provider.

    `sanitize` takes a token off the request once it is checked; `clock_skew` is how late or early it may be.
    """

    origin: Origin
    name: str
    issuer: str = ""
    audiences: tuple[str, ...] = ()
    jwks: str = ""
    jwks_secret: str = ""
    jwks_file: str = ""
    jwks_uri: str = ""
    jwks_backend: str = ""
    jwks_cache: timedelta | None = None
    claim_to_headers: tuple[tuple[str, str], ...] = ()
    recompute_route: bool = False
    from_headers: tuple[tuple[str, str], ...] = ()
    from_params: tuple[str, ...] = ()
    from_cookies: tuple[str, ...] = ()
    sanitize: bool = False
    clock_skew: timedelta | None = None


class Jwt(Node, frozen=True):
    """A token from any of the providers; `optional` lets requests without a token pass."""

    origin: Origin
    providers: tuple[JwtProvider, ...]
    optional: bool = False


class Oidc(Node, frozen=True):
    """Login through an OpenID provider. `client_secret` and `hmac_secret` name generic `Secret`s of the model.

    `when_missing` says what becomes of requests without a login: the browser is sent to log in, they are refused, or
    they pass as they are. The claims of the ID token, JSON in base64, are put in `id_claims_header` where it is given,
    and the token itself in `id_token_header`. With `hides_cookies` backends do not see tokens besides. With
    `secret_in_body` the client's secret is a field of the form that asks for tokens, and no password. `timeout` is for
    each call.
    """

    origin: Origin
    name: str
    issuer: str
    client_id: str
    client_secret: str
    hmac_secret: str
    token_backend: str
    authorization_endpoint: str = ""
    token_endpoint: str = ""
    end_session_endpoint: str = ""
    scopes: tuple[str, ...] = ("openid",)
    resources: tuple[str, ...] = ()
    redirect_url: str = "%REQ(x-forwarded-proto)%://%REQ(:authority)%/oauth2/callback"
    redirect_path: str = "/oauth2/callback"
    logout_path: str = "/logout"
    forward_access_token: bool = False
    refresh_token: bool = True
    default_token_ttl: timedelta | None = None
    default_refresh_token_ttl: timedelta | None = None
    csrf_token_ttl: timedelta | None = None
    cookie_domain: str = ""
    cookie_names: tuple[tuple[str, str], ...] = ()
    same_site: str = ""
    deny_redirect: tuple[ValueMatch, ...] = ()
    pass_through_auth_header: bool = False
    disable_token_encryption: bool = False
    when_missing: Literal["login", "refuse", "pass"] = "login"
    id_claims_header: str = ""
    id_token_header: str = ""
    hides_cookies: bool = False
    post_logout_url: str = ""
    userinfo_endpoint: str = ""
    userinfo_backend: str = ""
    secret_in_body: bool = False
    timeout: timedelta | None = None


class Introspection(Node, frozen=True):
    """A token that every request has to bring, which `endpoint` is asked about through `backend` (RFC 7662).

    `credential` names an `Opaque` by which the endpoint knows who asks: the value of `Authorization`, or the fields of
    a form where it is `in_body`. `headers` of the request go along. An answer is kept until what its `expiry_claim`
    says, and no longer than `longest`. The token has to have all `scopes`, and where `audience` is given, be for it:
    one with a claim `audience_claim` has to name it there, and one without is refused if `audience_required`.
    """

    origin: Origin
    endpoint: str
    backend: str
    credential: str
    in_body: bool = False
    headers: tuple[str, ...] = ()
    timeout: timedelta | None = None
    expiry_claim: str = "exp"
    longest: timedelta | None = None
    scopes: tuple[str, ...] = ()
    audience: str = ""
    audience_claim: str = "aud"
    audience_required: bool = False


class ExtAuth(Node, frozen=True):
    """Ask a service. `protocol` says how; `backend` names a `Backend`; refusal is the default when it fails."""

    origin: Origin
    protocol: Literal["grpc", "http"]
    backend: str
    path: str = ""
    headers_to_service: tuple[str, ...] = ()
    headers_to_backend: tuple[str, ...] = ()
    body_limit: int = 0
    fail_open: bool = False
    timeout: timedelta | None = None


class ForwardAuth(Node, frozen=True):
    """Ask a service by a request of its own, to `url` through `backend`: an answer below 300 lets the request pass.

    It is sent the headers `told`, the host without its port in `host_header`, those `headers` that the request has,
    and with the method POST the request's body. `headers_to_backend` of its answer take the place of the request's,
    also where it has none. Any other answer is the client's, with no headers but `headers_to_client`. Where there is
    none the client gets `failure`, or with `fail_open` the request passes.
    """

    origin: Origin
    url: str
    backend: str
    failure: Respond
    method: Literal["GET", "POST"] = "GET"
    told: tuple[tuple[str, Value], ...] = ()
    host_header: str = ""
    headers: tuple[str, ...] = ()
    headers_to_backend: tuple[str, ...] = ()
    headers_to_client: tuple[str, ...] = ()
    fail_open: bool = False
    timeout: timedelta | None = None


class ClaimMatch(Node, frozen=True):
    """A JWT claim that must have one of the values; nested claims are named `a.b`."""

    name: str
    values: tuple[str, ...]
    is_list: bool = False


class Principal(Node, frozen=True):
    """Who is asking: all given conditions must hold; each lists alternatives, but all of the scopes are needed.

    `other_addresses` wants an address that is in none of the ranges; `other_headers` are those that have none of the
    values or are missing, and without values those that are missing; of `missing_scopes` the token lacks at least one.
    """

    cidrs: tuple[str, ...] = ()
    jwt_provider: str = ""
    jwt_scopes: tuple[str, ...] = ()
    jwt_claims: tuple[ClaimMatch, ...] = ()
    headers: tuple[tuple[str, tuple[str, ...]], ...] = ()
    other_addresses: bool = False
    other_headers: tuple[tuple[str, tuple[str, ...]], ...] = ()
    missing_scopes: tuple[str, ...] = ()


class AuthorizationRule(Node, frozen=True):
    """One row of the list; the first that matches decides. `other_methods` wants a method that is not listed."""

    origin: Origin
    name: str
    allow: bool
    principal: Principal
    methods: tuple[str, ...] = ()
    other_methods: bool = False


class Authorization(Node, frozen=True):
    """Rules in order, and what holds when none matches."""

    origin: Origin
    rules: tuple[AuthorizationRule, ...] = ()
    allow_by_default: bool = False


class Caller(Node, frozen=True):
    """The name in `header` that the backend and later checks know a caller by, once somebody has been recognised.

    It follows from the user of the basic authentication (`users`: each with a name), or from the value of the claim
    `claim` in a token of a provider (`tokens`: provider, value, name). Without both everybody is called `name`. Where a
    key says it in the same header that name stays, given that the token is of one of `tokens`.
    """

    origin: Origin
    header: str
    users: tuple[tuple[str, str], ...] = ()
    claim: str = ""
    tokens: tuple[tuple[str, str, str], ...] = ()
    name: str = ""


class Handover(Node, frozen=True):
    """Callers whose requests other rules decide: once such a caller is known by the name in `header`, the table is
    asked again, with a value of its own in `mark` for the rule to tell the request by (`rules`: name, value).

    Clients cannot send `mark`, no more than `header`.
    """

    origin: Origin
    header: str
    mark: str
    rules: tuple[tuple[str, str], ...]


class Security(Node, frozen=True):
    """Everything a request has to pass before it is routed on.

    `admission` is asked before anybody is recognised, so it can only look at the request itself; `authorization` after.
    `checks` come before all others that recognise somebody.
    The token of a login, or the one that a request brings, is put in `access_token_header` too, without `Bearer`. What
    is known of its owner is put in `userinfo_header`, JSON in base64: what the provider says of the user after a login,
    what it answers about a token, or else the claims of the token.
    """

    origin: Origin
    admission: Authorization | None = None
    checks: tuple[Check, ...] = ()
    basic: BasicAuth | None = None
    api_key: ApiKeyAuth | None = None
    jwt: Jwt | None = None
    oidc: Oidc | None = None
    introspection: Introspection | None = None
    caller: Caller | None = None
    handover: Handover | None = None
    ext_auth: ExtAuth | None = None
    forward_auth: ForwardAuth | None = None
    authorization: Authorization | None = None
    access_token_header: str = ""
    userinfo_header: str = ""
