"""JSON web tokens: providers, keys and where tokens are found."""

from datetime import timedelta
from typing import Literal, Self

from pydantic import Field, model_validator

from anygate.manifests.envoy_gateway.cluster_settings import BackendCluster, check_fetch
from anygate.manifests.fields import Duration, Many
from anygate.manifests.kind import Node
from anygate.manifests.references import LocalObjectReference
from anygate.manifests.sequences import NonEmpty
from anygate.manifests.violations import Violations, check_exactly_one, check_selected


class RemoteJWKS(BackendCluster):
    """A key set behind a URI; without backendRefs the URI's host is called."""

    uri: str = Field(min_length=1, max_length=253)
    cache_duration: Duration = timedelta(seconds=300)

    @model_validator(mode="after")
    def _check_backend(self) -> Self:
        found = Violations()
        check_fetch(found, self)
        found.refuse()
        return self


class LocalJWKS(Node):
    """A key set, inline or from the key `jwks` of a ConfigMap."""

    type: Literal["Inline", "ValueRef"] = "Inline"
    inline: str | None = None
    value_ref: LocalObjectReference | None = None

    @model_validator(mode="after")
    def _check_type(self) -> Self:
        found = Violations()
        check_selected(
            found,
            "type",
            self.type,
            {"Inline": ("inline", self.inline), "ValueRef": ("valueRef", self.value_ref)},
        )
        found.refuse()
        return self


class ClaimToHeader(Node):
    """Copies a claim, with dots for nesting, into a request header."""

    header: str
    claim: str


class JWTHeaderExtractor(Node):
    """A header that holds the token behind a prefix."""

    name: str
    value_prefix: str | None = None


class JWTExtractor(Node):
    """Places to look for the token."""

    headers: Many[JWTHeaderExtractor] = ()
    cookies: Many[str] = ()
    params: Many[str] = ()


class JWTProvider(Node):
    """An issuer whose tokens are accepted."""

    name: str = Field(min_length=1, max_length=253)
    # Absent: not checked.
    issuer: str | None = Field(default=None, max_length=253)
    # Empty: not checked.
    audiences: Many[str] = Field(default=(), max_length=8)
    remote_jwks: RemoteJWKS | None = Field(default=None, alias="remoteJWKS")
    local_jwks: LocalJWKS | None = Field(default=None, alias="localJWKS")
    claim_to_headers: Many[ClaimToHeader] = ()
    # Choose the route again once the claims are in headers.
    recompute_route: bool | None = None
    # Absent: Authorization header (Bearer), then query parameter access_token.
    extract_from: JWTExtractor | None = None

    @model_validator(mode="after")
    def _check_keys(self) -> Self:
        found = Violations()
        check_exactly_one(found, remoteJWKS=self.remote_jwks, localJWKS=self.local_jwks)
        if self.recompute_route and not self.claim_to_headers:
            text = "claimToHeaders is required when recomputeRoute is true"
            found.add(text, "claimToHeaders", code="required")
        found.refuse()
        return self


class JWT(Node):
    """A token of any of the providers is required, or may be absent if optional; a wrong one never passes."""

    optional: bool = False
    providers: NonEmpty[JWTProvider] = Field(max_length=4)
