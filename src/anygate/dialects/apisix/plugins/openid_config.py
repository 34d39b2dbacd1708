"""The configuration of openid-connect.

https://apisix.apache.org/docs/apisix/plugins/openid-connect/
"""

from typing import Any, Literal

from pydantic import Field

from anygate.dialects.apisix.plugins.config import Config
from anygate.dialects.openid_provider import Url
from anygate.manifests.fields import Many, SensitiveText


class OpenIdSession(Config):
    """The secret by which cookies are signed and encrypted."""

    secret: SensitiveText | None = None
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
    timeout: int | None = Field(default=None, ge=1)
    redirect_uri: str | None = Field(default=None, min_length=1)
    logout_path: str = "/logout"
    post_logout_redirect_uri: str | None = None
    unauth_action: Literal["auth", "deny", "pass"] = "auth"
    realm: str = "apisix"
    bearer_only: bool = False
    session: OpenIdSession | None = None
    authorization_params: dict[str, str] | None = None
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
    # Envoy always does both.
    use_pkce: bool = False
    use_nonce: bool = False
    accept_none_alg: bool = False
    accept_unsupported_alg: bool = True
    renew_access_token_on_expiry: bool = True
    # What only asking the provider about a token would need.
    introspection_endpoint: str | None = None
    introspection_endpoint_auth_method: str | None = None
    introspection_expiry_claim: str | None = None
    introspection_interval: int | None = None
    introspection_addon_headers: Many[str] = ()
    claim_schema: dict[str, Any] | None = None
    token_endpoint_auth_method: str | None = None
    client_rsa_private_key: SensitiveText | None = None
    client_rsa_private_key_id: str | None = None
    client_jwt_assertion_expires_in: int | None = None
    access_token_expires_in: int | None = None
    access_token_expires_leeway: int | None = None
    refresh_session_interval: int | None = None
    iat_slack: int | None = None
    jwk_expires_in: int | None = None
    jwt_verification_cache_ignore: bool | None = None
    cache_segment: str | None = None
    force_reauthorize: bool | None = None
    revoke_tokens_on_logout: bool | None = None
    proxy_opts: dict[str, Any] | None = None


REFUSED_FIELDS = {
    "introspection_endpoint": "the provider is not asked about tokens; they have to be signed",
    "claim_schema": "claims are not checked against a schema",
    "client_rsa_private_key": "the client proves who it is by its secret only",
    "proxy_opts": "the provider is asked directly",
}
"""Fields without which a route would let in others than it is meant to, or nobody."""

OTHER_FIELDS = {
    "timeout": "the provider has 10s for an answer",
    "introspection_endpoint_auth_method": "the provider is not asked about tokens",
    "introspection_expiry_claim": "the provider is not asked about tokens",
    "introspection_interval": "the provider is not asked about tokens",
    "introspection_addon_headers": "the provider is not asked about tokens",
    "token_endpoint_auth_method": "the client's secret is always sent as a password (client_secret_basic)",
    "client_rsa_private_key_id": "the client proves who it is by its secret only",
    "client_jwt_assertion_expires_in": "the client proves who it is by its secret only",
    "access_token_expires_in": "a login ends when the provider says so",
    "access_token_expires_leeway": "a login ends when the provider says so",
    "refresh_session_interval": "a login ends when the provider says so",
    "iat_slack": "when a token was issued is not looked at",
    "jwk_expires_in": "the provider's keys are fetched every 5 minutes",
    "jwt_verification_cache_ignore": "results are not kept, each token is checked",
    "cache_segment": "results are not kept, each token is checked",
    "force_reauthorize": "whoever is logged in stays so until the login ends",
    "revoke_tokens_on_logout": "the provider is told to end its session, tokens end by themselves",
}
"""Fields that have no effect, and what holds instead."""
