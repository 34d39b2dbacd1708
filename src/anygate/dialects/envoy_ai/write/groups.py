"""The rules of a table put together again: each was read as one for each endpoint, path and share of the requests."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import lcm
from typing import NamedTuple

import msgspec

from anygate.dialects.guest_routes import Line
from anygate.model.inference import ModelEndpoint
from anygate.model.match import HttpMatch
from anygate.model.origin import Origin
from anygate.model.route import Forward, HttpRoute, HttpRule

_WHOLE = 100.0
_FINEST = 10**7


class Share(NamedTuple):
    """A part of a rule's requests: what is done with those for the endpoint that counts, and with the others."""

    weight: int
    rule: HttpRule
    rules: tuple[tuple[ModelEndpoint, HttpRule], ...]


@dataclass
class Group:
    """What somebody wrote as one rule. `paths` are where each of its conditions holds; those name no path."""

    route: HttpRoute
    origin: Origin
    paths: dict[HttpMatch, dict[str, None]] = field(default_factory=dict)
    _parts: dict[float, dict[ModelEndpoint, HttpRule]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the rule was called."""
        return next(self._rules()).name.partition("/")[0]

    @property
    def is_whole(self) -> bool:
        """Whether the shares make up all of the requests."""
        return max(self._parts) == _WHOLE

    def add(self, line: Line) -> None:
        """Add a row."""
        rule = line.rule
        assert rule.inference is not None
        match = line.match or HttpMatch(origin=rule.origin)
        self._parts.setdefault(match.percent, {}).setdefault(rule.inference.endpoint, rule)
        method = "" if match.method == "POST" else match.method
        wanted = msgspec.structs.replace(match, path=None, rank=(), percent=_WHOLE, method=method)
        path = match.path.value if match.path is not None else ""
        self.paths.setdefault(wanted, {})[path] = None

    def list_shares(self) -> list[Share]:
        """The shares with whole numbers as weights, the largest first."""
        ends = [Fraction(one / _WHOLE).limit_denominator(_FINEST) for one in sorted(self._parts)]
        parts = [end - before for before, end in zip([Fraction(0), *ends], ends, strict=False)]
        scale = lcm(*(one.denominator for one in parts))
        made = [
            Share(int(part * scale) if len(parts) > 1 else 1, _choose(rules), tuple(rules.items()))
            for part, (_, rules) in zip(parts, sorted(self._parts.items()), strict=True)
        ]
        return sorted(made, key=lambda one: -one.weight)

    def _rules(self) -> Iterator[HttpRule]:
        yield from (rule for rules in self._parts.values() for rule in rules.values())


def put_together(lines: Sequence[Line]) -> list[Group]:
    """The rules that rows were made of, in the order of their first rows."""
    found: dict[tuple[str, Origin], Group] = {}
    for line in lines:
        key = (line.route.name, line.rule.origin)
        found.setdefault(key, Group(line.route, line.rule.origin)).add(line)
    return list(found.values())


def _choose(rules: dict[ModelEndpoint, HttpRule]) -> HttpRule:
    """The rule of the endpoint that has the most backends; that of chats, if it is one of those."""

    def count(endpoint: ModelEndpoint) -> tuple[int, bool]:
        action = rules[endpoint].action
        return (len(action.targets) if isinstance(action, Forward) else -1, endpoint == "chat")

    return rules[max(rules, key=count)]
