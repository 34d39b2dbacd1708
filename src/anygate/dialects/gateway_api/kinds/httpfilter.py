"""Filters of HTTPRoute rules and backends; GRPCRoute uses some of them."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from anygate.dialects.gateway_api.kinds.references import BackendObjectReference, LocalObjectReference
from anygate.dialects.gateway_api.kinds.route import Fraction, HTTPHeaderFilter, check_share, check_single
from anygate.dialects.gateway_api.kinds.sequences import Distinct
from anygate.dialects.gateway_api.kinds.violations import Violations, check_selected
from anygate.manifests.fields import HeaderName, Port, PreciseHostname
from anygate.manifests.kind import Node

_SINGLE = frozenset({"RequestHeaderModifier", "ResponseHeaderModifier", "RequestRedirect", "URLRewrite", "CORS"})

PathText = Annotated[str, Field(max_length=1024, pattern=r"^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|[%][0-9a-fA-F]{2})+$")]


class HTTPPathModifier(Node):
    """A new path, or a new prefix for the matched one."""

    type: Literal["ReplaceFullPath", "ReplacePrefixMatch"]
    replace_full_path: str | None = Field(default=None, max_length=1024)
    replace_prefix_match: str | None = Field(default=None, max_length=1024)

    @model_validator(mode="after")
    def _check_type(self) -> Self:
        found = Violations()
        check_selected(
            found,
            "type",
            self.type,
            {
                "ReplaceFullPath": ("replaceFullPath", self.replace_full_path),
                "ReplacePrefixMatch": ("replacePrefixMatch", self.replace_prefix_match),
            },
        )
        found.refuse()
        return self


class HTTPRequestRedirectFilter(Node):
    """Answer with a redirect; what is not given is taken from the request."""

    scheme: Literal["http", "https"] | None = None
    hostname: PreciseHostname | None = None
    path: HTTPPathModifier | None = None
    # Absent: the scheme's own port if a scheme is given, else the listener's.
    port: Port | None = None
    status_code: Literal[301, 302, 303, 307, 308] = 302


class HTTPURLRewriteFilter(Node):
    """Change Host and path before forwarding."""

    hostname: PreciseHostname | None = None
    path: HTTPPathModifier | None = None


class HTTPRequestMirrorFilter(Node):
    """Send a copy of requests to another backend; all requests unless a share is given."""

    backend_ref: BackendObjectReference
    percent: int | None = Field(default=None, ge=0, le=100)
    fraction: Fraction | None = None

    @model_validator(mode="after")
    def _check_share(self) -> Self:
        found = Violations()
        check_share(found, self.percent, self.fraction)
        found.refuse()
        return self


def _check_wildcard(values: tuple[str, ...]) -> tuple[str, ...]:
    found = Violations()
    if "*" in values and len(values) > 1:
        found.add('"*" must stand alone', values.index("*"))
    found.refuse()
    return values


CORSOrigin = Annotated[
    str,
    Field(min_length=1, max_length=253, pattern=r"^\*$|^[a-zA-Z][a-zA-Z0-9+\-.]*://[^:/?#]+(:[0-9]{1,5})?$"),
]
"""`scheme://host[:port]`, where the host may contain `*`, or `*` alone."""

CORSMethod = Literal["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "*"]


class HTTPCORSFilter(Node):
    """Answer preflight requests and mark responses for browsers."""

    allow_origins: Annotated[Distinct[CORSOrigin], AfterValidator(_check_wildcard)] = Field(default=(), max_length=64)
    allow_credentials: bool | None = None
    allow_methods: Annotated[Distinct[CORSMethod], AfterValidator(_check_wildcard)] = Field(default=(), max_length=9)
    allow_headers: Annotated[Distinct[HeaderName], AfterValidator(_check_wildcard)] = Field(default=(), max_length=64)
    expose_headers: Distinct[HeaderName] = Field(default=(), max_length=64)
    # Seconds.
    max_age: int = Field(default=5, ge=1)


class GRPCAuthConfig(Node):
    """Headers for a gRPC authorization service; all when empty."""

    allowed_headers: Distinct[str] = Field(default=(), max_length=64)


class HTTPAuthConfig(Node):
    """Path prefix and headers for an HTTP authorization service."""

    path: PathText | None = None
    # Beyond Host, Method, Path, Content-Length and Authorization, which are always sent.
    allowed_headers: Distinct[str] = Field(default=(), max_length=64)
    # Copied to the backend; all when empty.
    allowed_response_headers: Distinct[str] = Field(default=(), max_length=64)


class ForwardBodyConfig(Node):
    """How much of the body goes to the authorization service."""

    # Bytes; 0 sends no body.
    max_size: int = Field(default=0, ge=0)


class HTTPExternalAuthFilter(Node):
    """Ask an authorization service before forwarding."""

    protocol: Literal["HTTP", "GRPC"]
    backend_ref: BackendObjectReference
    grpc: GRPCAuthConfig | None = None
    http: HTTPAuthConfig | None = None
    forward_body: ForwardBodyConfig | None = None

    @model_validator(mode="after")
    def _check_protocol(self) -> Self:
        found = Violations()
        check_selected(found, "protocol", self.protocol, {"GRPC": ("grpc", self.grpc), "HTTP": ("http", self.http)})
        found.refuse()
        return self


class HTTPRouteFilter(Node):
    """One step of request or response processing; `type` says which field applies."""

    type: Literal[
        "RequestHeaderModifier",
        "ResponseHeaderModifier",
        "RequestMirror",
        "RequestRedirect",
        "URLRewrite",
        "CORS",
        "ExternalAuth",
        "ExtensionRef",
    ]
    request_header_modifier: HTTPHeaderFilter | None = None
    response_header_modifier: HTTPHeaderFilter | None = None
    request_mirror: HTTPRequestMirrorFilter | None = None
    request_redirect: HTTPRequestRedirectFilter | None = None
    url_rewrite: HTTPURLRewriteFilter | None = None
    cors: HTTPCORSFilter | None = None
    external_auth: HTTPExternalAuthFilter | None = None
    extension_ref: LocalObjectReference | None = None

    @model_validator(mode="after")
    def _check_type(self) -> Self:
        found = Violations()
        check_selected(
            found,
            "type",
            self.type,
            {
                "RequestHeaderModifier": ("requestHeaderModifier", self.request_header_modifier),
                "ResponseHeaderModifier": ("responseHeaderModifier", self.response_header_modifier),
                "RequestMirror": ("requestMirror", self.request_mirror),
                "RequestRedirect": ("requestRedirect", self.request_redirect),
                "URLRewrite": ("urlRewrite", self.url_rewrite),
                "CORS": ("cors", self.cors),
                "ExternalAuth": ("externalAuth", self.external_auth),
                "ExtensionRef": ("extensionRef", self.extension_ref),
            },
        )
        found.refuse()
        return self


def check_filters(filters: tuple[HTTPRouteFilter, ...]) -> tuple[HTTPRouteFilter, ...]:
    """Refuse repeated filters, and a redirect beside a rewrite."""
    if len(filters) < 2:
        return filters
    found = Violations()
    check_single(found, filters, _SINGLE)
    types = [entry.type for entry in filters]
    if "RequestRedirect" in types and "URLRewrite" in types:
        later = max(types.index("RequestRedirect"), types.index("URLRewrite"))
        found.add("the filters RequestRedirect and URLRewrite cannot be combined", later, "type", code="forbidden")
    found.refuse()
    return filters
