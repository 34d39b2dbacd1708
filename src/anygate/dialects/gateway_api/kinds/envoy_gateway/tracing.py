"""Spans: sampling, tags and names."""

from typing import Literal, Self

from pydantic import Field, model_validator

from anygate.dialects.gateway_api.kinds.route import Fraction
from anygate.dialects.gateway_api.kinds.violations import Violations, check_selected
from anygate.manifests.kind import Node


class LiteralCustomTag(Node):
    """A fixed value."""

    value: str


class EnvironmentCustomTag(Node):
    """Value of an environment variable of the proxy."""

    name: str
    default_value: str | None = None


class RequestHeaderCustomTag(Node):
    """Value of a request header."""

    name: str
    default_value: str | None = None


class CustomTag(Node):
    """A tag on every span (deprecated in favour of `tags`)."""

    type: Literal["Literal", "Environment", "RequestHeader"] = "Literal"
    literal: LiteralCustomTag | None = None
    environment: EnvironmentCustomTag | None = None
    request_header: RequestHeaderCustomTag | None = None

    @model_validator(mode="after")
    def _check_type(self) -> Self:
        found = Violations()
        check_selected(
            found,
            "type",
            self.type,
            {
                "Literal": ("literal", self.literal),
                "Environment": ("environment", self.environment),
                "RequestHeader": ("requestHeader", self.request_header),
            },
        )
        found.refuse()
        return self


class TracingSpanName(Node):
    """Names of spans; Envoy's command operators work."""

    client: str
    server: str


class Tracing(Node):
    """Tracing of one target."""

    sampling_fraction: Fraction | None = None
    custom_tags: dict[str, CustomTag] = Field(default_factory=dict)
    # Values may hold Envoy's command operators; win over customTags.
    tags: dict[str, str] = Field(default_factory=dict)
    span_name: TracingSpanName | None = None


class BackendMetrics(Node):
    """Names of statistics."""

    # May hold %ROUTE_NAME%, %ROUTE_NAMESPACE% and %ROUTE_KIND%.
    route_stat_name: str | None = None


class BackendTelemetry(Node):
    """Telemetry of one target."""

    tracing: Tracing | None = None
    metrics: BackendMetrics | None = None
