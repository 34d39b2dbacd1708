"""Listeners, shared by Gateway and ListenerSet."""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from anygate.dialects.gateway_api.kinds.references import (
    GATEWAY_API_GROUP,
    Group,
    KindName,
    ObjectReference,
    SecretObjectReference,
)
from anygate.dialects.gateway_api.kinds.selectors import RouteNamespaces
from anygate.dialects.gateway_api.kinds.sequences import NonEmpty
from anygate.dialects.gateway_api.kinds.violations import Violations
from anygate.manifests.fields import Hostname, Many, Port, SectionName
from anygate.manifests.kind import Node

_QUALIFIED_NAME = (
    r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
    r"([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]$"
)

QualifiedName = Annotated[str, Field(min_length=1, max_length=253, pattern=_QUALIFIED_NAME)]
"""Key of a label, annotation or option, with an optional domain prefix."""

OptionValue = Annotated[str, Field(max_length=4096)]
LabelValue = Annotated[str, Field(max_length=63, pattern=r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$")]

Protocol = Annotated[
    str,
    Field(
        min_length=1,
        max_length=255,
        pattern=(
            r"^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?$"
            r"|[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/[A-Za-z0-9]+$"
        ),
    ),
]
"""HTTP, HTTPS, TLS, TCP, UDP in any letter case, or a domain-prefixed name."""


class FrontendTLSValidation(Node):
    """How client certificates are checked."""

    ca_certificate_refs: NonEmpty[ObjectReference] = Field(max_length=8)
    mode: Literal["AllowValidOnly", "AllowInsecureFallback"] = "AllowValidOnly"


class ListenerTLSConfig(Node):
    """TLS towards clients of one listener."""

    mode: Literal["Terminate", "Passthrough"] = "Terminate"
    certificate_refs: Many[SecretObjectReference] = Field(default=(), max_length=64)
    # Older experimental place of client certificate checks; now `spec.tls.frontend` of the Gateway.
    frontend_validation: FrontendTLSValidation | None = None
    options: dict[QualifiedName, OptionValue] = Field(default={}, max_length=16)

    @model_validator(mode="after")
    def _check_certificates(self) -> Self:
        found = Violations()
        if self.mode == "Terminate" and not self.certificate_refs and not self.options:
            text = "certificateRefs or options are required when mode is Terminate"
            found.add(text, "certificateRefs", code="required")
        found.refuse()
        return self


class RouteGroupKind(Node):
    """A kind of route."""

    group: Group = GATEWAY_API_GROUP
    kind: KindName


class AllowedRoutes(Node):
    """Which routes may attach to a listener."""

    namespaces: RouteNamespaces = Field(default_factory=RouteNamespaces)
    # Empty: the kinds that fit the protocol.
    kinds: Many[RouteGroupKind] = Field(default=(), max_length=8)


class Listener(Node):
    """A port, protocol and hostname that accepts traffic."""

    name: SectionName
    hostname: Hostname | None = None
    port: Port
    protocol: Protocol
    tls: ListenerTLSConfig | None = None
    allowed_routes: AllowedRoutes = Field(default_factory=AllowedRoutes)

    @model_validator(mode="after")
    def _check_protocol(self) -> Self:
        found = Violations()
        protocol = self.protocol.upper()
        if protocol in ("HTTP", "TCP", "UDP") and self.tls is not None:
            found.add(f"tls is not allowed for protocol {protocol}", "tls", code="forbidden")
        if protocol in ("HTTPS", "TLS") and self.tls is None:
            found.add(f"tls is required for protocol {protocol}", "tls", code="required")
        if protocol == "HTTPS" and self.tls is not None and self.tls.mode != "Terminate":
            found.add("mode must be Terminate for protocol HTTPS", "tls", "mode")
        if protocol in ("TCP", "UDP") and self.hostname is not None:
            found.add(f"hostname is not allowed for protocol {protocol}", "hostname", code="forbidden")
        found.refuse()
        return self


def check_listeners(listeners: Sequence[Listener]) -> None:
    """Require distinct names, and distinct combinations of port, protocol and hostname."""
    found = Violations()
    names: set[str] = set()
    endpoints: dict[tuple[int, str, str | None], str] = {}
    for index, listener in enumerate(listeners):
        if listener.name in names:
            found.add("listener name must be unique", index, "name", code="duplicate", value=listener.name)
        names.add(listener.name)
        endpoint = (listener.port, listener.protocol.upper(), listener.hostname)
        if listener.port == 0:  # assigned later, so nothing to compare yet
            continue
        if endpoint in endpoints:
            text = f"port, protocol and hostname are those of listener {endpoints[endpoint]}"
            found.add(text, index, code="duplicate")
        endpoints.setdefault(endpoint, listener.name)
    found.refuse()
