"""When a request is tried again: as a route's policy says, else as App Mesh did by itself."""

from datetime import timedelta
from typing import Any, NamedTuple

from anygate.diagnostics import FieldPath
from anygate.dialects.app_mesh.context import Context, origin
from anygate.manifests.kind import Kind
from anygate.model.retry import Retry

_DEFAULT_TRIGGERS = ("connect-failure", "refused-stream", "reset", "unavailable", "retriable-status-codes")


class _Event(NamedTuple):
    """What an event of App Mesh is to Envoy: words of `retry_on`, and statuses."""

    triggers: tuple[str, ...] = ()
    statuses: tuple[int, ...] = ()


_HTTP_EVENTS = {
    "server-error": _Event(("reset",), (*range(500, 509), 510, 511)),
    "gateway-error": _Event(("reset",), (502, 503, 504)),
    "client-error": _Event(statuses=(409,)),
    "stream-error": _Event(("refused-stream",)),
}


def read_retry(context: Context, item: Kind, policy: Any, path: FieldPath) -> tuple[Retry | None, timedelta | None]:
    """How requests are tried again, and how long one try may take. Without a policy App Mesh has its own, unless the
    settings switch it off."""
    if policy is not None:
        return _read_policy(item, policy, path)
    if not context.settings.default_retry:
        return None, None
    return Retry(origin=origin(item, path), attempts=2, triggers=_DEFAULT_TRIGGERS, statuses=(503,)), None


def _read_policy(item: Kind, policy: Any, path: FieldPath) -> tuple[Retry | None, timedelta | None]:
    millis = policy.per_retry_timeout_millis
    limit = policy.per_retry_timeout.span if policy.per_retry_timeout else timedelta(milliseconds=millis or 0)
    attempt = limit or None
    if policy.max_retries == 0:
        return None, attempt
    events = [_HTTP_EVENTS[event] for event in policy.http_retry_events]
    statuses = sorted({status for event in events for status in event.statuses})
    triggers = [
        *(word for event in events for word in event.triggers),
        *(["connect-failure"] if policy.tcp_retry_events else []),
        *getattr(policy, "grpc_retry_events", ()),
        *(["retriable-status-codes"] if statuses else []),
    ]
    retry = Retry(
        origin=origin(item, path),
        attempts=policy.max_retries,
        triggers=tuple(dict.fromkeys(triggers)),
        statuses=tuple(statuses),
        per_try_timeout=attempt,
    )
    return retry, attempt
