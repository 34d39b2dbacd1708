"""BackendTrafficPolicy: what happens to requests on the way to backends, and to the connections they use."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import msgspec

from anygate.diagnostics import FieldPath
from anygate.dialects.gateway_api.connections import (
    find_unread_settings,
    read_connection,
    read_hash_policies,
    read_retry,
)
from anygate.dialects.gateway_api.context import origin
from anygate.dialects.gateway_api.kinds.envoy_gateway.backendtrafficpolicy import BackendTrafficPolicySpec
from anygate.dialects.gateway_api.kinds.envoy_gateway.fault import FaultInjection
from anygate.dialects.gateway_api.kinds.envoy_gateway.rate_limit import (
    RateLimitRule,
    RateLimitSelectCondition,
)
from anygate.manifests.object import Manifest
from anygate.model.backend import Connection
from anygate.model.limits import Faults, LimitRule, LimitSelector, RateLimit
from anygate.model.match import PathMatch, ValueMatch
from anygate.model.origin import Origin
from anygate.model.retry import Retry
from anygate.model.route import HashPolicy, Timeouts

_UNITS = {
    "Second": timedelta(seconds=1),
    "Minute": timedelta(minutes=1),
    "Hour": timedelta(hours=1),
    "Day": timedelta(days=1),
    "Month": timedelta(days=30),
    "Year": timedelta(days=365),
}
_PATHS = {"Exact": "exact", "PathPrefix": "prefix", "RegularExpression": "regex"}


@dataclass(frozen=True)
class TrafficEffect:
    """What a policy changes in the rules it holds for. `label` names it and what it is merged with."""

    label: str
    connection: Connection
    timeouts: Timeouts
    retry: Retry | None
    faults: Faults | None
    rate_limit: RateLimit | None
    hash_policies: tuple[HashPolicy, ...]
    request_buffer: int | None
    upgrades: tuple[str, ...]


def read_traffic(manifest: Manifest, spec: BackendTrafficPolicySpec, label: str) -> TrafficEffect:
    """Read a policy, already merged with those it is to be merged with."""
    here = origin(manifest, ("spec",))
    http = spec.timeout.http if spec.timeout else None
    connection = read_connection(spec)
    if spec.use_client_protocol:
        connection = msgspec.structs.replace(connection, use_client_protocol=True)
    balancer = spec.load_balancer
    return TrafficEffect(
        label=label,
        connection=connection,
        timeouts=Timeouts(
            request=http.request_timeout if http else None,
            stream_idle=http.stream_idle_timeout if http else None,
            max_stream=http.max_stream_duration if http else None,
        ),
        retry=read_retry(spec.retry, origin(manifest, ("spec", "retry"))) if spec.retry else None,
        faults=_read_faults(spec.fault_injection, here) if spec.fault_injection else None,
        rate_limit=_read_rate_limit(manifest, spec),
        hash_policies=read_hash_policies(balancer.consistent_hash if balancer else None),
        request_buffer=spec.request_buffer.limit if spec.request_buffer else None,
        upgrades=tuple(one.type.lower() for one in spec.http_upgrade)
        if spec.http_upgrade is not None
        else ("websocket",),
    )


def _read_faults(found: FaultInjection, here: Origin) -> Faults:
    return Faults(
        origin=here,
        delay=found.delay.fixed_delay if found.delay else None,
        delay_percent=found.delay.percentage if found.delay else 100.0,
        abort_status=found.abort.http_status if found.abort else None,
        grpc_status=found.abort.grpc_status if found.abort else None,
        abort_percent=found.abort.percentage if found.abort else 100.0,
    )


def _read_rate_limit(manifest: Manifest, spec: BackendTrafficPolicySpec) -> RateLimit | None:
    """Local limits. Global ones need the rate-limit service, which `find_unread_traffic_fields` says is absent."""
    if spec.rate_limit is None or spec.rate_limit.local is None:
        return None
    base: FieldPath = ("spec", "rateLimit", "local", "rules")
    rules = spec.rate_limit.local.rules
    return RateLimit(
        origin=origin(manifest, ("spec", "rateLimit")),
        scope="local",
        rules=tuple(
            _read_rule(manifest, rule, (*base, number))
            for number, rule in enumerate(rules)
            if not any(True for one in rule.client_selectors for _ in _unreadable(one))
        ),
    )


def _unreadable(found: RateLimitSelectCondition) -> Iterator[tuple[str, str]]:
    """The conditions that cannot be had; without one of them a limit would count other requests."""
    if found.query_params:
        yield "queryParams", "a limit by query parameter"
    if any(one.invert for one in found.methods or ()):
        yield "methods", "a limit for all methods but some"
    if found.path is not None and found.path.invert:
        yield "path", "a limit for all paths but some"
    if found.source_cidr is not None and found.source_cidr.invert:
        yield "sourceCIDR", "a limit for all addresses but some"


def _read_rule(manifest: Manifest, rule: RateLimitRule, path: FieldPath) -> LimitRule:
    return LimitRule(
        origin=origin(manifest, path),
        requests=rule.limit.requests,
        unit=_UNITS[rule.limit.unit],
        selectors=tuple(_read_selector(one) for one in rule.client_selectors),
        shadow=rule.shadow_mode,
    )


def _read_selector(found: RateLimitSelectCondition) -> LimitSelector:
    headers = found.headers or ()
    source = found.source_cidr
    return LimitSelector(
        headers=tuple(
            ValueMatch(
                name=one.name.lower(),
                kind="exact" if one.type == "Exact" else "regex",
                value=one.value or "",
                invert=one.invert,
            )
            for one in headers
            if one.type != "Distinct"
        ),
        distinct_headers=tuple(one.name.lower() for one in headers if one.type == "Distinct"),
        methods=tuple(one.value for one in found.methods or ()),
        path=PathMatch(kind=_PATHS[found.path.type], value=found.path.value) if found.path else None,  # type: ignore[arg-type]
        cidr=source.value if source else "",
        distinct_addresses=source is not None and source.type == "Distinct",
    )


def find_unread_traffic_fields(spec: BackendTrafficPolicySpec) -> Iterator[tuple[FieldPath, str]]:
    """Fields of the policy that have no effect here, each with a sentence."""
    for path, text in find_unread_settings(spec):
        yield ("spec", *path), text
    if spec.rate_limit is not None and spec.rate_limit.global_ is not None:
        yield (
            ("spec", "rateLimit", "global"),
            "global rate limits need a rate-limit service, which is not run yet",
        )
    yield from _find_unread_limits(spec)
    for number, upgrade in enumerate(spec.http_upgrade or ()):
        if upgrade.connect is not None:
            yield ("spec", "httpUpgrade", number, "connect"), "CONNECT is passed on to the backend"
    if spec.request_buffer is not None and spec.request_buffer.mode == "LimitOnly":
        yield ("spec", "requestBuffer", "mode"), "requests are buffered, not only limited"
    for name, value in (
        ("bandwidthLimit", spec.bandwidth_limit),
        ("admissionControl", spec.admission_control),
        ("compression", spec.compression),
        ("compressor", spec.compressor),
        ("responseOverride", spec.response_override),
        ("telemetry", spec.telemetry),
    ):
        if value:
            yield ("spec", name), f"{name} has no effect here"
    if spec.routing_type == "Service":
        yield ("spec", "routingType"), "requests always go to endpoints"


def _find_unread_limits(spec: BackendTrafficPolicySpec) -> Iterator[tuple[FieldPath, str]]:
    local = spec.rate_limit.local.rules if spec.rate_limit and spec.rate_limit.local else ()
    for number, rule in enumerate(local):
        at: FieldPath = ("spec", "rateLimit", "local", "rules", number)
        for name, value in (
            ("cost", rule.cost),
            ("shared", rule.shared),
            ("xRateLimitHeaders", rule.x_rate_limit_headers),
        ):
            if value:
                yield (*at, name), f"{name} has no effect on local limits here"
        for place, one in enumerate(rule.client_selectors):
            for name, text in _unreadable(one):
                path = (*at, "clientSelectors", place, name)
                yield path, f"{text} is not supported; this rule is left out"


def merge_effects(rule: TrafficEffect, own: Timeouts, own_retry: Retry | None) -> tuple[Timeouts, Retry | None]:
    """A policy's timeouts and retry under what the route itself says, which wins."""
    timeouts = Timeouts(
        request=own.request if own.request is not None else rule.timeouts.request,
        attempt=own.attempt,
        stream_idle=rule.timeouts.stream_idle,
        max_stream=rule.timeouts.max_stream,
    )
    return timeouts, own_retry or rule.retry
