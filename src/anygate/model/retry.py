"""Trying again."""

from datetime import timedelta

from anygate.model.origin import Node, Origin


class Retry(Node, frozen=True):
    """When and how often a request is tried again.

    `triggers` are Envoy's `retry_on` words; `statuses` adds answers to retry on. `attempts` counts the
    retries, not the first try. `backoff` and `max_backoff` bound the pause between tries.
    """

    origin: Origin
    attempts: int = 1
    triggers: tuple[str, ...] = ()
    statuses: tuple[int, ...] = ()
    backoff: timedelta | None = None
    max_backoff: timedelta | None = None
    per_try_timeout: timedelta | None = None
    attempts_per_priority: int = 0
