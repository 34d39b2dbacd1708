"""What a rule of an ApisixRoute asks for, and the order in which rules are asked.

https://apisix.apache.org/docs/apisix/terminology/router/ describes the routers; the greatest rank is asked first.
"""

import re
from collections.abc import Iterator

from anygate.diagnostics import FieldPath
from anygate.dialects.apisix.context import Fault
from anygate.dialects.apisix.expressions import Conditions, join_conditions, read_asked, read_expression
from anygate.dialects.apisix.findings import CONDITION
from anygate.dialects.apisix.kinds.apisixroute import HttpRule, RouteMatch
from anygate.model.match import HttpMatch, PathMatch
from anygate.model.origin import Origin


def read_matches(rule: HttpRule, path: FieldPath, origin: Origin) -> tuple[HttpMatch, ...] | Fault:
    """Every combination of a path and a method, each with all of the conditions."""
    written = rule.match
    if written.filter_func:
        text = "filter_func is a function of APISIX's own, which nothing else can run"
        return Fault(CONDITION, text, (*path, "filter_func"), "write the condition in exprs")
    conditions = _read_conditions(written, path)
    if isinstance(conditions, Fault):
        return conditions
    return tuple(
        conditions.narrow(HttpMatch(origin=origin, path=asked, method=method, rank=rank_of(text, rule)))
        for text, asked in _read_paths(written)
        for method in dict.fromkeys(written.methods) or ("",)
    )


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


def _read_conditions(match: RouteMatch, path: FieldPath) -> Conditions | Fault:
    parts = [Conditions(source_cidrs=match.remote_addrs)]
    for index, expression in enumerate(match.exprs):
        part = read_asked(read_expression(expression))
        joined = part if isinstance(part, str) else join_conditions((*parts, part))
        if isinstance(joined, str) or isinstance(part, str):
            return Fault(CONDITION, f"the condition cannot be asked for: {joined}", (*path, "exprs", index))
        parts.append(part)
    found = join_conditions(parts)
    assert isinstance(found, Conditions)
    return found
