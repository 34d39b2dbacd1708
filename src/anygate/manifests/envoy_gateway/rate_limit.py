"""Limits on requests and on bandwidth."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from anygate.manifests.envoy_gateway.matches import Cidr
from anygate.manifests.fields import Many, Quantity
from anygate.manifests.http import HttpMethod
from anygate.manifests.kind import Node
from anygate.manifests.violations import Violations, check_any, check_selected


class RateLimitHeaderMatch(Node):
    """A header; with Distinct every value has its own limit and `value` stays absent."""

    type: Literal["Exact", "RegularExpression", "Distinct"] = "Exact"
    name: str = Field(min_length=1, max_length=256)
    value: str | None = Field(default=None, max_length=1024)
    invert: bool = False


class RateLimitQueryParamMatch(Node):
    """A query parameter; with Distinct every value has its own limit and `value` stays absent."""

    type: Literal["Exact", "RegularExpression", "Distinct"] = "Exact"
    name: str = Field(min_length=1, max_length=256)
    value: str | None = Field(default=None, max_length=1024)
    invert: bool = False


class RateLimitMethodMatch(Node):
    """A method."""

    value: HttpMethod
    invert: bool = False


class RateLimitPathMatch(Node):
    """A path."""

    type: Literal["Exact", "PathPrefix", "RegularExpression"] = "PathPrefix"
    value: str = Field(default="/", max_length=1024)
    invert: bool = False


class RateLimitSourceMatch(Node):
    """The client's address; with Distinct every address of the range has its own limit."""

    type: Literal["Exact", "Distinct"] = "Exact"
    value: Cidr = Field(min_length=1, max_length=256)
    invert: bool = False


class RateLimitSelectCondition(Node):
    """Conditions that must all hold; the methods are alternatives."""

    headers: Many[RateLimitHeaderMatch] | None = Field(default=None, max_length=16)
    methods: Many[RateLimitMethodMatch] | None = None
    path: RateLimitPathMatch | None = None
    source_cidr: RateLimitSourceMatch | None = Field(default=None, alias="sourceCIDR")
    query_params: Many[RateLimitQueryParamMatch] | None = Field(default=None, max_length=16)

    @model_validator(mode="after")
    def _check_presence(self) -> Self:
        found = Violations()
        check_any(
            found,
            headers=self.headers,
            methods=self.methods,
            path=self.path,
            sourceCIDR=self.source_cidr,
            queryParams=self.query_params,
        )
        found.refuse()
        return self


class RateLimitCostMetadata(Node):
    """Where a number stands in the request's dynamic metadata."""

    namespace: str
    key: str


class RateLimitValue(Node):
    """Requests, or units of cost, per unit of time; `from_metadata` may say otherwise for a request."""

    requests: int = Field(ge=0)
    unit: Literal["Second", "Minute", "Hour", "Day", "Month", "Year"]
    # An object with `requests_per_unit` and `unit`; global limits only.
    from_metadata: RateLimitCostMetadata | None = None


class RateLimitCostSpecifier(Node):
    """A cost, fixed or from metadata; a fixed 0 only checks the limit."""

    from_: Literal["Number", "Metadata"] = Field(alias="from")
    number: int | None = Field(default=None, ge=0)
    metadata: RateLimitCostMetadata | None = None

    @model_validator(mode="after")
    def _check_from(self) -> Self:
        found = Violations()
        check_selected(
            found,
            "from",
            self.from_,
            {"Number": ("number", self.number), "Metadata": ("metadata", self.metadata)},
        )
        found.refuse()
        return self


class RateLimitCost(Node):
    """What a request takes from the limit at its start (default 1) and at its end (default 0)."""

    request: RateLimitCostSpecifier | None = None
    response: RateLimitCostSpecifier | None = None


class RateLimitRule(Node):
    """A limit for the clients that all selectors select; without selectors for everyone."""

    client_selectors: Many[RateLimitSelectCondition] = Field(default=(), max_length=8)
    limit: RateLimitValue
    cost: RateLimitCost | None = None
    # One limit for all targets of the policy instead of one per route.
    shared: bool = False
    # Count, but let everything pass; global limits only.
    shadow_mode: bool = False
    # Absent: as the listener says.
    x_rate_limit_headers: Literal["Disabled", "DraftVersion03"] | None = None


class GlobalRateLimit(Node):
    """Limits that all proxies share."""

    rules: Many[RateLimitRule] = Field(max_length=128)


class LocalRateLimit(Node):
    """Limits of each proxy."""

    rules: Many[RateLimitRule] = Field(default=(), max_length=16)

    @field_validator("rules")
    @classmethod
    def _check_costs(cls, rules: tuple[RateLimitRule, ...]) -> tuple[RateLimitRule, ...]:
        found = Violations()
        for index, rule in enumerate(rules):
            if rule.cost is not None and rule.cost.response is not None:
                text = "a response cost is not supported for local limits"
                found.add(text, index, "cost", "response", code="forbidden")
            if rule.limit.from_metadata is not None:
                text = "a limit from metadata is only supported for global limits"
                found.add(text, index, "limit", "fromMetadata", code="forbidden")
        found.refuse()
        return rules


class RateLimitSpec(Node):
    """Global limits, local limits or both."""

    # Deprecated; the fields that are present decide.
    type: Literal["Global", "Local"] | None = None
    global_: GlobalRateLimit | None = Field(default=None, alias="global")
    local: LocalRateLimit | None = None


class BandwidthLimitValue(Node):
    """Bytes per unit of time."""

    value: Quantity
    unit: Literal["Second", "Minute", "Hour"]


class BandwidthLimitRequestConfig(Node):
    """Limit towards the backend."""

    limit: BandwidthLimitValue


class BandwidthLimitResponseTrailers(Node):
    """Trailers that report the delay."""

    prefix: str | None = None


class BandwidthLimitResponseConfig(Node):
    """Limit from the backend."""

    limit: BandwidthLimitValue
    response_trailers: BandwidthLimitResponseTrailers | None = None


class BandwidthLimitSpec(Node):
    """Limits for each direction."""

    request: BandwidthLimitRequestConfig | None = None
    response: BandwidthLimitResponseConfig | None = None
