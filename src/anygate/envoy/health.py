"""Active and passive health checks.

Reference: envoy/config/core/v3/health_check.proto and envoy/config/cluster/v3/outlier_detection.proto.
"""

from collections.abc import Iterable
from typing import Any

from anygate.envoy.api import bool_value, build, uint32
from anygate.envoy.texts import literal
from anygate.model.backend import ActiveCheck, PassiveCheck

CHECK_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH")
"""The methods that Envoy can probe with."""


def build_active_check(check: ActiveCheck, host: str, *, http2: bool) -> Any:
    """Build a HealthCheck. `host` is asked for where neither the check nor the endpoint names one."""
    return build(
        "envoy.config.core.v3.HealthCheck",
        timeout=check.timeout,
        interval=check.interval,
        unhealthy_interval=check.unhealthy_interval,
        initial_jitter=check.initial_jitter,
        unhealthy_threshold=uint32(check.unhealthy_threshold),
        healthy_threshold=uint32(check.healthy_threshold),
        **_probe(check, host, http2),
    )


def build_passive_check(check: PassiveCheck) -> Any:
    """Build an OutlierDetection; a limit that is None keeps Envoy's default."""
    gateway, local = check.consecutive_gateway_errors, check.consecutive_local_failures
    return build(
        "envoy.config.cluster.v3.OutlierDetection",
        consecutive_5xx=uint32(check.consecutive_5xx),
        consecutive_gateway_failure=uint32(gateway),
        # Envoy finds gateway failures but acts on them only when told to.
        enforcing_consecutive_gateway_failure=None if gateway is None else uint32(100),
        consecutive_local_origin_failure=uint32(local),
        split_external_local_origin_errors=check.split_local_errors,
        interval=check.interval,
        base_ejection_time=check.base_ejection,
        max_ejection_percent=uint32(check.max_ejection_percent),
        failure_percentage_threshold=uint32(check.failure_percentage),
        enforcing_failure_percentage=None if check.failure_percentage is None else uint32(100),
        always_eject_one_host=bool_value(check.always_eject_one),
    )


def _probe(check: ActiveCheck, host: str, http2: bool) -> dict[str, Any]:
    if check.kind == "grpc":
        return {"grpc_health_check": {"service_name": check.grpc_service, "authority": host}}
    if check.kind == "tcp":
        receive = [_payload(check.receive)] if check.receive is not None else []
        send = _payload(check.send) if check.send is not None else None
        return {"tcp_health_check": {"send": send, "receive": receive}}
    http = check.http
    if http is None:
        return {}
    return {
        "http_health_check": {
            "host": http.host or host,
            "path": http.path,
            "method": http.method.upper(),
            "expected_statuses": _ranges(http.statuses),
            "receive": [_payload(http.expected_text.encode())] if http.expected_text else [],
            "codec_client_type": "HTTP2" if http2 else None,
            "request_headers_to_add": [
                {"header": {"key": name, "value": literal(value)}} for name, value in http.headers
            ],
        }
    }


def _ranges(statuses: Iterable[int]) -> list[dict[str, int]]:
    """Build half-open ranges, neighbours joined."""
    found: list[dict[str, int]] = []
    for status in sorted(set(statuses)):
        if found and found[-1]["end"] == status:
            found[-1]["end"] += 1
        else:
            found.append({"start": status, "end": status + 1})
    return found


def _payload(content: bytes) -> dict[str, Any]:
    return {"text": content.hex()} if content else {}
