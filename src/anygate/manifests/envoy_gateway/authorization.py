"""Authorization: rules that allow or deny by client, token, header or method."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from anygate.manifests.envoy_gateway.matches import Cidr, UInt32
from anygate.manifests.fields import Many
from anygate.manifests.http import HttpMethod
from anygate.manifests.kind import Node
from anygate.manifests.sequences import NonEmpty
from anygate.manifests.violations import Violations, check_any

Action = Literal["Allow", "Deny"]
Scope = Annotated[str, Field(min_length=1, max_length=253)]


class JWTClaim(Node):
    """A claim, with dots for nesting, that must have one of the values."""

    name: str = Field(min_length=1, max_length=253)
    value_type: Literal["String", "StringArray"] = "String"
    values: NonEmpty[str] = Field(max_length=128)


class JWTPrincipal(Node):
    """A token of a provider of the same policy; all claims and all scopes are needed."""

    provider: str = Field(min_length=1, max_length=253)
    claims: NonEmpty[JWTClaim] | None = Field(default=None, max_length=16)
    scopes: NonEmpty[Scope] | None = Field(default=None, max_length=16)

    @model_validator(mode="after")
    def _check_presence(self) -> Self:
        found = Violations()
        check_any(found, claims=self.claims, scopes=self.scopes)
        found.refuse()
        return self


class AuthorizationHeaderMatch(Node):
    """A header that must have one of the values."""

    name: str = Field(min_length=1, max_length=256)
    values: NonEmpty[str] = Field(max_length=256)


class GeoIPAnonymousMatch(Node):
    """Signs of an anonymous network; all that are given must hold."""

    is_anonymous: bool | None = None
    is_vpn: bool | None = Field(default=None, alias="isVPN")
    is_hosting: bool | None = None
    is_tor: bool | None = None
    is_proxy: bool | None = None


class ClientIPGeoLocation(Node):
    """Where the client's address is; all that is given must hold."""

    country: str | None = None
    region: str | None = None
    city: str | None = None
    asn: UInt32 | None = None
    isp: str | None = None
    anonymous: GeoIPAnonymousMatch | None = None


class Principal(Node):
    """Who sends the request; everything that is given must hold."""

    # Alternatives.
    client_cidrs: NonEmpty[Cidr] | None = Field(default=None, alias="clientCIDRs")
    jwt: JWTPrincipal | None = None
    headers: NonEmpty[AuthorizationHeaderMatch] | None = Field(default=None, max_length=256)
    # Alternatives.
    client_ip_geo_locations: NonEmpty[ClientIPGeoLocation] | None = Field(default=None, alias="clientIPGeoLocations")

    @model_validator(mode="after")
    def _check_presence(self) -> Self:
        found = Violations()
        check_any(
            found,
            clientCIDRs=self.client_cidrs,
            jwt=self.jwt,
            headers=self.headers,
            clientIPGeoLocations=self.client_ip_geo_locations,
        )
        found.refuse()
        return self


class Operation(Node):
    """What the request does."""

    methods: NonEmpty[HttpMethod] = Field(max_length=16)


class AuthorizationRule(Node):
    """The first rule that matches decides."""

    name: str | None = Field(default=None, min_length=1, max_length=253)
    action: Action
    operation: Operation | None = None
    principal: Principal


class Authorization(Node):
    """Rules, and what happens when none matches."""

    rules: Many[AuthorizationRule] = ()
    default_action: Action = "Deny"
