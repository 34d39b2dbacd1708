"""ai-rate-limiting: so many tokens in so many seconds.

https://apisix.apache.org/docs/apisix/plugins/ai-rate-limiting/
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Literal, NamedTuple, Self

import msgspec
from pydantic import Field, model_validator

from anygate.diagnostics import FieldPath
from anygate.dialects.apisix.findings import APPROXIMATED, NOT_HONOURED
from anygate.dialects.apisix.plugins.ai.instances import instances_of
from anygate.dialects.apisix.plugins.ai.token_costs import read_cost
from anygate.dialects.apisix.plugins.config import Config
from anygate.dialects.apisix.plugins.plugin import Refusal, Surroundings
from anygate.dialects.apisix.plugins.traffic.limit_count import LimitOfMany
from anygate.dialects.apisix.plugins.traffic.limiting import (
    Limiting,
    add_limits,
    make_limit,
    note_elsewhere,
    read_answer,
    read_exclusive_selector,
    read_number,
)
from anygate.manifests.fields import Many
from anygate.manifests.violations import Violations
from anygate.model.limits import Expression, LimitRule, LimitSelector
from anygate.model.route import HttpRule

_HEADERS = ("Limit", "Remaining", "Reset")
_COSTS = {"total_tokens": "total_tokens", "prompt_tokens": "input_tokens", "completion_tokens": "output_tokens"}
_OVER = 429


class InstanceLimit(Config):
    """The limit of one instance of ai-proxy-multi."""

    name: str
    limit: Any
    time_window: Any


class AiRateLimitingConfig(Limiting):
    """One limit for all, limits of instances, or several in `rules`. There are no keys outside of `rules`."""

    limit: Any = None
    time_window: Any = None
    show_limit_quota_header: bool = True
    limit_strategy: Literal["total_tokens", "prompt_tokens", "completion_tokens", "expression"] = "total_tokens"
    cost_expr: str | None = Field(default=None, min_length=1)
    instances: Many[InstanceLimit] = ()
    rules: Many[LimitOfMany] = ()

    @model_validator(mode="after")
    def _check_limits(self) -> Self:
        found = Violations()
        if (self.limit is None) != (self.time_window is None):
            missing = "time_window" if self.time_window is None else "limit"
            found.add(f"{missing} is required beside the other", missing, code="required")
        own = self.limit is not None or bool(self.instances)
        if self.rules and own:
            found.add("either rules, or limit and instances", "rules")
        if not self.rules and not own and not (self.limit or self.time_window):
            found.add("limit and time_window, instances or rules are required", "limit", code="required")
        if self.limit_strategy == "expression" and self.cost_expr is None:
            found.add("cost_expr is required with limit_strategy expression", "cost_expr", code="required")
        found.refuse()
        return self


class _Wanted(NamedTuple):
    """One limit: where it is written, how much in what time, whose requests, and how its headers are called."""

    path: FieldPath
    names: tuple[str, str]
    numbers: tuple[Any, Any]
    selector: LimitSelector
    headers: tuple[str, ...]


class AiRateLimiting:
    """Tokens are counted when an answer has ended, so that the request that uses up a limit still gets its answer.

    Without ai-proxy, where APISIX counts nothing, usage is read from answers in OpenAI's chat format.
    """

    name = "ai-rate-limiting"
    config = AiRateLimitingConfig
    is_guard = False

    def apply(
        self, config: AiRateLimitingConfig, rule: HttpRule, surroundings: Surroundings
    ) -> Sequence[HttpRule] | Refusal:
        """Count the tokens of the rule's answers."""
        note_elsewhere(config, surroundings)
        for name in {"key", "key_type"} & config.model_fields_set:
            surroundings.note(NOT_HONOURED, f"{name} has no effect outside of rules", (name,))
        cost = _COSTS.get(config.limit_strategy) or read_cost(config.cost_expr or "")
        if isinstance(cost, Refusal):
            return cost
        known = instances_of(rule)
        limits = []
        for wanted in _list(config, tuple(known), surroundings):
            limit = _build(config, wanted, cost, surroundings)
            if isinstance(limit, Refusal):
                return limit
            limits.append(limit)
        for number, one in enumerate(config.instances):
            backend = known.get(one.name)
            if backend is None:
                if known:
                    surroundings.note(NOT_HONOURED, f"there is no instance {one.name}", ("instances", number, "name"))
                continue
            limit = _build_instance(config, one, number, cost, surroundings, alone=len(known) == 1)
            if isinstance(limit, Refusal):
                return limit
            limits.append(_assign(limit, backend, one.name, rule, surroundings) if len(known) > 1 else limit)
        return [add_limits(rule, surroundings.origin, *limits) if limits else rule]


def _list(config: AiRateLimitingConfig, instances: tuple[str, ...], surroundings: Surroundings) -> list[_Wanted]:
    found = []
    for index, one in enumerate(config.rules):
        path: FieldPath = ("rules", index)
        prefix = one.header_prefix or (str(index + 1) if index else "")
        headers = tuple(f"X-AI-{prefix}{'-' if prefix else ''}RateLimit-{name}" for name in _HEADERS)
        selector = read_exclusive_selector(one.key, surroundings, (*path, "key"))
        found.append(_Wanted(path, ("count", "time_window"), (one.count, one.time_window), selector, headers))
    if config.limit is None:
        return found
    headers = _headers(instances[0] if len(instances) == 1 else "")
    if len(instances) > 1 and config.show_limit_quota_header:
        text = "headers of answers do not name the instance, for the limit is that of all of them"
        surroundings.note(APPROXIMATED, text, ("show_limit_quota_header",))
    numbers = (config.limit, config.time_window)
    return [_Wanted((), ("limit", "time_window"), numbers, LimitSelector(), headers)]


def _headers(instance: str) -> tuple[str, ...]:
    return tuple(f"X-AI-RateLimit-{name}{'-' if instance else ''}{instance}" for name in _HEADERS)


def _build(config: AiRateLimitingConfig, wanted: _Wanted, cost: str, surroundings: Surroundings) -> LimitRule | Refusal:
    numbers = [
        read_number(number, (*wanted.path, name)) for number, name in zip(wanted.numbers, wanted.names, strict=True)
    ]
    count, seconds = numbers
    if isinstance(count, Refusal):
        return count
    if isinstance(seconds, Refusal):
        return seconds
    limit = make_limit(
        config,
        wanted.selector,
        surroundings,
        requests=count,
        unit=timedelta(seconds=seconds),
        window="started",
        request_cost=0,
        response_cost=Expression(expression=cost),
        # Without a message clients are refused in the format that they speak.
        answer=read_answer(config, wanted.headers if config.show_limit_quota_header else None, page=False),  # type: ignore[arg-type]
    )
    if not wanted.path:
        return limit
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in wanted.path)
    origin = msgspec.structs.replace(limit.origin, path=f"{limit.origin.path}.config{place}")
    return msgspec.structs.replace(limit, origin=origin)


def _build_instance(
    config: AiRateLimitingConfig,
    one: InstanceLimit,
    number: int,
    cost: str,
    surroundings: Surroundings,
    *,
    alone: bool,
) -> LimitRule | Refusal:
    """The limit of an instance. While it is used up others get its requests, so only the last one left refuses any."""
    path: FieldPath = ("instances", number)
    names = ("limit", "time_window")
    wanted = _Wanted(path, names, (one.limit, one.time_window), LimitSelector(), _headers(one.name))
    if not alone:
        text = f"while the limit of {one.name} is used up other instances get its requests, and {_OVER} answers for all"
        surroundings.note(APPROXIMATED, text, path)
    return _build(config, wanted, cost, surroundings)


def _assign(
    limit: LimitRule, backend: tuple[str, ...], instance: str, rule: HttpRule, surroundings: Surroundings
) -> LimitRule:
    """The limit as a quota of an instance's backends."""
    owner = surroundings.origin
    name = f"{owner.object}#{owner.path} {rule.origin.object}#{rule.origin.path} {instance}"
    return msgspec.structs.replace(limit, backends=backend, name=name, answer=None)
