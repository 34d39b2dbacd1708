"""Backend: endpoints outside the cluster, by name, address or Unix socket."""

import ipaddress
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from anygate.dialects.gateway_api.kinds.envoy_gateway.tls import BackendTLSConfig
from anygate.dialects.gateway_api.kinds.references import ENVOY_GATEWAY_GROUP, LocalObjectReference
from anygate.dialects.gateway_api.kinds.sequences import NonEmpty
from anygate.dialects.gateway_api.kinds.violations import Violations, check_exactly_one
from anygate.manifests.fields import Many, PreciseHostname
from anygate.manifests.kind import Kind, Node

DomainName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=253,
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
    ),
]
EndpointPort = Annotated[int, Field(ge=0, le=65535)]


def _check_address(text: str) -> str:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise PydanticCustomError("invalid", "must be an IP address") from None
    return text


class FQDNEndpoint(Node):
    """A name to resolve."""

    hostname: DomainName
    port: EndpointPort


class IPEndpoint(Node):
    """An address."""

    address: Annotated[str, AfterValidator(_check_address)]
    port: EndpointPort


class UnixSocket(Node):
    """A socket file."""

    path: str = Field(max_length=108)


class BackendEndpoint(Node):
    """One endpoint in one of three forms."""

    # Host name that belongs to the endpoint, for health checks and host rewrites.
    hostname: DomainName | None = None
    fqdn: FQDNEndpoint | None = None
    ip: IPEndpoint | None = None
    unix: UnixSocket | None = None
    zone: str | None = None

    @model_validator(mode="after")
    def _check_form(self) -> Self:
        found = Violations()
        check_exactly_one(found, fqdn=self.fqdn, ip=self.ip, unix=self.unix)
        found.refuse()
        return self


class BackendTLSSettings(BackendTLSConfig):
    """TLS towards the endpoints; a BackendTLSPolicy wins where both say something."""

    ca_certificate_refs: Many[LocalObjectReference] = Field(default=(), max_length=8)
    well_known_ca_certificates: Literal["System", ""] | None = Field(default=None, alias="wellKnownCACertificates")
    insecure_skip_verify: bool = False
    # Default: the Host header.
    sni: PreciseHostname | None = None

    @model_validator(mode="after")
    def _check_trust(self) -> Self:
        found = Violations()
        if self.ca_certificate_refs and self.well_known_ca_certificates:
            text = "wellKnownCACertificates cannot be combined with caCertificateRefs"
            found.add(text, "wellKnownCACertificates", code="forbidden")
        if self.insecure_skip_verify and (self.ca_certificate_refs or self.well_known_ca_certificates):
            text = "insecureSkipVerify cannot be combined with certificate authorities"
            found.add(text, "insecureSkipVerify", code="forbidden")
        found.refuse()
        return self


class BackendSpec(Node):
    """Endpoints, or resolution of the Host header of each request."""

    type: Literal["Endpoints", "DynamicResolver"] = "Endpoints"
    endpoints: NonEmpty[BackendEndpoint] | None = Field(default=None, max_length=64)
    app_protocols: Many[
        Literal["gateway.envoyproxy.io/h2c", "gateway.envoyproxy.io/ws", "gateway.envoyproxy.io/wss"]
    ] = ()
    # Gets traffic only while the other backends are unhealthy.
    fallback: bool | None = None
    tls: BackendTLSSettings | None = None

    @field_validator("endpoints")
    @classmethod
    def _check_mix(cls, endpoints: tuple[BackendEndpoint, ...] | None) -> tuple[BackendEndpoint, ...] | None:
        found = Violations()
        named = [endpoint.fqdn is not None for endpoint in endpoints or ()]
        if any(named) and not all(named):
            text = "fqdn endpoints cannot be mixed with other endpoints"
            found.add(text, named.index(not named[0]), code="forbidden")
        found.refuse()
        return endpoints

    @model_validator(mode="after")
    def _check_type(self) -> Self:
        found = Violations()
        if self.type == "DynamicResolver" and self.endpoints is not None:
            found.add("endpoints is not allowed when type is DynamicResolver", "endpoints", code="forbidden")
        found.refuse()
        return self


class Backend(Kind):
    """A backend by address."""

    GROUP: ClassVar[str] = ENVOY_GATEWAY_GROUP
    KIND: ClassVar[str] = "Backend"

    spec: BackendSpec
