"""How a backend's endpoint is chosen."""

from typing import Literal, Self

from pydantic import Field, model_validator

from anygate.manifests.envoy_gateway.matches import Percent, UInt32
from anygate.manifests.fields import Duration, Many
from anygate.manifests.kind import Node
from anygate.manifests.sequences import NonEmpty
from anygate.manifests.violations import (
    Violations,
    check_distinct,
    check_exclusive,
    check_selected,
)


class HashHeader(Node):
    """A header to hash."""

    name: str


class HashQueryParam(Node):
    """A query parameter to hash."""

    name: str


class HashCookie(Node):
    """A cookie to hash; with a ttl it is created when absent."""

    name: str
    ttl: Duration | None = None
    attributes: dict[str, str] = Field(default_factory=dict)


class ConsistentHash(Node):
    """Requests with equal input go to one endpoint."""

    type: Literal["SourceIP", "Header", "Headers", "Cookie", "QueryParams"]
    # Deprecated form of one header.
    header: HashHeader | None = None
    headers: Many[HashHeader] | None = None
    cookie: HashCookie | None = None
    query_params: Many[HashQueryParam] | None = None
    # Entries of the Maglev table; must be prime.
    table_size: int = Field(default=65537, ge=2, le=5_000_011)

    @model_validator(mode="after")
    def _check_type(self) -> Self:
        found = Violations()
        check_selected(
            found,
            "type",
            self.type,
            {
                "Header": ("header", self.header),
                "Headers": ("headers", self.headers),
                "Cookie": ("cookie", self.cookie),
                "QueryParams": ("queryParams", self.query_params),
            },
        )
        found.refuse()
        return self


class BackendUtilization(Node):
    """Weights from the load that endpoints report (ORCA)."""

    # Defaults: 10s, 3m, 1s.
    blackout_period: Duration | None = None
    weight_expiration_period: Duration | None = None
    weight_update_period: Duration | None = None
    # 100 means 1.0.
    error_utilization_penalty_percent: int | None = Field(default=None, ge=0)
    metric_names_for_computing_utilization: Many[str] = ()
    keep_response_headers: bool = False


class DynamicModuleLBPolicy(Node):
    """A load balancer from a loaded module."""

    name: str
    lb_policy_name: str
    config: object = None


class EndpointOverrideExtractFrom(Node):
    """A header that names endpoints as `ip:port,...`."""

    header: str | None = None


class EndpointOverride(Node):
    """The request names its endpoint; the load balancer decides when it does not."""

    extract_from: NonEmpty[EndpointOverrideExtractFrom] = Field(max_length=10)


class SlowStart(Node):
    """New endpoints get their share gradually within the window."""

    window: Duration


class ForceLocalZone(Node):
    """Keep all traffic in the zone while it has enough endpoints."""

    min_endpoints_in_zone_threshold: UInt32 | None = None


class PreferLocalZone(Node):
    """Prefer endpoints of the own zone."""

    force: ForceLocalZone | None = None
    min_endpoints_threshold: int | None = Field(default=None, ge=0)
    percentage_enabled: Percent | None = None


class WeightedZoneConfig(Node):
    """Share of a zone; zones without an entry weigh 1."""

    zone: str
    weight: UInt32


class ZoneAware(Node):
    """Distribution between zones."""

    prefer_local: PreferLocalZone | None = None
    weighted_zones: Many[WeightedZoneConfig] | None = None

    @model_validator(mode="after")
    def _check_zones(self) -> Self:
        found = Violations()
        check_exclusive(found, preferLocal=self.prefer_local, weightedZones=self.weighted_zones)
        zones = Violations()
        check_distinct(zones, [zone.zone for zone in self.weighted_zones or ()], "zone", "zone")
        found.adopt(zones, "weightedZones")
        found.refuse()
        return self


class LoadBalancer(Node):
    """The algorithm and its settings."""

    type: Literal["ConsistentHash", "LeastRequest", "Random", "RoundRobin", "BackendUtilization", "DynamicModule"]
    consistent_hash: ConsistentHash | None = None
    backend_utilization: BackendUtilization | None = None
    dynamic_module: DynamicModuleLBPolicy | None = None
    endpoint_override: EndpointOverride | None = None
    slow_start: SlowStart | None = None
    zone_aware: ZoneAware | None = None

    @model_validator(mode="after")
    def _check_type(self) -> Self:
        found = Violations()
        check_selected(found, "type", self.type, {"ConsistentHash": ("consistentHash", self.consistent_hash)})
        if self.backend_utilization is not None and self.type != "BackendUtilization":
            text = "backendUtilization is only allowed when type is BackendUtilization"
            found.add(text, "backendUtilization", code="forbidden")
        if self.slow_start is not None and self.type in ("Random", "ConsistentHash", "DynamicModule"):
            found.add(f"slowStart is not supported for type {self.type}", "slowStart", code="forbidden")
        if self.type == "ConsistentHash" and self.zone_aware and self.zone_aware.prefer_local:
            text = "preferLocal is not supported for type ConsistentHash"
            found.add(text, "zoneAware", "preferLocal", code="forbidden")
        found.refuse()
        return self
