"""limit-conn: requests at a time. https://apisix.apache.org/docs/apisix/plugins/limit-conn/"""

from collections.abc import Sequence
from datetime import timedelta

from pydantic import Field

from anygate.dialects.apisix.findings import NOT_HONOURED
from anygate.dialects.apisix.plugins.plugin import Refusal, Surroundings
from anygate.dialects.apisix.plugins.traffic.limiting import (
    Limiting,
    add_limits,
    make_limit,
    note_elsewhere,
    read_answer,
    read_selector,
)
from anygate.model.route import HttpRule

_LEASE = timedelta(hours=1)
"""A counter is forgotten when no request has come or ended for so long, in case that the end of one was never told."""


class LimitConnConfig(Limiting):
    """How many requests at a time, how many more that have to wait, and how long those wait in seconds."""

    conn: int = Field(gt=0)
    burst: int = Field(ge=0)
    default_conn_delay: float = Field(gt=0)
    only_use_default_delay: bool = False
    key: str = Field(min_length=1)


class LimitConn:
    """Counted in the rate-limit service, which is told when a request has ended."""

    name = "limit-conn"
    config = LimitConnConfig
    is_guard = False

    def apply(
        self, config: LimitConnConfig, rule: HttpRule, surroundings: Surroundings
    ) -> Sequence[HttpRule] | Refusal:
        """Bound how many of the rule's requests there are at a time."""
        note_elsewhere(config, surroundings)
        if config.burst and not config.only_use_default_delay:
            text = "requests of the burst wait for default_conn_delay, whatever the latency of earlier ones was"
            surroundings.note(NOT_HONOURED, text, ("default_conn_delay",), "set only_use_default_delay: true")
        limit = make_limit(
            config,
            read_selector(config.key, config.key_type, surroundings),
            surroundings,
            requests=config.conn + config.burst,
            unit=_LEASE,
            window="concurrent",
            calm=config.conn if config.burst else 0,
            delay=timedelta(seconds=config.default_conn_delay) if config.burst else timedelta(),
            answer=read_answer(config),
        )
        return [add_limits(rule, surroundings.origin, limit)]
