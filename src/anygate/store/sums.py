"""Sums over the usage table."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Literal

import msgspec
from sqlalchemy import ColumnElement, Integer, Select, String, case, cast, func, literal, select

from anygate.store.row import FAULTS
from anygate.store.tables import USAGE
from anygate.store.usage import UsageStore

Dimension = Literal["model", "backend", "provider", "key", "day", "route", "outcome", "session"]

_DAY = 86_400_000
_TOKENS = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "total_tokens")
_COLUMNS: MappingProxyType[Dimension, ColumnElement[Any]] = MappingProxyType(
    {
        "model": USAGE.c.model,
        "backend": USAGE.c.backend,
        "provider": USAGE.c.provider,
        # A label is for people; without one the key's hash tells keys apart.
        "key": case((USAGE.c.key_label != "", USAGE.c.key_label), else_=USAGE.c.key_hash),
        "day": cast(USAGE.c.time / _DAY, Integer),
        "route": USAGE.c.route,
        "outcome": USAGE.c.outcome,
        "session": USAGE.c.session,
    }
)
DIMENSIONS: tuple[Dimension, ...] = tuple(_COLUMNS)
"""What usage can be grouped by."""


class Sum(msgspec.Struct, kw_only=True):
    """The sums of one group; `group` has a value for each dimension asked for."""

    group: tuple[str, ...]
    requests: int = 0
    errors: int = 0
    estimated: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    total_tokens: int = 0
    costs: dict[str, int] = msgspec.field(default_factory=dict)


def sum_usage(store: UsageStore, by: Sequence[Dimension], since: int | None = None) -> list[Sum]:
    """Sum usage by dimensions, the group with most tokens first, but days in their order.

    `since` is in milliseconds since 1970.
    """
    found: dict[tuple[Any, ...], Sum] = {}
    with store.reading() as connection:
        for row in connection.execute(_sums(by, since)):
            key = tuple(row[: len(by)])
            requests, errors, estimated, *tokens = row[len(by) :]
            made = Sum(
                group=_render_group(by, key),
                requests=requests,
                errors=int(errors or 0),
                estimated=int(estimated or 0),
            )
            for name, count in zip(_TOKENS, tokens, strict=True):
                setattr(made, name, int(count or 0))
            found[key] = made
        # Keys of costs are anybody's choice, and databases differ in how they look into JSON.
        for row in connection.execute(_costs(by, since)):
            _add_costs(found[tuple(row[: len(by)])].costs, row[-1])
    order = [by.index("day")] if "day" in by else []
    return sorted(found.values(), key=lambda one: ([one.group[at] for at in order], -one.total_tokens, one.group))


def total(sums: Iterable[Sum]) -> Sum:
    """The sum of all groups."""
    made = Sum(group=())
    for one in sums:
        for name in ("requests", "errors", "estimated", *_TOKENS):
            setattr(made, name, getattr(made, name) + getattr(one, name))
        _add_costs(made.costs, one.costs)
    return made


def _sums(by: Sequence[Dimension], since: int | None) -> Select[Any]:
    fault = case((USAGE.c.outcome.in_(sorted(FAULTS)), 1), else_=0)
    estimated = case((USAGE.c.estimated, 1), else_=0)
    sums = (func.sum(USAGE.c[name]) for name in _TOKENS)
    return _grouped(by, since, func.count(), func.sum(fault), func.sum(estimated), *sums, distinct=True)


def _costs(by: Sequence[Dimension], since: int | None) -> Select[Any]:
    return _grouped(by, since, USAGE.c.costs).where(USAGE.c.costs.is_not(None))


def _grouped(by: Sequence[Dimension], since: int | None, *wanted: Any, distinct: bool = False) -> Select[Any]:
    columns = [_COLUMNS[one] for one in by]
    made = select(*columns, *wanted).select_from(USAGE)
    if distinct:
        made = made.group_by(*columns) if columns else made.group_by(literal("", String))
    return made if since is None else made.where(USAGE.c.time >= since)


def _add_costs(sums: dict[str, int], costs: dict[str, int]) -> None:
    for key, value in costs.items():
        sums[key] = sums.get(key, 0) + value


def _render_group(by: Sequence[Dimension], values: Sequence[Any]) -> tuple[str, ...]:
    return tuple(_render_day(value) if one == "day" else str(value) for one, value in zip(by, values, strict=True))


def _render_day(number: int) -> str:
    return datetime.fromtimestamp(number * _DAY // 1000, UTC).date().isoformat()
