"""What a rule of an ApisixRoute asks for, and the order in which rules are asked.

https://apisix.apache.org/docs/apisix/terminology/router/ describes the routers; the greatest rank is asked first.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from anygate.diagnostics import FieldPath
from anygate.dialects.apisix.closing import CLOSED
from anygate.dialects.apisix.context import Fault
from anygate.dialects.apisix.expressions import Conditions, add_condition, read_asked, read_expression
from anygate.dialects.apisix.findings import CONDITION
from anygate.dialects.apisix.kinds.apisixroute import HttpRule, RouteMatch
from anygate.model.match import HttpMatch, PathMatch
from anygate.model.origin import Origin


@dataclass(frozen=True)
class Asking:
    """The requests that a rule is for. With `faults` these are more than it asks for: what could be read of it."""

    matches: tuple[HttpMatch, ...]
    faults: tuple[Fault, ...] = ()


def read_matches(rule: HttpRule, path: FieldPath, origin: Origin) -> Asking:
    """Every combination of a path and a method, each with all of the conditions that can be asked for."""
    written = rule.match
    conditions, faults = _read_conditions(written, path)
    if written.filter_func:
        text = "filter_func is a function of APISIX's own, which nothing else can run"
        faults.append(Fault(CONDITION, _closed(text), (*path, "filter_func"), "write the condition in exprs"))
    matches = tuple(
        conditions.narrow(HttpMatch(origin=origin, path=asked, method=method, rank=rank_of(text, rule)))
        for text, asked in _read_paths(written)
        for method in dict.fromkeys(written.methods) or ("",)
    )
    return Asking(matches, tuple(faults))


def read_hosts(match: RouteMatch) -> tuple[str, ...]:
    """The hosts; none for every host."""
    return () if "*" in match.hosts else tuple(dict.fromkeys(match.hosts))


def rank_of(path: str, rule: HttpRule) -> tuple[int, ...]:
    """An exact path comes before any other, a longer text before its first `*` before a shorter one, then the priority
    decides, then how much else is asked for."""
    stem, star, _ = path.partition("*")
    match = rule.match
    conditions = len(match.exprs) + bool(match.methods) + bool(match.remote_addrs)
    return (0 if star else 1, len(stem), rule.priority, conditions, 1 if match.hosts else 0)


def read_path(path: str) -> PathMatch:
    """A path in which `*` stands for any text."""
    stem, star, rest = path.partition("*")
    if not star:
        return PathMatch(kind="exact", value=path)
    if not rest:
        return PathMatch(kind="string_prefix", value=stem or "/")
    return PathMatch(kind="regex", value=".*".join(map(re.escape, path.split("*"))))


def _read_paths(match: RouteMatch) -> Iterator[tuple[str, PathMatch]]:
    return ((path, read_path(path)) for path in dict.fromkeys(match.paths))


def _read_conditions(match: RouteMatch, path: FieldPath) -> tuple[Conditions, list[Fault]]:
    found, faults = Conditions(source_cidrs=match.remote_addrs), []
    for index, expression in enumerate(match.exprs):
        found, reason = add_condition(found, read_asked(read_expression(expression)))
        if reason:
            text = _closed(f"the condition cannot be asked for: {reason}")
            faults.append(Fault(CONDITION, text, (*path, "exprs", index)))
    return found, faults


def _closed(text: str) -> str:
    return f"{text}; requests that it may be meant for are answered with {CLOSED}"
