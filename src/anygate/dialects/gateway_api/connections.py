"""Envoy Gateway's settings for traffic to a backend, read into the model's `Connection`.

The same settings stand in a BackendTrafficPolicy and in the `backendSettings` of other policies.
"""

import base64
import binascii
from collections.abc import Iterator

from anygate.diagnostics import FieldPath
from anygate.dialects.gateway_api.kinds.envoy_gateway.circuit_breaker import CircuitBreaker as BreakerKind
from anygate.dialects.gateway_api.kinds.envoy_gateway.cluster_settings import ClusterSettings
from anygate.dialects.gateway_api.kinds.envoy_gateway.connection import DNS, HTTP2Settings
from anygate.dialects.gateway_api.kinds.envoy_gateway.connection import TCPKeepalive as KeepaliveKind
from anygate.dialects.gateway_api.kinds.envoy_gateway.health_check import (
    ActiveHealthCheck,
    ActiveHealthCheckPayload,
    PassiveHealthCheck,
)
from anygate.dialects.gateway_api.kinds.envoy_gateway.load_balancer import ConsistentHash, LoadBalancer
from anygate.dialects.gateway_api.kinds.envoy_gateway.retry import Retry as RetryKind
from anygate.model.backend import (
    ActiveCheck,
    CircuitBreaker,
    Connection,
    Dns,
    Http2,
    HttpCheck,
    Keepalive,
    LoadBalancing,
    PassiveCheck,
)
from anygate.model.origin import Origin
from anygate.model.retry import Retry
from anygate.model.route import HashPolicy

_FAMILIES = {
    "IPv4": "v4",
    "IPv6": "v6",
    "IPv4Preferred": "v4_preferred",
    "IPv6Preferred": "v6_preferred",
    "IPv4AndIPv6": "all",
}
_BALANCERS = {
    "RoundRobin": "round_robin",
    "LeastRequest": "least_request",
    "Random": "random",
    "ConsistentHash": "maglev",
}
_USUAL_TABLE = 65_537
"""The size of a table for hashes of both Envoy Gateway and Envoy."""
DEFAULT_TRIGGERS = (
    "connect-failure",
    "refused-stream",
    "unavailable",
    "cancelled",
    "retriable-status-codes",
)
"""What Envoy Gateway retries on when a policy does not say."""


def read_connection(found: ClusterSettings) -> Connection:
    """Everything about connections to a backend that a policy settles."""
    tcp = found.timeout.tcp if found.timeout else None
    http = found.timeout.http if found.timeout else None
    link = found.connection
    preconnect = link.preconnect if link else None
    check = found.health_check
    return Connection(
        balancing=_read_balancing(found.load_balancer),
        active_check=_read_active(check.active) if check and check.active else None,
        passive_check=_read_passive(check.passive) if check and check.passive else None,
        panic_threshold=check.panic_threshold if check else None,
        circuit_breaker=_read_breaker(found.circuit_breaker),
        keepalive=read_keepalive(found.tcp_keepalive),
        connect_timeout=tcp.connect_timeout if tcp else None,
        idle_timeout=http.connection_idle_timeout if http else None,
        max_connection_duration=http.max_connection_duration if http else None,
        buffer_limit=link.buffer_limit if link else None,
        preconnect_per_endpoint=_ratio(preconnect.per_endpoint_percent) if preconnect else None,
        preconnect_predictive=_ratio(preconnect.predictive_percent) if preconnect else None,
        proxy_protocol=found.proxy_protocol.version.lower() if found.proxy_protocol else "",  # type: ignore[arg-type]
        dns=_read_dns(found.dns),
        http2=read_http2(found.http2),
    )


def find_unread_settings(found: ClusterSettings) -> Iterator[tuple[FieldPath, str]]:
    """Settings that have no place in the model, with a sentence for each."""
    balancer = found.load_balancer
    if balancer is not None:
        if balancer.type not in _BALANCERS:
            yield ("loadBalancer", "type"), f"load balancing by {balancer.type} is not supported"
        if balancer.endpoint_override is not None:
            yield ("loadBalancer", "endpointOverride"), "endpoint overrides have no effect here"
        zones = balancer.zone_aware
        if zones is not None:
            yield ("loadBalancer", "zoneAware"), "there are no zones on one machine"
    check = found.health_check.active if found.health_check else None
    if check is not None and check.overrides is not None:
        yield ("healthCheck", "active", "overrides"), "health checks go where requests go"
    if check is not None and check.http is not None and check.http.retriable_statuses:
        text = "every status that is not expected counts as a failure"
        yield ("healthCheck", "active", "http", "retriableStatuses"), text
    ping = found.http2.connection_keepalive if found.http2 else None
    if ping is not None:
        for name, value in (("intervalJitter", ping.interval_jitter), ("idleInterval", ping.idle_interval)):
            if value is not None:
                yield ("http2", "connectionKeepalive", name), f"{name} has no effect here"


def _ratio(percent: int | None) -> float | None:
    return None if percent is None else percent / 100


def _read_balancing(found: LoadBalancer | None) -> LoadBalancing:
    if found is None:
        return LoadBalancing()
    slow = found.slow_start
    size = found.consistent_hash.table_size if found.consistent_hash else _USUAL_TABLE
    return LoadBalancing(
        kind=_BALANCERS.get(found.type, "least_request"),  # type: ignore[arg-type]
        table_size=size if size != _USUAL_TABLE else None,
        slow_start=slow.window if slow else None,
    )


def read_hash_policies(found: ConsistentHash | None) -> tuple[HashPolicy, ...]:
    """What consistent hashing hashes."""
    if found is None:
        return ()
    if found.type == "SourceIP":
        return (HashPolicy(kind="source_ip"),)
    if found.type == "Header" and found.header is not None:
        return (HashPolicy(kind="header", name=found.header.name),)
    if found.type == "Headers":
        return tuple(HashPolicy(kind="header", name=one.name) for one in found.headers or ())
    if found.type == "QueryParams":
        return tuple(HashPolicy(kind="query", name=one.name) for one in found.query_params or ())
    cookie = found.cookie
    assert cookie is not None
    return (
        HashPolicy(
            kind="cookie",
            name=cookie.name,
            ttl=cookie.ttl,
            attributes=tuple(sorted(cookie.attributes.items())),
        ),
    )


def _read_active(found: ActiveHealthCheck) -> ActiveCheck:
    http = None
    if found.http is not None:
        expected = found.http.expected_response
        http = HttpCheck(
            path=found.http.path,
            method=found.http.method or "GET",
            host=found.http.hostname or "",
            statuses=tuple(found.http.expected_statuses) or (200,),
            expected_text=(_payload(expected) or b"").decode("utf-8", "replace"),
        )
    return ActiveCheck(
        kind=found.type.lower(),  # type: ignore[arg-type]
        http=http,
        grpc_service=(found.grpc.service or "") if found.grpc else "",
        send=_payload(found.tcp.send) if found.tcp else None,
        receive=_payload(found.tcp.receive) if found.tcp else None,
        timeout=found.timeout,
        interval=found.interval,
        initial_jitter=found.initial_jitter,
        unhealthy_threshold=found.unhealthy_threshold,
        healthy_threshold=found.healthy_threshold,
    )


def _payload(found: ActiveHealthCheckPayload | None) -> bytes | None:
    if found is None:
        return None
    if found.text is not None:
        return found.text.encode()
    try:
        return base64.b64decode(found.binary or "")
    except binascii.Error:
        return b""


def _read_passive(found: PassiveHealthCheck) -> PassiveCheck:
    return PassiveCheck(
        consecutive_5xx=found.consecutive_5xx_errors,
        consecutive_gateway_errors=found.consecutive_gateway_errors,
        consecutive_local_failures=found.consecutive_local_origin_failures
        if found.split_external_local_origin_errors
        else None,
        split_local_errors=found.split_external_local_origin_errors,
        interval=found.interval,
        base_ejection=found.base_ejection_time,
        max_ejection_percent=found.max_ejection_percent,
        failure_percentage=found.failure_percentage_threshold,
        always_eject_one=found.always_eject_one_endpoint or None,
    )


def _read_breaker(found: BreakerKind | None) -> CircuitBreaker | None:
    if found is None:
        return None
    budget = found.retry_budget
    return CircuitBreaker(
        connections=found.max_connections,
        pending=found.max_pending_requests,
        requests=found.max_parallel_requests,
        retries=found.max_parallel_retries,
        requests_per_connection=found.max_requests_per_connection,
        connections_per_endpoint=found.per_endpoint.max_connections if found.per_endpoint else None,
        retry_budget_percent=100 * budget.percent.numerator / budget.percent.denominator if budget else None,
        retry_budget_min=budget.min_retry_concurrency if budget else None,
    )


def read_keepalive(found: KeepaliveKind | None) -> Keepalive | None:
    """TCP keepalive, towards clients or backends."""
    if found is None:
        return None
    return Keepalive(probes=found.probes, idle=found.idle_time, interval=found.interval)


def _read_dns(found: DNS | None) -> Dns:
    if found is None:
        return Dns()
    return Dns(
        refresh=found.dns_refresh_rate,
        respect_ttl=True if found.respect_dns_ttl is None else found.respect_dns_ttl,
        family=_FAMILIES[found.lookup_family] if found.lookup_family else "",  # type: ignore[arg-type]
    )


def read_http2(found: HTTP2Settings | None) -> Http2:
    """HTTP/2 limits, towards clients or backends."""
    if found is None:
        return Http2()
    ping = found.connection_keepalive
    return Http2(
        stream_window=found.initial_stream_window_size,
        connection_window=found.initial_connection_window_size,
        max_streams=found.max_concurrent_streams,
        reset_stream_on_invalid=found.on_invalid_message == "TerminateStream" if found.on_invalid_message else None,
        ping_interval=ping.interval if ping else None,
        ping_timeout=ping.timeout if ping else None,
    )


def read_retry(found: RetryKind, here: Origin) -> Retry:
    """Envoy Gateway's Retry with its defaults."""
    on, per = found.retry_on, found.per_retry
    triggers: tuple[str, ...] = tuple(on.triggers) if on else DEFAULT_TRIGGERS
    statuses: tuple[int, ...] = tuple(on.http_status_codes) if on else (503,)
    if statuses and "retriable-status-codes" not in triggers and not on:
        triggers = (*triggers, "retriable-status-codes")
    backoff = per.back_off if per else None
    return Retry(
        origin=here,
        attempts=found.num_retries,
        triggers=triggers,
        statuses=statuses,
        backoff=backoff.base_interval if backoff else None,
        max_backoff=backoff.max_interval if backoff else None,
        per_try_timeout=per.timeout if per else None,
        attempts_per_priority=found.num_attempts_per_priority or 0,
    )
