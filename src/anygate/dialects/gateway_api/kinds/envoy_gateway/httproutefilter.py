"""HTTPRouteFilter: what an HTTPRoute may refer to beyond the standard filters."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from anygate.dialects.gateway_api.kinds.envoy_gateway.clienttrafficpolicy import EnvoyHeaderFilter
from anygate.dialects.gateway_api.kinds.envoy_gateway.response_override import (
    CustomResponseBody,
    check_no_removal,
)
from anygate.dialects.gateway_api.kinds.references import (
    ENVOY_GATEWAY_GROUP,
    BackendObjectReference,
    SecretObjectReference,
)
from anygate.dialects.gateway_api.kinds.route import Fraction, HTTPHeaderFilter, check_share
from anygate.dialects.gateway_api.kinds.sequences import NonEmpty
from anygate.dialects.gateway_api.kinds.violations import Violations, check_exactly_one, check_selected
from anygate.manifests.fields import Many
from anygate.manifests.kind import Kind, Node


class ReplaceRegexMatch(Node):
    r"""RE2 pattern, and its substitution with groups as \1."""

    pattern: str = Field(min_length=1)
    substitution: str


class RegexPathModifier(Node):
    """A new path."""

    type: Literal["ReplaceRegexMatch"]
    replace_regex_match: ReplaceRegexMatch | None = None

    @model_validator(mode="after")
    def _check_type(self) -> Self:
        found = Violations()
        check_selected(found, "type", self.type, {"ReplaceRegexMatch": ("replaceRegexMatch", self.replace_regex_match)})
        found.refuse()
        return self


class HTTPHostnameModifier(Node):
    """The Host header becomes the value of a header, or the name of the chosen endpoint."""

    type: Literal["Header", "Backend"]
    header: str | None = None

    @model_validator(mode="after")
    def _check_type(self) -> Self:
        found = Violations()
        check_selected(found, "type", self.type, {"Header": ("header", self.header)})
        found.refuse()
        return self


class EnvoyURLRewriteFilter(Node):
    """Change Host and path."""

    hostname: HTTPHostnameModifier | None = None
    path: RegexPathModifier | None = None
    # Default: true.
    append_x_forwarded_host: bool | None = None


class HTTPDirectResponseFilter(Node):
    """Answer without a backend; status 200 unless given."""

    content_type: str | None = None
    body: CustomResponseBody | None = None
    status_code: int | None = None
    header: HTTPHeaderFilter | None = None

    @model_validator(mode="after")
    def _check_header(self) -> Self:
        found = Violations()
        check_no_removal(found, self.header)
        found.refuse()
        return self


class InjectedCredential(Node):
    """Key `credential` of a Secret; the whole header value."""

    value_ref: SecretObjectReference


class HTTPCredentialInjectionFilter(Node):
    """Add a credential before forwarding."""

    # Default: Authorization.
    header: str | None = None
    # Replace a header that is there already.
    overwrite: bool = False
    credential: InjectedCredential


class EnvoyRequestMirrorFilter(Node):
    """Send a copy of requests elsewhere; all requests unless a share is given."""

    backend_ref: BackendObjectReference | None = None
    # A header that names the cluster.
    cluster_header: str | None = Field(
        default=None, min_length=1, max_length=256, pattern=r"^:?[A-Za-z0-9!#$%&'*+\-.^_\x60|~]+$"
    )
    percent: int | None = Field(default=None, ge=0, le=100)
    fraction: Fraction | None = None
    trace_sampled: bool | None = None
    disable_shadow_host_suffix_append: bool | None = None
    request_headers_mutations: EnvoyHeaderFilter | None = None
    host_rewrite_literal: str | None = Field(default=None, min_length=1, max_length=255, pattern=r"^[!-~]+$")

    @model_validator(mode="after")
    def _check_destination(self) -> Self:
        found = Violations()
        check_exactly_one(found, backendRef=self.backend_ref, clusterHeader=self.cluster_header)
        check_share(found, self.percent, self.fraction)
        found.refuse()
        return self


class HTTPCookieMatch(Node):
    """A cookie."""

    type: Literal["Exact", "RegularExpression"] = "Exact"
    name: str = Field(min_length=1, max_length=256)
    value: str = Field(min_length=1, max_length=4096)


class HTTPRouteMatchFilter(Node):
    """Cookies that must all match."""

    cookies: NonEmpty[HTTPCookieMatch] = Field(max_length=16)


class HTTPRouteFilterSpec(Node):
    """Any of the filters together."""

    url_rewrite: EnvoyURLRewriteFilter | None = None
    direct_response: HTTPDirectResponseFilter | None = None
    credential_injection: HTTPCredentialInjectionFilter | None = None
    request_mirror: EnvoyRequestMirrorFilter | None = None
    # Beyond the rule's own matches; any one of these.
    matches: Many[HTTPRouteMatchFilter] = Field(default=(), max_length=8)


class HTTPRouteFilter(Kind):
    """Filters for HTTPRoute's extensionRef."""

    GROUP: ClassVar[str] = ENVOY_GATEWAY_GROUP
    KIND: ClassVar[str] = "HTTPRouteFilter"

    spec: HTTPRouteFilterSpec
