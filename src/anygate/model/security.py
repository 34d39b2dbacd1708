"""Who may call: CORS, authentication and authorization of requests."""

from datetime import timedelta
from typing import Literal

from anygate.model.match import ValueMatch
from anygate.model.origin import Node, Origin


class Cors(Node, frozen=True):
    """Which other origins a browser lets call. Origins are literals, may start their host with `*.`, or be `*`."""

    origin: Origin
    allow_origins: tuple[str, ...] = ()
    allow_methods: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    max_age: timedelta | None = None
    allow_credentials: bool = False


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
    """One issuer. The keys come from `jwks` (inline JSON) or from `jwks_uri` through `jwks_backend`."""

    origin: Origin
    name: str
    issuer: str = ""
    audiences: tuple[str, ...] = ()
    jwks: str = ""
    jwks_uri: str = ""
    jwks_backend: str = ""
    jwks_cache: timedelta | None = None
    claim_to_headers: tuple[tuple[str, str], ...] = ()
    recompute_route: bool = False
    from_headers: tuple[tuple[str, str], ...] = ()
    from_params: tuple[str, ...] = ()
    from_cookies: tuple[str, ...] = ()


class Jwt(Node, frozen=True):
    """A token from any of the providers; `optional` lets requests without a token pass."""

    origin: Origin
    providers: tuple[JwtProvider, ...]
    optional: bool = False


class Oidc(Node, frozen=True):
    """Login through an OpenID provider. `client_secret` and `hmac_secret` name generic `Secret`s of the model."""

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


class ClaimMatch(Node, frozen=True):
    """A JWT claim that must have one of the values; nested claims are named `a.b`."""

    name: str
    values: tuple[str, ...]
    is_list: bool = False


class Principal(Node, frozen=True):
    """Who is asking: all given conditions must hold; each lists alternatives, but all of the scopes are needed."""

    cidrs: tuple[str, ...] = ()
    jwt_provider: str = ""
    jwt_scopes: tuple[str, ...] = ()
    jwt_claims: tuple[ClaimMatch, ...] = ()
    headers: tuple[tuple[str, tuple[str, ...]], ...] = ()


class AuthorizationRule(Node, frozen=True):
    """One row of the list; the first that matches decides."""

    origin: Origin
    name: str
    allow: bool
    principal: Principal
    methods: tuple[str, ...] = ()


class Authorization(Node, frozen=True):
    """Rules in order, and what holds when none matches."""

    origin: Origin
    rules: tuple[AuthorizationRule, ...] = ()
    allow_by_default: bool = False


class Security(Node, frozen=True):
    """Everything a request has to pass before it is routed on."""

    origin: Origin
    basic: BasicAuth | None = None
    api_key: ApiKeyAuth | None = None
    jwt: Jwt | None = None
    oidc: Oidc | None = None
    ext_auth: ExtAuth | None = None
    authorization: Authorization | None = None
