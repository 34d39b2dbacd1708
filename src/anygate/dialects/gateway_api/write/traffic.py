"""What happens to the requests of a rule on the way to its backends, as a BackendTrafficPolicy."""

from typing import Any

from anygate.dialects.gateway_api.write.connections import write_connection, write_retry
from anygate.dialects.gateway_api.write.findings import SETTING
from anygate.dialects.gateway_api.write.limits import write_limits
from anygate.dialects.gateway_api.write.losses import Losses
from anygate.dialects.gateway_api.write.words import given, span
from anygate.model.backend import Connection
from anygate.model.limits import Faults
from anygate.model.route import HttpRule

_UPGRADES = ("websocket",)


def write_traffic(rule: HttpRule, connection: Connection, is_grpc: bool, losses: Losses) -> dict[str, Any]:
    """The settings of a policy for a rule, empty when none is needed. A GRPCRoute has no timeouts of its own."""
    made = write_connection(connection, rule.hash_policies)
    times = rule.timeouts
    if rule.upgrades != _UPGRADES and rule.request_buffer is not None:
        # Envoy Gateway takes a policy with either of both only.
        text = "which upgrades are allowed has no place beside a limit of bodies: requests for a WebSocket go on"
        losses.add(SETTING, rule.origin, text)
    http = given(
        request_timeout=span(times.request) if is_grpc else None,
        stream_idle_timeout=span(times.stream_idle),
        max_stream_duration=span(times.max_stream),
    )
    if http:
        timeout = made.setdefault("timeout", {})
        timeout["http"] = {**timeout.get("http", {}), **http}
    return {
        **made,
        **given(
            retry=write_retry(rule.retry) if rule.retry else None,
            fault_injection=_write_faults(rule.faults) if rule.faults else None,
            rate_limit=write_limits(rule.rate_limit, losses) if rule.rate_limit else None,
            request_buffer={"limit": rule.request_buffer} if rule.request_buffer is not None else None,
            http_upgrade=[{"type": one} for one in rule.upgrades]
            if rule.upgrades != _UPGRADES and rule.request_buffer is None
            else None,
            use_client_protocol=connection.use_client_protocol or None,
        ),
    }


def _write_faults(found: Faults) -> dict[str, Any]:
    delay = abort = None
    if found.delay is not None:
        delay = {"fixedDelay": span(found.delay), "percentage": found.delay_percent}
    if found.abort_status is not None:
        abort = {"httpStatus": found.abort_status, "percentage": found.abort_percent}
    elif found.grpc_status is not None:
        abort = {"grpcStatus": found.grpc_status, "percentage": found.abort_percent}
    return given(delay=delay, abort=abort)
