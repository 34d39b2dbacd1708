"""What a TokenPolicy makes of a rule."""

import json
from datetime import timedelta
from typing import NamedTuple

import msgspec

from anygate.model.edit import Respond
from anygate.model.limits import Expression, LimitAnswer, LimitRule, LimitSelector, RateLimit
from anygate.model.origin import Origin
from anygate.model.route import Forward, HttpRoute, HttpRule

_CLOSED = 500
_HEADERS = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")
_RETRY = ("retry-after", "x-ratelimit-retry-after-seconds")
_WARNING = "x-ratelimit-warning"
_REASON = "The limit of requests or tokens is reached; try again later."
_WORD = "rate_limit_exceeded"
_BODY = json.dumps({"error": {"message": _REASON, "type": _WORD, "param": None, "code": _WORD}})


class Policy(NamedTuple):
    """A policy that can be kept.

    Each of the `limits` is the field that asks for it, how much there is, in which time, and whether that is tokens.
    """

    name: str
    ref: str
    limits: tuple[tuple[Origin, int, timedelta, bool], ...]
    selector: LimitSelector | None
    by_rule: bool
    on_limit: str
    reserves: bool
    closed: bool


def close(rule: HttpRule, origin: Origin, reason: str) -> HttpRule:
    """A rule that answers its requests itself, since what they need to be held to cannot be had."""
    return msgspec.structs.replace(rule, action=Respond(origin=origin, status=_CLOSED, reason=reason), mirrors=())


def put_policies(route: HttpRoute, rule: HttpRule, policies: list[Policy]) -> HttpRule:
    """A rule with the limits of policies. If one of those refuses what cannot be counted, they all do, so that they are
    asked together and what one refuses no other one counts."""
    closed = any(policy.closed for policy in policies)
    limits = [limit for policy in policies for limit in _make_limits(policy, route, rule, closed=closed)]
    if not limits:
        return rule
    own = rule.rate_limit or RateLimit(origin=limits[0].origin)
    return msgspec.structs.replace(rule, rate_limit=msgspec.structs.replace(own, rules=(*own.rules, *limits)))


def _make_limits(policy: Policy, route: HttpRoute, rule: HttpRule, *, closed: bool) -> list[LimitRule]:
    first = _list_first(rule) if policy.on_limit == "degrade" else ()
    rule_name = f" {_label(rule.origin)}" if policy.by_rule else ""
    made = []
    for origin, most, unit, is_tokens in policy.limits:
        if is_tokens and not isinstance(rule.action, Forward):
            continue
        one = LimitRule(
            origin=origin,
            requests=most,
            unit=unit,
            # What counts apart has one counter, whether or not others stand in where it is used up.
            name=f"{_label(origin)}{rule_name}",
            scope="global",
            selectors=(policy.selector,) if policy.selector else (),
            shadow=policy.on_limit == "warn",
            shared=not policy.by_rule,
            headers=False,
            fail_closed=closed,
            backends=first,
            window="sliding",
            queued=policy.on_limit == "queue",
            answer=_make_answer(policy, route, rule),
        )
        made.append(_count_tokens(one, policy) if is_tokens else one)
    return made


def _count_tokens(limit: LimitRule, policy: Policy) -> LimitRule:
    cost = Expression(expression="total_tokens", estimated=True)
    # What a request reserves has to be taken for certain, or more would be given back than was taken.
    reserves = policy.reserves and not limit.backends
    return msgspec.structs.replace(limit, request_cost=0, response_cost=cost, reserves=reserves)


def _make_answer(policy: Policy, route: HttpRoute, rule: HttpRule) -> LimitAnswer:
    """AI requests are answered in their own format whatever the body says."""
    is_grpc = route.kind == "GRPCRoute"
    return LimitAnswer(
        body="" if rule.inference else _REASON if is_grpc else _BODY,
        content_type="" if rule.inference or is_grpc else "application/json",
        headers=_HEADERS,
        retry_headers=_RETRY,
        warning=(_WARNING, policy.name) if policy.on_limit == "warn" else None,
        exhausted=is_grpc,
    )


def _label(origin: Origin) -> str:
    return f"{origin.object}#{origin.path}"


def _list_first(rule: HttpRule) -> tuple[str, ...]:
    """The backends that are asked first, if others stand in for them."""
    if not isinstance(rule.action, Forward):
        return ()
    asked = [one for one in rule.action.targets if one.weight > 0 and one.backend]
    first = min((one.priority for one in asked), default=0)
    found = {one.backend for one in asked if one.priority == first}
    return tuple(sorted(found)) if any(one.backend not in found for one in asked) else ()
