"""Rows in the order of the source, said so that the Gateway API's own order leads to the same answers.

The Gateway API asks the more specific match first: the kind and the length of the path, a method, the number of
headers and of query parameters. Within one route what is written first breaks a tie. So where a row has to be asked
before a more specific one that takes some of the same requests, what both take is written once more, for the first of
them: that match is the more specific of all. What is left without requests is not written.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from anygate.dialects.gateway_api.write.conditions import UNKNOWN, Positive, Wanted, join, same, write_path
from anygate.dialects.gateway_api.write.neighbours import Neighbours
from anygate.model.match import PathMatch
from anygate.model.origin import Origin
from anygate.model.route import HttpRule

Rank = tuple[int, ...]
_MOST_ROWS = 400
_MOST_PASSES = 100
_LONGEST_PATH = 1000


@dataclass(frozen=True)
class Entry:
    """A row: conditions that lead to a rule. `group` is the route it is written in, `origin` where it was asked for.

    `door` is the path of the rule's own match, which a rewrite of its prefix is about.
    `longer_than` is how long the expression of its path has to be, so that it is asked before another.
    """

    group: str
    wanted: Wanted
    rule: HttpRule
    origin: Origin
    door: PathMatch | None = None
    longer_than: int = 0

    @property
    def is_moving(self) -> bool:
        """Whether what becomes of a request depends on which of a rule's matches took it."""
        rewrite = self.rule.rewrite
        return rewrite is not None and rewrite.path is not None and rewrite.path.kind == "prefix"


Ranking = Callable[[Entry], Rank]


@dataclass
class Order:
    """Rows that may be written as they stand, the groups that have to be one route, and pairs that nothing helps."""

    entries: list[Entry]
    joined: dict[str, str] = field(default_factory=dict)
    unsettled: list[tuple[Entry, Entry]] = field(default_factory=list)

    def group(self, entry: Entry) -> str:
        """The group that a row ended up in."""
        found = entry.group
        while found in self.joined:
            found = self.joined[found]
        return found

    def join_groups(self, one: Entry, other: Entry) -> None:
        """Have two rows written in one route."""
        first, second = self.group(one), self.group(other)
        if first != second:
            self.joined[second] = first


class Inverted(NamedTuple):
    """A row with the conditions that must not hold."""

    entry: Entry
    holes: tuple[Wanted, ...]


def fill_holes(rows: Sequence[tuple[Entry, Positive]], otherwise: HttpRule) -> list[Entry] | None:
    """Rows without inverted conditions: what one leaves out is led to the rows behind it before it is asked.

    `otherwise` answers what no row behind takes. None where that would be too many rows.
    """
    made: list[Entry] = []
    most = 10 * (len(rows) + _MOST_ROWS)
    for entry, positive in reversed(rows):
        before: list[Entry] = []
        for hole in positive.holes:
            kept = join(positive.wanted, hole)
            if kept is None:
                continue
            if kept is UNKNOWN or len(made) + len(before) > most:
                return None
            assert isinstance(kept, Wanted)
            for behind in made:
                both = join(kept, behind.wanted)
                if both is UNKNOWN:
                    return None
                if isinstance(both, Wanted):
                    before.append(replace(behind, wanted=both, group=entry.group, longer_than=0))
            before.append(replace(entry, wanted=kept, rule=otherwise))
        made = [*before, replace(entry, wanted=positive.wanted), *made]
    return made


def settle(entries: Sequence[Entry], rank: Ranking) -> Order:
    """Say rows so that the most specific one that takes a request is the first that does."""
    order = Order(list(entries))
    most = 10 * (len(entries) + _MOST_ROWS)
    for _ in range(_MOST_PASSES):
        order.unsettled.clear()
        if not _Pass(order, rank, most).run():
            return order
    order.unsettled.append((order.entries[0], order.entries[-1]))
    return order


class _Pass:
    """One look at every pair of rows that may take the same requests; rows keep their positions until it is over."""

    def __init__(self, order: Order, rank: Ranking, most: int) -> None:
        self._order = order
        self._rank = rank
        self._most = most
        self._rows: list[Entry | None] = list(order.entries)
        self._before: dict[int, list[Entry]] = {}
        self._made: list[Entry] = []
        self._near_made = Neighbours()
        self._near = Neighbours(entry.wanted.path for entry in order.entries)
        self._changed = False

    def run(self) -> bool:
        """Whether anything was changed."""
        for at in range(len(self._rows)):
            for later in self._near.of(self._order.entries[at].wanted.path, after=at):
                if self._rows[at] is not None and self._rows[later] is not None:
                    self._compare(at, later)
        self._order.entries = [
            entry
            for at, row in enumerate(self._rows)
            for entry in (*self._before.get(at, ()), *((row,) if row is not None else ()))
        ]
        return self._changed

    def _pair(self, at: int, later: int) -> tuple[Entry, Entry]:
        one, other = self._rows[at], self._rows[later]
        assert one is not None
        assert other is not None
        return one, other

    def _compare(self, at: int, later: int) -> None:
        one, other = self._pair(at, later)
        if one.rule is other.rule and not one.is_moving:
            if same(one.wanted, other.wanted):
                self._rows[later] = None
            return
        both = join(one.wanted, other.wanted)
        if both is None:
            return
        if isinstance(both, Wanted) and same(both, other.wanted):
            # Nothing gets past the first.
            self._rows[later] = None
            return
        first, second = self._rank(one), self._rank(other)
        if first > second:
            return
        if first == second:
            self._order.join_groups(one, other)
        elif isinstance(both, Wanted) and not same(both, one.wanted):
            self._insert(at, both, later)
        else:
            self._raise(at, later)

    def _insert(self, at: int, both: Wanted, later: int) -> None:
        """Have what two rows share asked for by the first, once more."""
        one, other = self._pair(at, later)
        made = replace(one, wanted=both, longer_than=0)
        if self._rank(made) == self._rank(other):
            self._order.join_groups(made, other)
        elif self._rank(made) < self._rank(other) or len(self._rows) + len(self._made) > self._most:
            self._give_up(one, other)
            return
        if self._is_taken(at, both):
            # What both take goes to a row before them, whose order with the second is looked at by itself.
            return
        self._before.setdefault(at, []).append(made)
        self._made.append(made)
        self._near_made.add(both.path)
        self._changed = True

    def _is_taken(self, at: int, both: Wanted) -> bool:
        """Whether a row before takes all of it."""
        earlier = (self._rows[one] for one in self._near.over(both.path) if one < at)
        return any(entry is not None and _takes_all(entry, both) for entry in earlier) or any(
            _takes_all(self._made[one], both) for one in self._near_made.over(both.path)
        )

    def _raise(self, at: int, later: int) -> None:
        """Have the first of two rows asked first by a longer expression for the same paths.

        An exact path comes before all expressions, so it becomes one first.
        """
        one, other = self._pair(at, later)
        asked = write_path(other.wanted.path, other.longer_than)
        if asked.type == "Exact":
            self._rows[later] = replace(other, longer_than=1)
            self._changed = True
            return
        length = len(asked.value) if asked.type == "RegularExpression" else 1
        made = replace(one, longer_than=max(length, one.longer_than))
        if length > _LONGEST_PATH or self._rank(made) <= self._rank(other):
            self._give_up(one, other)
            return
        self._rows[at] = made
        self._changed = self._changed or made != one

    def _give_up(self, one: Entry, other: Entry) -> None:
        if (one, other) not in self._order.unsettled:
            self._order.unsettled.append((one, other))


def _takes_all(entry: Entry, wanted: Wanted) -> bool:
    both = join(entry.wanted, wanted)
    return isinstance(both, Wanted) and same(both, wanted)


def each_group(order: Order) -> Iterator[tuple[str, list[Entry]]]:
    """The rows of each route, in their order."""
    found: dict[str, list[Entry]] = {}
    for entry in order.entries:
        found.setdefault(order.group(entry), []).append(entry)
    yield from found.items()
