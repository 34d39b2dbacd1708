"""limit-count: so many requests in so many seconds.

https://apisix.apache.org/docs/apisix/plugins/limit-count/
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Literal, Self

import msgspec
from pydantic import Field, model_validator

from anygate.diagnostics import FieldPath
from anygate.dialects.apisix.plugins.config import Config
from anygate.dialects.apisix.plugins.plugin import Refusal, Surroundings
from anygate.dialects.apisix.plugins.traffic.limiting import (
    Limiting,
    add_limits,
    make_limit,
    note_elsewhere,
    read_answer,
    read_exclusive_selector,
    read_number,
    read_selector,
)
from anygate.manifests.fields import Many
from anygate.manifests.violations import Violations
from anygate.model.limits import LimitRule
from anygate.model.route import HttpRule

_HEADERS = ("Limit", "Remaining", "Reset")


class LimitOfMany(Config):
    """One of several limits; a request is counted by it only if it has what the key names."""

    count: Any
    time_window: Any
    key: str = Field(min_length=1)
    header_prefix: str = ""


class LimitCountConfig(Limiting):
    """One limit, or several in `rules`."""

    count: Any = None
    time_window: Any = None
    window_type: Literal["fixed", "sliding"] = "fixed"
    group: str | None = Field(default=None, min_length=1)
    show_limit_quota_header: bool = True
    rules: Many[LimitOfMany] = ()
    limit_header: str = "X-RateLimit-Limit"
    remaining_header: str = "X-RateLimit-Remaining"
    reset_header: str = "X-RateLimit-Reset"

    @model_validator(mode="after")
    def _check_limits(self) -> Self:
        found = Violations()
        if self.rules and (self.count is not None or self.time_window is not None):
            found.add("either rules, or count and time_window", "rules")
        if not self.rules:
            for name in ("count", "time_window"):
                if getattr(self, name) is None:
                    found.add(f"{name} is required", name, code="required")
        found.refuse()
        return self


class LimitCount:
    """Exact counters in the rate-limit service; a window begins with the first request that it counts."""

    name = "limit-count"
    config = LimitCountConfig
    is_guard = False

    def apply(
        self, config: LimitCountConfig, rule: HttpRule, surroundings: Surroundings
    ) -> Sequence[HttpRule] | Refusal:
        """Count the rule's requests."""
        note_elsewhere(config, surroundings)
        limits = []
        for path, one, prefix in _list(config):
            numbers = [read_number(one.count, (*path, "count")), read_number(one.time_window, (*path, "time_window"))]
            refusal = next((number for number in numbers if isinstance(number, Refusal)), None)
            if refusal is not None:
                return refusal
            limits.append(_build(config, one, prefix, surroundings, path, *numbers))  # type: ignore[arg-type]
        return [add_limits(rule, surroundings.origin, *limits)]


def _list(config: LimitCountConfig) -> list[tuple[FieldPath, Any, str]]:
    if not config.rules:
        return [((), config, "")]
    return [
        (("rules", index), one, one.header_prefix or (str(index + 1) if index else ""))
        for index, one in enumerate(config.rules)
    ]


def _build(
    config: LimitCountConfig,
    one: Any,
    prefix: str,
    surroundings: Surroundings,
    path: FieldPath,
    count: int,
    seconds: int,
) -> LimitRule:
    place = (*path, "key")
    if config.rules:
        selector = read_exclusive_selector(one.key, surroundings, place)
    else:
        selector = read_selector(one.key, config.key_type, surroundings, place)
    names = (config.limit_header, config.remaining_header, config.reset_header)
    if prefix:
        names = tuple(f"X-{prefix}-RateLimit-{name}" for name in _HEADERS)  # type: ignore[assignment]
    headers = names if config.show_limit_quota_header else None
    limit = make_limit(
        config,
        selector,
        surroundings,
        requests=count,
        unit=timedelta(seconds=seconds),
        name=f"limit-count {config.group}" if config.group else "",
        window="sliding" if config.window_type == "sliding" else "started",
        answer=read_answer(config, headers),
    )
    if not path:
        return limit
    origin = msgspec.structs.replace(limit.origin, path=f"{limit.origin.path}.config.rules[{path[1]}]")
    name = f"{limit.name} {path[1]}" if limit.name else ""
    return msgspec.structs.replace(limit, origin=origin, name=name)
