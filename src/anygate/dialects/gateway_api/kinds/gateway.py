"""Gateway: listeners on addresses, TLS for the whole Gateway, and what may attach to it."""

import ipaddress
import re
from collections.abc import Sequence
from typing import ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from anygate.dialects.gateway_api.kinds.listener import (
    FrontendTLSValidation,
    LabelValue,
    Listener,
    OptionValue,
    QualifiedName,
    check_listeners,
)
from anygate.dialects.gateway_api.kinds.references import (
    GATEWAY_API_GROUP,
    LocalParametersReference,
    SecretObjectReference,
)
from anygate.dialects.gateway_api.kinds.selectors import ListenerNamespaces
from anygate.dialects.gateway_api.kinds.sequences import NonEmpty
from anygate.dialects.gateway_api.kinds.violations import Violations, check_distinct
from anygate.manifests.fields import Many, ObjectName, Port
from anygate.manifests.kind import Kind, Node

_HOSTNAME = re.compile(r"(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


class GatewaySpecAddress(Node):
    """An address that the Gateway asks for; without a value any of that type."""

    type: str = Field(
        default="IPAddress",
        min_length=1,
        max_length=253,
        pattern=(
            r"^Hostname|IPAddress|NamedAddress"
            r"|[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$"
        ),
    )
    value: str | None = Field(default=None, max_length=253)

    @model_validator(mode="after")
    def _check_value(self) -> Self:
        found = Violations()
        if self.value and self.type == "Hostname" and not _HOSTNAME.fullmatch(self.value):
            found.add("must be a host name when type is Hostname", "value", value=self.value)
        if self.value and self.type == "IPAddress" and not _is_ip(self.value):
            found.add("must be an IP address when type is IPAddress", "value", value=self.value)
        found.refuse()
        return self


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


class GatewayInfrastructure(Node):
    """Labels, annotations and parameters of what is created for the Gateway."""

    labels: dict[QualifiedName, LabelValue] = Field(default={}, max_length=8)
    annotations: dict[QualifiedName, OptionValue] = Field(default={}, max_length=16)
    parameters_ref: LocalParametersReference | None = None


class AllowedListeners(Node):
    """Which ListenerSets may attach; none unless said."""

    namespaces: ListenerNamespaces = Field(default_factory=ListenerNamespaces)


class GatewayBackendTLS(Node):
    """TLS towards backends: the certificate that the Gateway shows."""

    client_certificate_ref: SecretObjectReference | None = None


class TLSConfig(Node):
    """TLS towards clients, beyond the listener's own."""

    validation: FrontendTLSValidation | None = None


class TLSPortConfig(Node):
    """Replaces the default for the HTTPS listeners of one port."""

    port: Port
    tls: TLSConfig


class FrontendTLSConfig(Node):
    """TLS towards clients of all HTTPS listeners."""

    default: TLSConfig
    per_port: Many[TLSPortConfig] = Field(default=(), max_length=64)

    @field_validator("per_port")
    @classmethod
    def _check_ports(cls, entries: tuple[TLSPortConfig, ...]) -> tuple[TLSPortConfig, ...]:
        found = Violations()
        check_distinct(found, [entry.port for entry in entries], "port", "port")
        found.refuse()
        return entries


class GatewayTLSConfig(Node):
    """TLS of the whole Gateway."""

    backend: GatewayBackendTLS | None = None
    frontend: FrontendTLSConfig | None = None


class GatewaySpec(Node):
    """Listeners, addresses and what belongs to all of them."""

    gateway_class_name: ObjectName
    listeners: NonEmpty[Listener] = Field(max_length=64)
    addresses: Many[GatewaySpecAddress] = Field(default=(), max_length=16)
    infrastructure: GatewayInfrastructure | None = None
    allowed_listeners: AllowedListeners = Field(default_factory=AllowedListeners)
    tls: GatewayTLSConfig | None = None
    # Older experimental name of `tls.backend`.
    backend_tls: GatewayBackendTLS | None = Field(default=None, alias="backendTLS")
    # All: routes with `useDefaultGateways: All` attach without naming this Gateway.
    default_scope: Literal["All", "None"] | None = None

    @field_validator("listeners")
    @classmethod
    def _check_listeners(cls, listeners: tuple[Listener, ...]) -> tuple[Listener, ...]:
        check_listeners(listeners)
        return listeners

    @field_validator("addresses")
    @classmethod
    def _check_addresses(cls, addresses: tuple[GatewaySpecAddress, ...]) -> tuple[GatewaySpecAddress, ...]:
        found = Violations()
        _check_address_values(found, addresses)
        found.refuse()
        return addresses


def _check_address_values(found: Violations, addresses: Sequence[GatewaySpecAddress]) -> None:
    seen: set[tuple[str, str]] = set()
    for index, address in enumerate(addresses):
        if address.type not in ("IPAddress", "Hostname") or not address.value:
            continue
        if (address.type, address.value) in seen:
            found.add("address must be unique", index, "value", code="duplicate", value=address.value)
        seen.add((address.type, address.value))


class Gateway(Kind):
    """An entry point for traffic."""

    GROUP: ClassVar[str] = GATEWAY_API_GROUP
    KIND: ClassVar[str] = "Gateway"

    spec: GatewaySpec
