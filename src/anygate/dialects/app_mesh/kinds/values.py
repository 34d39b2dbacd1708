"""Values that many fields of App Mesh share."""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from anygate.manifests.fields import Port
from anygate.manifests.kind import Node
from anygate.manifests.violations import Violations

GROUP = "appmesh.k8s.aws"
"""The API group of every kind."""

LEGACY_VERSIONS = ("v1beta1", "v1alpha1")
"""The versions of the first controller, which has three kinds only."""

Protocol = Literal["http", "http2", "grpc", "tcp"]
"""What a listener speaks."""

AwsName = Annotated[str, Field(max_length=255)]
"""The name at AWS; empty is the same as absent."""

IpPreference = Literal["IPv6_ONLY", "IPv4_ONLY", "IPv4_PREFERRED", "IPv6_PREFERRED"]
"""Which addresses of a name are used."""

Text = Annotated[str, Field(min_length=1, max_length=255)]

Priority = Annotated[int, Field(ge=0, le=1000)]


class Duration(Node):
    """A time in seconds or milliseconds; 0 switches a limit off."""

    unit: Literal["s", "ms"]
    value: int = Field(ge=0, le=3_153_600_000_000)

    @property
    def span(self) -> timedelta:
        """The time."""
        return timedelta(seconds=self.value) if self.unit == "s" else timedelta(milliseconds=self.value)


class MatchRange(Node):
    """Whole numbers from `start` up to, but without, `end`."""

    start: int = Field(ge=-(2**63), lt=2**63)
    end: int = Field(ge=-(2**63), lt=2**63)

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        found = Violations()
        if self.start >= self.end:
            found.add("start must be less than end", "start")
        found.refuse()
        return self


class PortMapping(Node):
    """A port and what is spoken there."""

    port: Port
    protocol: Protocol


class GatewayPortMapping(Node):
    """A port of a gateway and what is spoken there."""

    port: Port
    protocol: Literal["http", "http2", "grpc"]
