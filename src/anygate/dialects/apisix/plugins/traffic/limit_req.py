"""limit-req: a steady rate, with room for bursts. https://apisix.apache.org/docs/apisix/plugins/limit-req/"""

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


class LimitReqConfig(Limiting):
    """A rate in requests per second, and how many may come ahead of their time."""

    key: str = Field(min_length=1)
    rate: float = Field(gt=0)
    burst: float = Field(ge=0)
    nodelay: bool = False


class LimitReq:
    """A leaky bucket in the rate-limit service, which lets requests of a burst wait for their time."""

    name = "limit-req"
    config = LimitReqConfig
    is_guard = False

    def apply(self, config: LimitReqConfig, rule: HttpRule, surroundings: Surroundings) -> Sequence[HttpRule] | Refusal:
        """Bound the rate of the rule's requests."""
        note_elsewhere(config, surroundings)
        burst = int(config.burst)
        if burst != config.burst:
            surroundings.note(NOT_HONOURED, f"requests are whole, so the burst is {burst}", ("burst",))
        limit = make_limit(
            config,
            read_selector(config.key, config.key_type, surroundings),
            surroundings,
            requests=burst,
            unit=timedelta(seconds=1 / config.rate),
            window="leaky",
            smooth=not config.nodelay and burst > 0,
            answer=read_answer(config),
        )
        return [add_limits(rule, surroundings.origin, limit)]
