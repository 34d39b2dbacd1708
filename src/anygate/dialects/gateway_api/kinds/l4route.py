"""TCPRoute and UDPRoute: whole connections or datagram flows to backends."""

from typing import ClassVar, Self

from pydantic import Field, field_validator, model_validator

from anygate.dialects.gateway_api.kinds.references import GATEWAY_API_GROUP, BackendRef
from anygate.dialects.gateway_api.kinds.route import RouteSpec, check_rule_names
from anygate.dialects.gateway_api.kinds.sequences import NonEmpty
from anygate.dialects.gateway_api.kinds.violations import Violations
from anygate.manifests.fields import SectionName
from anygate.manifests.kind import Kind, Node


class L4RouteRule(Node):
    """Backends of a TCPRoute, UDPRoute or TLSRoute."""

    name: SectionName | None = None
    backend_refs: NonEmpty[BackendRef] = Field(max_length=16)


class L4RouteSpec(RouteSpec):
    """Rules; version v1 allows one."""

    rules: NonEmpty[L4RouteRule] = Field(max_length=16)

    @field_validator("rules")
    @classmethod
    def _check_rules(cls, rules: tuple[L4RouteRule, ...]) -> tuple[L4RouteRule, ...]:
        found = Violations()
        check_rule_names(found, (rule.name for rule in rules))
        found.refuse()
        return rules


def check_single_rule(found: Violations, api_version: str, spec: L4RouteSpec) -> None:
    """Version v1 allows one rule, the alpha versions several."""
    if api_version.endswith("/v1") and len(spec.rules) > 1:
        found.add("only one rule is allowed", "spec", "rules", 1, code="forbidden")


class TCPRoute(Kind):
    """Routes TCP connections."""

    GROUP: ClassVar[str] = GATEWAY_API_GROUP
    KIND: ClassVar[str] = "TCPRoute"

    spec: L4RouteSpec

    @model_validator(mode="after")
    def _check_version(self) -> Self:
        found = Violations()
        check_single_rule(found, self.api_version, self.spec)
        found.refuse()
        return self


class UDPRoute(Kind):
    """Routes UDP flows."""

    GROUP: ClassVar[str] = GATEWAY_API_GROUP
    KIND: ClassVar[str] = "UDPRoute"

    spec: L4RouteSpec

    @model_validator(mode="after")
    def _check_version(self) -> Self:
        found = Violations()
        check_single_rule(found, self.api_version, self.spec)
        found.refuse()
        return self
