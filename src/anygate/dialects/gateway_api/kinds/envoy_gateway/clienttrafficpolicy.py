"""ClientTrafficPolicy: how traffic comes from clients to the gateway."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from anygate.dialects.gateway_api.kinds.envoy_gateway.connection import (
    ClientConnection,
    HTTP2Settings,
    TCPKeepalive,
)
from anygate.dialects.gateway_api.kinds.envoy_gateway.matches import Cidr, StringMatch, UInt32
from anygate.dialects.gateway_api.kinds.envoy_gateway.targets import PolicyTargets
from anygate.dialects.gateway_api.kinds.envoy_gateway.timeout import ClientTimeout
from anygate.dialects.gateway_api.kinds.envoy_gateway.tls import ClientTLSSettings
from anygate.dialects.gateway_api.kinds.references import ENVOY_GATEWAY_GROUP
from anygate.dialects.gateway_api.kinds.route import HTTPHeader, HTTPHeaderFilter, check_names
from anygate.dialects.gateway_api.kinds.sequences import NonEmpty
from anygate.dialects.gateway_api.kinds.violations import Violations, check_exactly_one, check_exclusive
from anygate.manifests.fields import Many
from anygate.manifests.kind import Kind, Node


class ProxyProtocolSettings(Node):
    """PROXY protocol from clients; required on every connection unless optional."""

    optional: bool = False


class XForwardedForSettings(Node):
    """Which entry of X-Forwarded-For is the client."""

    # Counted from the right.
    num_trusted_hops: UInt32 | None = None
    trusted_cidrs: NonEmpty[Cidr] | None = Field(default=None, alias="trustedCIDRs")
    disable_x_forwarded_for_append: bool | None = None

    @model_validator(mode="after")
    def _check_trust(self) -> Self:
        found = Violations()
        check_exactly_one(found, numTrustedHops=self.num_trusted_hops, trustedCIDRs=self.trusted_cidrs)
        found.refuse()
        return self


class CustomHeaderExtensionSettings(Node):
    """A trusted header that holds the client's address."""

    name: str = Field(min_length=1, max_length=255, pattern=r"^[A-Za-z0-9-]+$")
    # Answer 403 when the address cannot be found.
    fail_closed: bool = False


class ClientIPDetectionSettings(Node):
    """Where the client's address stands."""

    x_forwarded_for: XForwardedForSettings | None = None
    custom_header: CustomHeaderExtensionSettings | None = None

    @model_validator(mode="after")
    def _check_source(self) -> Self:
        found = Violations()
        check_exclusive(found, xForwardedFor=self.x_forwarded_for, customHeader=self.custom_header)
        found.refuse()
        return self


class PathSettings(Node):
    """Normalization of paths."""

    # Default: UnescapeAndRedirect.
    escaped_slashes_action: (
        Literal["KeepUnchanged", "RejectRequest", "UnescapeAndRedirect", "UnescapeAndForward"] | None
    ) = None
    disable_merge_slashes: bool | None = None


class XForwardedClientCert(Node):
    """The header that tells backends about the client's certificate."""

    mode: Literal["Sanitize", "ForwardOnly", "AppendForward", "SanitizeSet", "AlwaysForwardOnly"] = "Sanitize"
    cert_details_to_add: Many[Literal["Subject", "Cert", "Chain", "DNS", "URI"]] = Field(default=(), max_length=5)

    @model_validator(mode="after")
    def _check_details(self) -> Self:
        found = Violations()
        if self.cert_details_to_add and self.mode not in ("AppendForward", "SanitizeSet"):
            text = "certDetailsToAdd is only allowed when mode is AppendForward or SanitizeSet"
            found.add(text, "certDetailsToAdd", code="forbidden")
        found.refuse()
        return self


class EnvoyHeaderFilter(HTTPHeaderFilter):
    """Header edits with two more operations."""

    add_if_absent: Many[HTTPHeader] = Field(default=(), max_length=16)
    # Removes headers whose name matches.
    remove_on_match: Many[StringMatch] = Field(default=(), max_length=16)

    @model_validator(mode="after")
    def _check_absent_names(self) -> Self:
        found = Violations()
        check_names(found, self.add_if_absent, "addIfAbsent")
        found.refuse()
        return self


class HeaderSettings(Node):
    """Headers that the gateway adds, drops and edits."""

    enable_envoy_headers: bool | None = None
    disable_rate_limit_headers: bool | None = None
    x_forwarded_client_cert: XForwardedClientCert | None = None
    # Default: RejectRequest.
    with_underscores_action: Literal["Allow", "RejectRequest", "DropHeader"] | None = None
    # Deprecated form of requestID PreserveOrGenerate.
    preserve_x_request_id: bool | None = Field(default=None, alias="preserveXRequestID")
    # Default: Generate.
    request_id: Literal["PreserveOrGenerate", "Preserve", "Generate", "Disable"] | None = Field(
        default=None, alias="requestID"
    )
    # Before routing.
    early_request_headers: EnvoyHeaderFilter | None = None
    # Last thing before the client.
    late_response_headers: EnvoyHeaderFilter | None = None

    @model_validator(mode="after")
    def _check_request_id(self) -> Self:
        found = Violations()
        check_exclusive(found, requestID=self.request_id, preserveXRequestID=self.preserve_x_request_id)
        found.refuse()
        return self


class HTTP10Settings(Node):
    """HTTP/1.0 and HTTP/0.9."""

    # Requests without Host get that of the listener or its only route.
    use_default_host: bool | None = None


class HTTP1Settings(Node):
    """HTTP/1."""

    enable_trailers: bool | None = None
    preserve_header_case: bool | None = None
    http10: HTTP10Settings | None = None
    # Close soon after the maximum duration instead of with the next request.
    disable_safe_max_connection_duration: bool | None = None
    # Upgrades that are stripped instead of answered 403.
    ignored_upgrade_types: Many[StringMatch] = ()


class HTTP3Settings(Node):
    """HTTP/3 is on when present; no settings."""


class GRPCSettings(Node):
    """gRPC."""

    # Default: on for GRPCRoute, off for HTTPRoute.
    enable_web: bool | None = None


class HealthCheckSettings(Node):
    """A path that the gateway itself answers."""

    path: str = Field(min_length=1, max_length=1024)


class ClientTrafficPolicySpec(PolicyTargets):
    """Targets and settings."""

    target_kinds: ClassVar[tuple[str, ...]] = ("Gateway", "ListenerSet")

    tcp_keepalive: TCPKeepalive | None = None
    # Deprecated form of proxyProtocol, which wins.
    enable_proxy_protocol: bool | None = None
    proxy_protocol: ProxyProtocolSettings | None = None
    client_ip_detection: ClientIPDetectionSettings | None = Field(default=None, alias="clientIPDetection")
    tls: ClientTLSSettings | None = None
    path: PathSettings | None = None
    headers: HeaderSettings | None = None
    timeout: ClientTimeout | None = None
    connection: ClientConnection | None = None
    http1: HTTP1Settings | None = None
    http2: HTTP2Settings | None = None
    http3: HTTP3Settings | None = None
    grpc: GRPCSettings | None = None
    health_check: HealthCheckSettings | None = None
    # Default: Preserve.
    scheme: Literal["Preserve", "MatchBackend"] | None = None


class ClientTrafficPolicy(Kind):
    """Settings of traffic from clients."""

    GROUP: ClassVar[str] = ENVOY_GATEWAY_GROUP
    KIND: ClassVar[str] = "ClientTrafficPolicy"

    spec: ClientTrafficPolicySpec
