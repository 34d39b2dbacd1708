"""The configuration of openid-connect.

https://apisix.apache.org/docs/apisix/plugins/openid-connect/
"""

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from anygate.dialects.apisix.plugins.config import Config
from anygate.dialects.openid_provider import Url
from anygate.manifests.fields import Many, SensitiveText

_MILLISECONDS = 1000
HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]


class OpenIdSession(Config):
    """The secret by which cookies are signed and encrypted, and what they are like."""

    secret: SensitiveText | None = None
    cookie_domain: str | None = None
    cookie_same_site: Literal["Strict", "Lax", "None", "Default"] | None = None
    cookie_name: str | None = None
    cookie_path: str | None = None
    cookie_secure: bool | None = None
    cookie_http_only: bool | None = None
    idling_timeout: int | None = None
    rolling_timeout: int | None = None
    absolute_timeout: int | None = None
    cookie: dict[str, Any] | None = None
    storage: str | None = None
    redis: dict[str, Any] | None = None


class IssuerClaim(Config):
    """The issuers whose tokens count."""

    valid_issuers: Many[str] = ()


class AudienceClaim(Config):
    """For whom a token has to be."""

    claim: str = "aud"
    required: bool = False
    match_with_client_id: bool = False


class ClaimValidator(Config):
    """What tokens have to say."""

    issuer: IssuerClaim | None = None
    audience: AudienceClaim | None = None


class OpenIdConfig(Config):
    """A login, or with `bearer_only` a check of tokens that clients bring."""

    client_id: str = Field(min_length=1)
    discovery: Url
    client_secret: SensitiveText | None = None
    scope: str = "openid"
    ssl_verify: bool = True
    timeout: int = Field(default=3, ge=1)
    redirect_uri: str | None = Field(default=None, min_length=1)
    logout_path: str = "/logout"
    post_logout_redirect_uri: str | None = None
    unauth_action: Literal["auth", "deny", "pass"] = "auth"
    realm: str = "apisix"
    bearer_only: bool = False
    session: OpenIdSession | None = None
    authorization_params: dict[str, str | bool | int] | None = None
    use_jwks: bool = False
    public_key: str | None = None
    token_signing_alg_values_expected: str | None = None
    required_scopes: Many[str] = ()
    claim_validator: ClaimValidator | None = None
    set_access_token_header: bool = True
    access_token_in_authorization_header: bool = False
    set_id_token_header: bool = True
    set_userinfo_header: bool = True
    set_refresh_token_header: bool = False
    set_raw_id_token_header: bool = False
    # Envoy always does it.
    use_pkce: bool = False
    use_nonce: bool = False
    accept_none_alg: bool = False
    accept_unsupported_alg: bool = True
    renew_access_token_on_expiry: bool = True
    introspection_endpoint: Url | None = None
    introspection_endpoint_auth_method: str = "client_secret_basic"
    introspection_expiry_claim: str = Field(default="exp", min_length=1)
    introspection_interval: int = 0
    introspection_addon_headers: Many[HeaderName] = ()
    token_endpoint_auth_method: str | None = None
    access_token_expires_in: int | None = Field(default=None, ge=1)
    iat_slack: int | None = Field(default=None, ge=0)
    jwk_expires_in: int | None = Field(default=None, ge=1)
    # Each token is checked, whatever it says.
    jwt_verification_cache_ignore: bool = False
    claim_schema: dict[str, Any] | None = None
    client_rsa_private_key: SensitiveText | None = None
    client_rsa_private_key_id: str | None = None
    client_jwt_assertion_expires_in: int | None = None
    client_jwt_assertion_alg: str | None = None
    client_jwt_assertion_audience: str | None = None
    access_token_expires_leeway: int | None = None
    refresh_session_interval: int | None = None
    session_contents: dict[str, bool] | None = None
    cache_segment: str | None = None
    force_reauthorize: bool | None = None
    revoke_tokens_on_logout: bool | None = None
    proxy_opts: dict[str, Any] | None = None
    backchannel_logout: dict[str, Any] | None = None
    par: dict[str, Any] | None = None
    dpop: dict[str, Any] | None = None

    @property
    def has_keys(self) -> bool:
        """Whether tokens are checked with keys, and the provider is not asked about them."""
        return bool(self.use_jwks or self.public_key)

    @property
    def takes_tokens(self) -> bool:
        """Whether a token that the client brings is checked."""
        return bool(self.bearer_only or self.has_keys or self.introspection_endpoint)

    @property
    def patience(self) -> timedelta:
        """How long the provider has for an answer; of 1000 and its multiples APISIX thinks as milliseconds."""
        if self.timeout >= _MILLISECONDS and self.timeout % _MILLISECONDS == 0:
            return timedelta(milliseconds=self.timeout)
        return timedelta(seconds=self.timeout)


REFUSED_FIELDS = {
    "claim_schema": "claims are not checked against a schema",
    "client_rsa_private_key": "the client proves who it is by its secret only",
    "proxy_opts": "the provider is asked directly",
    "backchannel_logout": "the provider cannot end a login by itself",
    "par": "what a login asks for is not left with the provider before",
    "dpop": "tokens are not bound to a key",
}
"""Fields without which a route would let in others than it is meant to, or nobody."""

OTHER_FIELDS = {
    "client_rsa_private_key_id": "the client proves who it is by its secret only",
    "client_jwt_assertion_expires_in": "the client proves who it is by its secret only",
    "client_jwt_assertion_alg": "the client proves who it is by its secret only",
    "client_jwt_assertion_audience": "the client proves who it is by its secret only",
    "access_token_expires_leeway": "a login ends when the provider says so",
    "refresh_session_interval": "a login ends when the provider says so",
    "session_contents": "all that belongs to a login is kept in its cookies",
    "cache_segment": "no other route gets to see what is kept of a token",
    "force_reauthorize": "whoever is logged in stays so until the login ends",
    "revoke_tokens_on_logout": "the provider is told to end its session, tokens end by themselves",
}
"""Fields that have no effect, and what holds instead."""

LOGIN_FIELDS = {
    "set_refresh_token_header": "Envoy renews tokens by itself, and takes the refresh token off what backends get",
    "use_nonce": "no nonce is sent; PKCE and a signed state bind the provider's answer to the browser",
    "accept_unsupported_alg": "an ID token comes from the provider itself, and its signature is not looked at",
    "iat_slack": "when an ID token was issued is not looked at",
    "jwk_expires_in": "an ID token comes from the provider itself, and its signature is not looked at",
    "claim_validator": "it is about tokens that clients bring",
}
"""The same where only logins count."""

SESSION_FIELDS = {
    "cookie_name": "the names of cookies are Envoy's",
    "cookie_path": "cookies are for all paths of the host",
    "cookie_secure": "cookies are always Secure",
    "cookie_http_only": "cookies are always HttpOnly",
    "idling_timeout": "a login ends when the provider says so",
    "rolling_timeout": "a login ends when the provider says so",
    "absolute_timeout": "a login ends when the provider says so",
    "cookie": "a login ends when the provider says so",
    "storage": "a login is kept in cookies that end with it",
    "redis": "a login is kept in cookies that end with it",
}
"""The same of `session`."""
