"""BackendTrafficPolicy: what happens to requests on the way to backends, and to the connections they use."""

from collections.abc import Iterator
from dataclasses import dataclass

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
from anygate.dialects.gateway_api.rate_limits import find_unread_limits, read_rate_limit
from anygate.manifests.object import Manifest
from anygate.model.backend import Connection
from anygate.model.limits import Faults, RateLimit
from anygate.model.origin import Origin
from anygate.model.retry import Retry
from anygate.model.route import HashPolicy, Timeouts


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
        rate_limit=read_rate_limit(manifest, spec.rate_limit) if spec.rate_limit else None,
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


def find_unread_traffic_fields(spec: BackendTrafficPolicySpec) -> Iterator[tuple[FieldPath, str]]:
    """Fields of the policy that have no effect here, each with a sentence."""
    for path, text in find_unread_settings(spec):
        yield ("spec", *path), text
    yield from find_unread_limits(spec.rate_limit)
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


def merge_effects(rule: TrafficEffect, own: Timeouts, own_retry: Retry | None) -> tuple[Timeouts, Retry | None]:
    """A policy's timeouts and retry under what the route itself says, which wins."""
    timeouts = Timeouts(
        request=own.request if own.request is not None else rule.timeouts.request,
        attempt=own.attempt,
        stream_idle=rule.timeouts.stream_idle,
        max_stream=rule.timeouts.max_stream,
    )
    return timeouts, own_retry or rule.retry
