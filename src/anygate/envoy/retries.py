"""How long a request may take, and when it is tried again.

Reference: envoy/config/route/v3/route_components.proto (RouteAction, RetryPolicy).
"""

from datetime import timedelta
from functools import cache
from typing import Any

from anygate.envoy.api import typed, uint32
from anygate.model.retry import Retry
from anygate.model.route import Timeouts

_HOST_CHOICES = 5
_SILENCE = timedelta(minutes=5)


def build_times(timeouts: Timeouts) -> dict[str, Any]:
    """Build the time limits of a RouteAction.

    Envoy's own default of 15 s for an exchange cuts off streams and long answers, and no manifest asked for it: the
    exchange is unlimited unless a limit is given. The silence on a stream stays limited by Envoy's 5 minutes, or by
    the limit of the exchange if that is longer: a model may think for long before the first byte of its answer.
    """
    longest, silence = timeouts.max_stream, timeouts.stream_idle
    if silence is None and timeouts.request and timeouts.request > _SILENCE:
        silence = timeouts.request
    return {
        "timeout": timeouts.request or timedelta(0),
        "idle_timeout": silence,
        "max_stream_duration": None if longest is None else {"max_stream_duration": longest},
    }


def build_retry(retry: Retry | None, timeouts: Timeouts) -> dict[str, Any]:
    """Build a RetryPolicy. Without a retry it still carries the limit for the one attempt that is made."""
    idle = {"per_try_idle_timeout": timeouts.attempt_idle}
    if retry is None:
        return {"per_try_timeout": timeouts.attempt, **idle}
    triggers = [*retry.triggers]
    if retry.statuses and "retriable-status-codes" not in triggers:
        triggers.append("retriable-status-codes")
    first = retry.backoff or (timedelta(milliseconds=25) if retry.max_backoff else None)
    return {
        **idle,
        "retry_on": ",".join(triggers),
        "num_retries": uint32(retry.attempts),
        "per_try_timeout": retry.per_try_timeout if retry.per_try_timeout is not None else timeouts.attempt,
        "retriable_status_codes": retry.statuses,
        "retry_back_off": None if first is None else {"base_interval": first, "max_interval": retry.max_backoff},
        "retry_priority": _retry_priority(retry.attempts_per_priority),
        "retry_host_predicate": [{"name": "envoy.retry_host_predicates.previous_hosts", "typed_config": _other_host()}],
        "host_selection_retry_max_attempts": _HOST_CHOICES,
    }


@cache
def _other_host() -> Any:
    """Choose another endpoint than the ones that failed, while there is any."""
    return typed("envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate")


def _retry_priority(attempts: int) -> dict[str, Any] | None:
    """Build when the next priority is tried: after so many attempts on one, rather than when it is unhealthy."""
    if not attempts:
        return None
    config = typed(
        "envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig", update_frequency=attempts
    )
    return {"name": "envoy.retry_priorities.previous_priorities", "typed_config": config}
