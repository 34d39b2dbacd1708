"""Connections to backends as Envoy Gateway's settings: those of a BackendTrafficPolicy and of `backendSettings`."""

from typing import Any

from anygate.dialects.gateway_api.write.words import bytes_text, given, span
from anygate.model.backend import (
    ActiveCheck,
    CircuitBreaker,
    Connection,
    Dns,
    Http2,
    Keepalive,
    LoadBalancing,
    PassiveCheck,
)
from anygate.model.retry import Retry
from anygate.model.route import HashPolicy

_TYPES = {
    "round_robin": "RoundRobin",
    "least_request": "LeastRequest",
    "random": "Random",
    "ring_hash": "ConsistentHash",
    "maglev": "ConsistentHash",
}
_FAMILIES = {"v4": "IPv4", "v6": "IPv6", "v4_preferred": "IPv4Preferred", "v6_preferred": "IPv6Preferred"}
TRIGGERS = frozenset(
    [
        "5xx",
        "gateway-error",
        "reset",
        "reset-before-request",
        "connect-failure",
        "retriable-4xx",
        "refused-stream",
        "retriable-status-codes",
        "cancelled",
        "deadline-exceeded",
        "internal",
        "resource-exhausted",
        "unavailable",
    ]
)
"""What a Retry may name as a cause."""


def write_connection(found: Connection, hashed: tuple[HashPolicy, ...] = ()) -> dict[str, Any]:
    """The settings of a connection; what stands by default is left out."""
    link = given(
        buffer_limit=found.buffer_limit,
        preconnect=given(
            per_endpoint_percent=_percent(found.preconnect_per_endpoint),
            predictive_percent=_percent(found.preconnect_predictive),
        ),
    )
    return given(
        load_balancer=_write_balancing(found.balancing, hashed),
        health_check=given(
            active=_write_active(found.active_check) if found.active_check else None,
            passive=_write_passive(found.passive_check) if found.passive_check else None,
            panic_threshold=found.panic_threshold,
        ),
        circuit_breaker=_write_breaker(found.circuit_breaker) if found.circuit_breaker else None,
        tcp_keepalive=write_keepalive(found.keepalive),
        timeout=given(
            tcp=given(connect_timeout=span(found.connect_timeout)),
            http=given(
                connection_idle_timeout=span(found.idle_timeout),
                max_connection_duration=span(found.max_connection_duration),
            ),
        ),
        connection=link,
        proxy_protocol={"version": found.proxy_protocol.upper()} if found.proxy_protocol else None,
        dns=_write_dns(found.dns),
        http2=write_http2(found.http2),
    )


def write_retry(found: Retry) -> dict[str, Any]:
    """When and how often to try again; causes that have no name are left out."""
    per_retry = given(
        timeout=span(found.per_try_timeout),
        back_off=given(base_interval=span(found.backoff), max_interval=span(found.max_backoff)),
    )
    return given(
        num_retries=found.attempts,
        num_attempts_per_priority=found.attempts_per_priority or None,
        retry_on={
            "triggers": [one for one in found.triggers if one in TRIGGERS],
            "httpStatusCodes": list(found.statuses),
        },
        per_retry=per_retry,
    )


def write_keepalive(found: Keepalive | None) -> dict[str, Any] | None:
    """TCP keepalive, towards clients or backends."""
    if found is None:
        return None
    return given(probes=found.probes, idle_time=span(found.idle), interval=span(found.interval))


def write_http2(found: Http2) -> dict[str, Any]:
    """HTTP/2 limits, towards clients or backends."""
    reset = found.reset_stream_on_invalid
    return given(
        initial_stream_window_size=found.stream_window,
        initial_connection_window_size=found.connection_window,
        max_concurrent_streams=found.max_streams,
        on_invalid_message=None if reset is None else "TerminateStream" if reset else "TerminateConnection",
        connection_keepalive=given(interval=span(found.ping_interval), timeout=span(found.ping_timeout)),
    )


def _percent(ratio: float | None) -> int | None:
    return None if ratio is None else round(ratio * 100)


def _write_balancing(found: LoadBalancing, hashed: tuple[HashPolicy, ...]) -> dict[str, Any] | None:
    if found == LoadBalancing() and not hashed:
        return None
    kind = _TYPES[found.kind]
    if kind == "ConsistentHash":
        table = {"tableSize": found.table_size} if found.table_size else {}
        return {"type": kind, "consistentHash": {**_write_hash(hashed), **table}}
    return given(type=kind, slow_start={"window": span(found.slow_start)} if found.slow_start else None)


def _write_hash(hashed: tuple[HashPolicy, ...]) -> dict[str, Any]:
    kinds = {one.kind for one in hashed}
    if kinds == {"header"}:
        return {"type": "Headers", "headers": [{"name": one.name} for one in hashed]}
    if kinds == {"query"}:
        return {"type": "QueryParams", "queryParams": [{"name": one.name} for one in hashed]}
    cookie = next((one for one in hashed if one.kind == "cookie"), None)
    if cookie is not None:
        return {
            "type": "Cookie",
            "cookie": given(name=cookie.name, ttl=span(cookie.ttl), attributes=dict(cookie.attributes)),
        }
    return {"type": "SourceIP"}


def _write_active(found: ActiveCheck) -> dict[str, Any]:
    http = None
    if found.http is not None:
        http = given(
            hostname=found.http.host or None,
            path=found.http.path,
            method=found.http.method if found.http.method != "GET" else None,
            expected_statuses=list(found.http.statuses) if found.http.statuses != (200,) else None,
            expected_response=bytes_text(found.http.expected_text.encode()) if found.http.expected_text else None,
        )
    tcp = given(
        send=bytes_text(found.send) if found.send is not None else None,
        receive=bytes_text(found.receive) if found.receive is not None else None,
    )
    made = given(
        type=found.kind.upper(),
        http=http,
        grpc={"service": found.grpc_service} if found.grpc_service else None,
        timeout=span(found.timeout),
        interval=span(found.interval),
        initial_jitter=span(found.initial_jitter),
        unhealthy_threshold=found.unhealthy_threshold,
        healthy_threshold=found.healthy_threshold,
    )
    return {**made, "tcp": tcp} if found.kind == "tcp" else made


def _write_passive(found: PassiveCheck) -> dict[str, Any]:
    return given(
        consecutive_5xx_errors=found.consecutive_5xx or 0,
        consecutive_gateway_errors=found.consecutive_gateway_errors,
        split_external_local_origin_errors=found.split_local_errors or None,
        consecutive_local_origin_failures=found.consecutive_local_failures if found.split_local_errors else None,
        interval=span(found.interval),
        base_ejection_time=span(found.base_ejection),
        max_ejection_percent=found.max_ejection_percent,
        failure_percentage_threshold=found.failure_percentage,
        always_eject_one_endpoint=found.always_eject_one or None,
    )


def _write_breaker(found: CircuitBreaker) -> dict[str, Any]:
    budget = None
    if found.retry_budget_percent is not None:
        # A share in hundredths of a percent.
        percent = {"numerator": round(found.retry_budget_percent * 100), "denominator": 10_000}
        budget = given(percent=percent, min_retry_concurrency=found.retry_budget_min)
    per_endpoint = found.connections_per_endpoint
    return given(
        max_connections=found.connections,
        max_pending_requests=found.pending,
        max_parallel_requests=found.requests,
        max_parallel_retries=found.retries,
        max_requests_per_connection=found.requests_per_connection,
        per_endpoint={"maxConnections": per_endpoint} if per_endpoint is not None else None,
        retry_budget=budget,
    )


def _write_dns(found: Dns) -> dict[str, Any]:
    family = _FAMILIES.get(found.family, "IPv4AndIPv6") if found.family else None
    return given(
        dns_refresh_rate=span(found.refresh),
        respect_dns_ttl=None if found.respect_ttl else False,
        lookup_family=family,
    )
