"""Login with OpenID Connect."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from anygate.manifests.envoy_gateway.cluster_settings import BackendCluster, check_fetch
from anygate.manifests.envoy_gateway.matches import StringMatch
from anygate.manifests.fields import Duration, HeaderName, Many
from anygate.manifests.kind import Node
from anygate.manifests.references import SecretObjectReference
from anygate.manifests.sequences import NonEmpty
from anygate.manifests.violations import Violations, check_exactly_one


class OIDCProvider(BackendCluster):
    """The provider; endpoints that are absent are discovered from the issuer."""

    issuer: str = Field(min_length=1)
    authorization_endpoint: str | None = None
    token_endpoint: str | None = None
    end_session_endpoint: str | None = None

    @model_validator(mode="after")
    def _check_backend(self) -> Self:
        found = Violations()
        check_fetch(found, self)
        found.refuse()
        return self


class OIDCCookieNames(Node):
    """Names of the token cookies; absent ones get a generated suffix."""

    access_token: str | None = None
    id_token: str | None = None


class OIDCCookieConfig(Node):
    """Attributes of the token cookies."""

    same_site: Literal["Lax", "Strict", "None"] | None = None


class OIDCDenyRedirectHeader(StringMatch):
    """A header to match."""

    name: str = Field(min_length=1)


class OIDCDenyRedirect(Node):
    """Requests that are refused instead of sent to the login."""

    headers: NonEmpty[OIDCDenyRedirectHeader] = Field(max_length=16)


class OIDCTokenForwarding(Node):
    """The header that carries the ID token to the backend; Authorization gets a Bearer prefix."""

    header: HeaderName

    @field_validator("header")
    @classmethod
    def _check_header(cls, header: str) -> str:
        if header.lower() == "host":
            raise PydanticCustomError("invalid", "must not be the Host header")
        return header


class OIDC(Node):
    """The client, its cookies and its tokens."""

    provider: OIDCProvider
    client_id: str | None = Field(default=None, min_length=1, alias="clientID")
    # Key `client-id` of a Secret.
    client_id_ref: SecretObjectReference | None = Field(default=None, alias="clientIDRef")
    # Key `client-secret` of a Secret.
    client_secret: SecretObjectReference
    cookie_names: OIDCCookieNames | None = None
    cookie_config: OIDCCookieConfig | None = None
    # Absent: the host of the request only.
    cookie_domain: str | None = Field(
        default=None, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
    )
    # `openid` is always added.
    scopes: Many[str] = ()
    resources: Many[str] = ()
    # Default: scheme and host of the request with /oauth2/callback.
    redirect_url: str | None = Field(default=None, alias="redirectURL")
    deny_redirect: OIDCDenyRedirect | None = None
    # Default: /logout.
    logout_path: str | None = None
    forward_access_token: bool = False
    forward_id_token: OIDCTokenForwarding | None = Field(default=None, alias="forwardIDToken")
    # Used when the provider names no expiry.
    default_token_ttl: Duration | None = Field(default=None, alias="defaultTokenTTL")
    refresh_token: bool = True
    # Default: one week.
    default_refresh_token_ttl: Duration | None = Field(default=None, alias="defaultRefreshTokenTTL")
    # Default: 10m.
    csrf_token_ttl: Duration | None = Field(default=None, alias="csrfTokenTTL")
    disable_token_encryption: bool = False
    # Requests with a token for the JWT filter skip the login.
    pass_through_auth_header: bool = False

    @model_validator(mode="after")
    def _check_client(self) -> Self:
        found = Violations()
        check_exactly_one(found, clientID=self.client_id, clientIDRef=self.client_id_ref)
        forwarding = self.forward_id_token
        if self.forward_access_token and forwarding is not None and forwarding.header.lower() == "authorization":
            text = "cannot be true while the ID token goes into the Authorization header"
            found.add(text, "forwardAccessToken", code="forbidden")
        found.refuse()
        return self
