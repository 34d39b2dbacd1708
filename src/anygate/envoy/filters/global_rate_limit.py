"""Limits that all Envoys share, counted by the rate-limit service."""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from google.protobuf.message import Message

from anygate.envoy.api import build, uint64
from anygate.envoy.cel import cost_expression, metadata_expression, typed_cel
from anygate.envoy.cel_grammar import quote
from anygate.envoy.filters.filter import NO_SCOPE, ChainEntry, Scope, enable, label
from anygate.envoy.filters.limit_actions import Action, build_actions, generic, limit_name
from anygate.envoy.filters.limit_body import ASKED, MOST_KEYS
from anygate.envoy.names import LIMITS, SERVICES
from anygate.envoy.quotas import clusters_of, quotas_of
from anygate.model.limits import Expression, LimitAnswer, LimitRule, MetadataNumber
from anygate.model.listener import Server
from anygate.model.origin import Origin
from anygate.model.route import HttpRule

NAME = LIMITS
COSTS = "io.envoy.ai_gateway"
"""The namespace in which manifests speak of the costs of a rule. Nothing is ever written there: a reference to it
becomes the expression of the cost."""

_ONE_BACK = {"number": uint64(1), "is_negative_hits": True}
_FILTER = "envoy.extensions.filters.http.ratelimit.v3.RateLimit"
_ROUTE = "envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute"
_DOMAIN = "anygate"
_TIMEOUT = timedelta(seconds=1)
"""Long enough for a machine that is busy: the service itself answers within a millisecond or so."""
_PATIENCE = timedelta(minutes=5)
"""How long the service may let a request wait for its turn."""
_QUEUE = timedelta(seconds=6)
"""The same where it waits for room under a limit, at most five seconds (`services/ratelimit/queues.py`)."""
_OVER, _FAULT = 429, 500
_AGAIN = "anygate/quotas/again"
_TELLING = "telling"
_CHARGE, _LIMIT, _SHADOW, _QUOTA, _PER, _BUCKET = "charge", "limit", "shadow", "quota", "per", "bucket"


class _Way(NamedTuple):
    """What one entry does with all of its limits: when they cannot be counted, when they are over, while they wait.

    A `silent` one adds no header of Envoy's own to refusals. All limits of an entry are asked in one call, so that what
    one of them refuses no other one counts.
    """

    closed: bool = False
    status: int = 429
    error_status: int = 500
    waits: bool = False
    silent: bool = False
    exhausted: bool = False
    queues: bool = False

    @property
    def name(self) -> str:
        """The name of the entry."""
        more = ["closed"] if self.closed else []
        more += [str(self.status)] if self.status != 429 else []
        more += [f"error-{self.error_status}"] if self.closed and self.error_status != 500 else []
        more += ["waiting"] if self.waits else []
        more += ["silent"] if self.silent else []
        more += ["exhausted"] if self.exhausted else []
        more += ["queueing"] if self.queues else []
        return "/".join((NAME, *more))


class GlobalRateLimitFilter:
    """An entry for each way to treat limits, such as those that fail open and those that fail closed, with the limits
    themselves on each route.

    Another one asks the route table again, for the routes that leave out backends whose quota is used up.

    https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/rate_limit_filter
    """

    def chain(self, server: Server, rules: Sequence[HttpRule]) -> list[ChainEntry]:
        """Return the entries that some rule needs."""
        wanted = {way for rule in rules for way in _group(rule)}
        entries = [_entry(server, way) for way in sorted(wanted)]
        again = [ChainEntry(_AGAIN, _ask_again(), disabled=True, inert=True)] if any(map(quotas_of, rules)) else []
        return [*entries, *again]

    def route(self, rule: HttpRule, scope: Scope = NO_SCOPE) -> dict[str, Message]:
        """Return the route's limits."""
        headers = scope.server is None or scope.server.http.rate_limit_headers
        found: dict[str, Message] = {
            way.name: build(_ROUTE, rate_limits=[one for limit in limits for one in _build(limit, rule, headers)])
            for way, limits in sorted(_group(rule).items())
        }
        return {**found, _AGAIN: enable()} if quotas_of(rule) else found


def _limits(rule: HttpRule) -> list[LimitRule]:
    return [limit for limit in rule.rate_limit.rules if limit.scope == "global"] if rule.rate_limit else []


def _group(rule: HttpRule) -> dict[_Way, list[LimitRule]]:
    """Group a rule's limits by what is done with them. Where one queues, those like it are asked with it."""
    found: dict[_Way, list[LimitRule]] = {}
    for limit in _limits(rule):
        found.setdefault(_way(limit), []).append(limit)
    for way in [one for one in found if one.queues]:
        found[way] += found.pop(way._replace(queues=False), [])
    return found


def _way(limit: LimitRule) -> _Way:
    answer = limit.answer or LimitAnswer()
    waits = limit.smooth or bool(limit.calm and limit.delay)
    silent = limit.answer is not None
    return _Way(limit.fail_closed, answer.status, answer.error_status, waits, silent, answer.exhausted, limit.queued)


def _entry(server: Server, way: _Way) -> ChainEntry:
    """Return the entry, off by default: it has no limits of its own, so for a route without any it does nothing."""
    timeout = _PATIENCE if way.waits else _QUEUE if way.queues else _TIMEOUT
    config = build(
        _FILTER,
        domain=_DOMAIN,
        metadata_namespace=LIMITS,
        timeout=timeout,
        failure_mode_deny=way.closed or None,
        disable_x_envoy_ratelimited_header=way.silent or None,
        rate_limited_as_resource_exhausted=way.exhausted or None,
        rate_limited_status=None if way.status == _OVER else {"code": way.status},
        status_on_error=None if way.error_status == _FAULT else {"code": way.error_status},
        rate_limit_service={
            "grpc_service": {"envoy_grpc": {"cluster_name": SERVICES}, "timeout": timeout},
            "transport_api_version": "V3",
        },
        enable_retry_after_header=(server.http.rate_limit_headers and not way.silent) or None,
    )
    return ChainEntry(way.name, config, disabled=True, inert=True)


def _build(limit: LimitRule, rule: HttpRule, headers: bool) -> list[dict[str, Any]]:
    """Return what is asked on the way in, and what is charged when the answer has ended."""
    name, per = limit_name(limit, rule.origin), _per(limit)
    selected = [*_telling(limit), *build_actions(limit, rule.security)]
    if limit.backends and label(limit.origin) not in name:  # a quota may have several counters
        selected = [generic(_BUCKET, label(limit.origin)), *selected]

    def actions(mode: str) -> list[Action]:
        return [generic(mode, name), generic(_PER, per), *selected]

    shown = headers if limit.headers is None else limit.headers
    override = _metadata_key(limit.limit_from)
    asked = {
        "actions": actions(_SHADOW if limit.shadow else _QUOTA if limit.backends else _LIMIT),
        "hits_addend": _reserved(limit) if limit.reserves else _hits(limit.request_cost, rule, limit.origin),
        "limit": override,
        "x_ratelimit_option": "DRAFT_VERSION_03" if shown and not (limit.shadow or limit.backends) else "OFF",
    }
    if limit.window == "concurrent":
        return [asked, {"actions": actions(_CHARGE), "hits_addend": _ONE_BACK, "apply_on_stream_done": True}]
    if not limit.response_cost:
        return [asked]
    charged = {
        "actions": actions(_CHARGE),
        "hits_addend": _charge(limit, rule),
        "limit": override,
        "apply_on_stream_done": True,
    }
    if not limit.reserves:
        return [asked, charged]
    released = {**charged, "hits_addend": {**_released(limit), "is_negative_hits": True}}
    return [asked, released, charged]


def _reserved(limit: LimitRule) -> dict[str, Any]:
    """Return the most tokens that a request asks for, and no more than there ever are to be had."""
    return {"format": typed_cel(_most(limit))}


def _released(limit: LimitRule) -> dict[str, Any]:
    """Return what was reserved, unless the window has forgotten it already."""
    seconds = round(limit.unit.total_seconds())
    return {"format": typed_cel(f"request.duration < duration('{seconds}s') ? ({_most(limit)}) : 0u")}


def _most(limit: LimitRule) -> str:
    place = f"metadata.filter_metadata['{ASKED}']"
    found = "0u"
    for key in reversed(MOST_KEYS):
        asked = f"{place}['{key}']"
        bounded = f"({asked} < {limit.requests}.0 ? uint({asked}) : {limit.requests}u)"
        found = f"('{key}' in {place} && {asked} > 0.0 ? {bounded} : {found})"
    return f"'{ASKED}' in metadata.filter_metadata ? {found} : 0u"


def _per(limit: LimitRule) -> str:
    """Return the limit as the service reads it. What may come ahead of its time comes on top of the one in time."""
    if limit.window == "leaky":
        return f"{limit.requests + 1}/{limit.unit.total_seconds():.6f}/leaky"
    seconds = max(1, round(limit.unit.total_seconds()))
    return f"{limit.requests}/{seconds}" + ("" if limit.window == "fixed" else f"/{limit.window}")


def _telling(limit: LimitRule) -> list[Action]:
    """Return what the service tells of a limit: headers, body, type of the body, and how requests wait."""
    answer = limit.answer or LimitAnswer()
    waits = (limit.smooth, limit.calm, limit.delay.total_seconds())
    told = (answer.headers or (), answer.body, answer.content_type, *waits)
    more = (answer.retry_headers, answer.warning or (), limit.queued)
    if not any((*told, *more)):
        return []
    return [generic(_TELLING, json.dumps((*told, *more) if any(more) else told))]


def _hits(cost: int | MetadataNumber | Expression, rule: HttpRule, origin: Origin) -> dict[str, Any] | None:
    if isinstance(cost, int):
        return None if cost == 1 else {"number": uint64(cost)}
    return {"format": typed_cel(_expression(cost, rule, origin))}


def _charge(limit: LimitRule, rule: HttpRule) -> dict[str, Any] | None:
    cost = limit.response_cost
    if not limit.backends:
        return _hits(cost, rule, limit.origin)
    clusters = ", ".join(quote(name) for name in clusters_of(limit, rule))
    amount = f"{cost}u" if isinstance(cost, int) else _expression(cost, rule, limit.origin)
    return {"format": typed_cel(f"xds.cluster_name in [{clusters}] ? ({amount}) : 0u")}


def _ask_again() -> Any:
    """Filter state that nobody reads: the filter is there for its `clear_route_cache`."""
    value = {
        "object_key": "anygate.quotas.asked",
        "factory_key": "envoy.string",
        "format_string": {"text_format_source": {"inline_string": "yes"}},
    }
    config = "envoy.extensions.filters.http.set_filter_state.v3.Config"
    return build(config, clear_route_cache=True, on_request_headers=[value])


def _expression(cost: MetadataNumber | Expression, rule: HttpRule, origin: Origin) -> str:
    inference = rule.inference
    if isinstance(cost, Expression):
        return cost_expression(cost.expression, origin, inference, estimated=cost.estimated)
    if cost.namespace != COSTS or inference is None:
        return metadata_expression(cost.namespace, cost.key)
    # Where a key is there twice, the last one holds.
    found = next((one for one in reversed(inference.costs) if one.key == cost.key), None)
    return cost_expression(found.expression, found.origin, inference) if found else "0u"


def _metadata_key(found: MetadataNumber | None) -> dict[str, Any] | None:
    if found is None:
        return None
    key = {"key": found.namespace, "path": [{"key": found.key}]}
    return {"dynamic_metadata": {"metadata_key": key}}
