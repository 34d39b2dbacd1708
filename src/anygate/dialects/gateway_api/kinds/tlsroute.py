"""TLSRoute: TLS connections to backends, chosen by server name."""

import ipaddress
from typing import ClassVar, Self

from pydantic import Field, field_validator, model_validator

from anygate.dialects.gateway_api.kinds.l4route import L4RouteSpec, check_single_rule
from anygate.dialects.gateway_api.kinds.references import GATEWAY_API_GROUP
from anygate.dialects.gateway_api.kinds.violations import Violations
from anygate.manifests.fields import Hostname, Many
from anygate.manifests.kind import Kind


class TLSRouteSpec(L4RouteSpec):
    """Server names and rules."""

    hostnames: Many[Hostname] = Field(default=(), max_length=1024)

    @field_validator("hostnames")
    @classmethod
    def _check_hostnames(cls, hostnames: tuple[str, ...]) -> tuple[str, ...]:
        found = Violations()
        for index, hostname in enumerate(hostnames):
            try:
                ipaddress.ip_address(hostname)
            except ValueError:
                continue
            found.add("must not be an IP address", index)
        found.refuse()
        return hostnames


class TLSRoute(Kind):
    """Routes TLS connections; hostnames are optional only in v1alpha2."""

    GROUP: ClassVar[str] = GATEWAY_API_GROUP
    KIND: ClassVar[str] = "TLSRoute"

    spec: TLSRouteSpec

    @model_validator(mode="after")
    def _check_version(self) -> Self:
        found = Violations()
        if not self.spec.hostnames and not self.api_version.endswith("/v1alpha2"):
            found.add("at least one hostname is required", "spec", "hostnames", code="required")
        check_single_rule(found, self.api_version, self.spec)
        found.refuse()
        return self
