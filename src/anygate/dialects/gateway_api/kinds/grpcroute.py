"""GRPCRoute: rules that match gRPC calls by service, method and headers."""

import re
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from anygate.dialects.gateway_api.kinds.httpfilter import HTTPRequestMirrorFilter
from anygate.dialects.gateway_api.kinds.references import GATEWAY_API_GROUP, BackendRef, LocalObjectReference
from anygate.dialects.gateway_api.kinds.route import (
    HeaderValue,
    HTTPHeaderFilter,
    RouteSpec,
    check_match_count,
    check_names,
    check_rule_names,
    check_single,
)
from anygate.dialects.gateway_api.kinds.session import SessionPersistence
from anygate.dialects.gateway_api.kinds.violations import Violations, check_selected
from anygate.manifests.fields import HeaderName, Hostname, Many, SectionName
from anygate.manifests.kind import Kind, Node

_SERVICE = re.compile(r"\.?[a-z_][a-z_0-9]*(\.[a-z_][a-z_0-9]*)*", re.IGNORECASE | re.ASCII)
_METHOD = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")
_SINGLE = frozenset({"RequestHeaderModifier", "ResponseHeaderModifier"})


class GRPCMethodMatch(Node):
    """A service, a method or both."""

    type: Literal["Exact", "RegularExpression"] = "Exact"
    service: str | None = Field(default=None, max_length=1024)
    method: str | None = Field(default=None, max_length=1024)

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        found = Violations()
        if not self.service and not self.method:
            found.add("service or method is required", "service", code="required")
        if self.type == "Exact":
            if self.service and not _SERVICE.fullmatch(self.service):
                found.add("must be a dotted gRPC service name when type is Exact", "service")
            if self.method and not _METHOD.fullmatch(self.method):
                found.add("must be a gRPC method name when type is Exact", "method")
        found.refuse()
        return self


class GRPCHeaderMatch(Node):
    """A header to match; of names that differ only in case the first entry counts."""

    type: Literal["Exact", "RegularExpression"] = "Exact"
    name: HeaderName
    value: HeaderValue


class GRPCRouteMatch(Node):
    """Conditions that must all hold; without a method all calls match."""

    method: GRPCMethodMatch | None = None
    headers: Many[GRPCHeaderMatch] = Field(default=(), max_length=16)

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        found = Violations()
        check_names(found, self.headers, "headers")
        found.refuse()
        return self


class GRPCRouteFilter(Node):
    """One step of processing; `type` says which field applies."""

    type: Literal["RequestHeaderModifier", "ResponseHeaderModifier", "RequestMirror", "ExtensionRef"]
    request_header_modifier: HTTPHeaderFilter | None = None
    response_header_modifier: HTTPHeaderFilter | None = None
    request_mirror: HTTPRequestMirrorFilter | None = None
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
                "ExtensionRef": ("extensionRef", self.extension_ref),
            },
        )
        found.refuse()
        return self


def _check_filters(filters: tuple[GRPCRouteFilter, ...]) -> tuple[GRPCRouteFilter, ...]:
    found = Violations()
    check_single(found, filters, _SINGLE)
    found.refuse()
    return filters


class GRPCBackendRef(BackendRef):
    """A backend, its share of the traffic and filters for it alone."""

    filters: Annotated[Many[GRPCRouteFilter], AfterValidator(_check_filters)] = Field(default=(), max_length=16)


class GRPCRouteRule(Node):
    """Matches (any of them; none means every call), filters and backends."""

    name: SectionName | None = None
    matches: Many[GRPCRouteMatch] = Field(default=(), max_length=64)
    filters: Annotated[Many[GRPCRouteFilter], AfterValidator(_check_filters)] = Field(default=(), max_length=16)
    backend_refs: Many[GRPCBackendRef] = Field(default=(), max_length=16)
    session_persistence: SessionPersistence | None = None


class GRPCRouteSpec(RouteSpec):
    """Hostnames and rules."""

    hostnames: Many[Hostname] = Field(default=(), max_length=16)
    rules: Many[GRPCRouteRule] = Field(default=(), max_length=16)

    @field_validator("rules")
    @classmethod
    def _check_rules(cls, rules: tuple[GRPCRouteRule, ...]) -> tuple[GRPCRouteRule, ...]:
        found = Violations()
        check_rule_names(found, (rule.name for rule in rules))
        check_match_count(found, (len(rule.matches) for rule in rules))
        found.refuse()
        return rules


class GRPCRoute(Kind):
    """Routes gRPC calls."""

    GROUP: ClassVar[str] = GATEWAY_API_GROUP
    KIND: ClassVar[str] = "GRPCRoute"

    spec: GRPCRouteSpec
