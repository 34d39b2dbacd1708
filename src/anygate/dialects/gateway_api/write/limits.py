"""Rate limits as those of a BackendTrafficPolicy."""

from datetime import timedelta
from typing import Any

import msgspec

from anygate.dialects.gateway_api.write.conditions import METHODS, Unsayable, read_value, write_path
from anygate.dialects.gateway_api.write.findings import SECURITY, SETTING
from anygate.dialects.gateway_api.write.losses import Losses
from anygate.dialects.gateway_api.write.words import given
from anygate.model.limits import Expression, LimitRule, LimitSelector, MetadataNumber, RateLimit
from anygate.model.match import ValueMatch

_UNITS = {
    timedelta(seconds=1): "Second",
    timedelta(minutes=1): "Minute",
    timedelta(hours=1): "Hour",
    timedelta(days=1): "Day",
    timedelta(days=30): "Month",
    timedelta(days=365): "Year",
}
_WINDOWS = {"leaky": "a pace of single requests", "concurrent": "a number of requests at the same time"}


def write_limits(found: RateLimit, losses: Losses) -> dict[str, Any] | None:
    """The limits, each with the unit of the API that it can be counted in."""
    rules: dict[str, list[dict[str, Any]]] = {"local": [], "global": []}
    for rule in found.rules:
        made = _write_rule(rule, losses)
        if made is not None:
            rules[rule.scope].append(made)
    made_of = {scope: {"rules": listed} for scope, listed in rules.items() if listed}
    return made_of or None


def _write_rule(rule: LimitRule, losses: Losses) -> dict[str, Any] | None:
    if rule.window in _WINDOWS:
        losses.add(SECURITY, rule.origin, f"the limit is left out: {_WINDOWS[rule.window]} cannot be said")
        return None
    if isinstance(rule.response_cost, Expression) and rule.request_cost == 0:
        losses.add(SECURITY, rule.origin, "the limit is left out: a cost of answers that is worked out cannot be said")
        return None
    try:
        selectors = [made for one in rule.selectors if (made := _write_selector(one))]
    except Unsayable as problem:
        losses.add(SECURITY, rule.origin, f"the limit is left out: {problem} cannot be said")
        return None
    limit = _write_amount(rule)
    if limit is None:
        text = f"the limit is left out: {rule.requests} per {rule.unit} is no whole number in any unit of the API"
        losses.add(SECURITY, rule.origin, text)
        return None
    if limit["requests"] != rule.requests:
        text = f"{rule.requests} per {rule.unit} becomes {limit['requests']} per {limit['unit'].lower()}"
        losses.add(SETTING, rule.origin, text)
    if isinstance(rule.response_cost, Expression):
        losses.add(SETTING, rule.origin, "a cost of answers that is worked out has no place")
    response = rule.response_cost if not isinstance(rule.response_cost, Expression) else 0
    if rule.limit_from is not None:
        limit["fromMetadata"] = _metadata(rule.limit_from)
    shown = None if rule.headers is None else "DraftVersion03" if rule.headers else "Disabled"
    return given(
        client_selectors=selectors or None,
        limit=limit,
        cost=given(
            request=_write_cost(rule.request_cost) if rule.request_cost != 1 else None,
            response=_write_cost(response) if response != 0 and rule.scope == "global" else None,
        ),
        shared=rule.shared or None,
        shadow_mode=rule.shadow or None,
        x_rate_limit_headers=shown,
    )


def _write_amount(rule: LimitRule) -> dict[str, Any] | None:
    """Requests in a unit of the API: the same, or the same rate."""
    name = _UNITS.get(rule.unit)
    if name is not None:
        return {"requests": rule.requests, "unit": name}
    for unit, called in reversed(_UNITS.items()):
        if unit < rule.unit and rule.requests * unit % rule.unit == timedelta(0):
            return {"requests": rule.requests * unit // rule.unit, "unit": called}
    for unit, called in _UNITS.items():
        if unit > rule.unit and unit % rule.unit == timedelta(0):
            return {"requests": rule.requests * (unit // rule.unit), "unit": called}
    return None


def _write_cost(cost: int | MetadataNumber) -> dict[str, Any]:
    if isinstance(cost, MetadataNumber):
        return {"from": "Metadata", "metadata": _metadata(cost)}
    return {"from": "Number", "number": cost}


def _metadata(found: MetadataNumber) -> dict[str, str]:
    return {"namespace": found.namespace, "key": found.key}


def _read_text(found: LimitSelector) -> LimitSelector:
    """A selector that counts each value of a text apart, by the one thing that the text is; a literal is one for all.

    The API leaves requests out of account that lack what they are told apart by, where the text counted their client.
    """
    text = found.distinct_text
    if text is None:
        return found
    plain = msgspec.structs.replace(found, distinct_text=None)
    if not text.variables:
        return plain
    if all(one.kind == "client_address" for one in text.variables):
        return msgspec.structs.replace(plain, distinct_addresses=True)
    raise Unsayable(f"a limit for each value of {text}")


def _write_selector(written: LimitSelector) -> dict[str, Any]:
    found = _read_text(written)
    if found.distinct_callers:
        raise Unsayable(f"a limit for each {found.distinct_callers}")
    headers = [_write_value(one, lower=True) for one in found.headers]
    headers += [{"type": "Distinct", "name": name} for name in found.distinct_headers]
    query = [_write_value(one, lower=False) for one in found.query]
    query += [{"type": "Distinct", "name": name} for name in found.distinct_query]
    strange = [one for one in found.methods if one not in METHODS]
    if strange:
        raise Unsayable(f"the method {strange[0]}")
    path = write_path(found.path) if found.path else None
    address = found.cidr or ("0.0.0.0/0" if found.distinct_addresses else "")
    return given(
        headers=headers or None,
        query_params=query or None,
        methods=[given(value=one, invert=found.other_methods or None) for one in found.methods] or None,
        path=given(type=path.type, value=path.value, invert=found.other_path or None) if path else None,
        source_cidr=given(
            type="Distinct" if found.distinct_addresses else "Exact",
            value=address,
            invert=found.other_addresses or None,
        )
        if address
        else None,
    )


def _write_value(found: ValueMatch, *, lower: bool) -> dict[str, Any]:
    value = read_value(found, lower=lower)
    kind = "Exact" if value.kind == "exact" else "RegularExpression"
    return given(type=kind, name=value.name, value=value.value, invert=found.invert or None)
