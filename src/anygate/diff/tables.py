"""Two route tables, compared by the requests that tell them apart."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

import msgspec

from anygate.diff.answer import Aspect, Difference, Place, change_of
from anygate.diff.aspects import compare_facts
from anygate.diff.facts import UNTOLD, Facts
from anygate.diff.side import Desk, Door, Met, Side
from anygate.diff.titles import describe_place, describe_request, describe_rows, list_conditions, narrower
from anygate.diff.witnesses import Found, Witness, choose_word, collect_witnesses, is_obscure
from anygate.explain.conditions import describe_match
from anygate.explain.request import Request
from anygate.model.inference_rows import MALFORMED, NAMELESS
from anygate.model.route_table import ANY_HOST, Row, VirtualHost, find_domain

_ELSEWHERE = "elsewhere.example"


@dataclass
class _Change:
    """What becomes otherwise of the requests that one rule took, and another one takes now."""

    met: tuple[Met, Met]
    facts: tuple[Facts, Facts]
    request: Request | None
    boundary: bool
    rows: dict[int, Row] = field(default_factory=dict)
    domains: dict[str, None] = field(default_factory=dict)
    aspects: dict[str, Aspect] = field(default_factory=dict)


class TableComparison:
    """Compares the tables of one way in on both sides."""

    def __init__(self, sides: tuple[Side, Side], doors: tuple[Door, Door], name: str, *, strict: bool) -> None:
        self._sides = sides
        self._doors = doors
        self._name = name
        self._scheme = "https" if name else "http"
        self._port = doors[0].listener.port
        # Where both sides read requests in the same way there is no need to do it twice.
        self._alike = all(getattr(doors[0], name) == getattr(doors[1], name) for name in ("http", "reserved"))
        self._strict = strict
        self._changes: dict[tuple[int, ...], _Change] = {}
        self.notes: list[str] = []

    def run(self) -> list[Difference]:
        """The differences; afterwards `notes` has what is said beside them."""
        for host, domain, pair in self._hosts():
            self._compare_host(host, domain, pair)
        return list(self._conclude())

    def _hosts(self) -> Iterator[tuple[str, str, tuple[VirtualHost | None, VirtualHost | None]]]:
        """A host for each pair of virtual hosts that a request can meet."""
        tables = self._doors[0].table, self._doors[1].table
        taken = frozenset((*tables[0], *tables[1]))
        met: set[tuple[str | None, str | None]] = set()
        for domain in (*sorted(taken), ANY_HOST):
            host = concrete_host(domain, taken)
            found = find_domain(tables[0], host), find_domain(tables[1], host)
            if found != (None, None) and found not in met:
                met.add(found)
                yield host, domain, (tables[0].get(found[0] or ""), tables[1].get(found[1] or ""))

    def _compare_host(self, host: str, domain: str, pair: tuple[VirtualHost | None, VirtualHost | None]) -> None:
        old, new = (Desk(side, door, one) for side, door, one in zip(self._sides, self._doors, pair, strict=True))
        if old.signature() == new.signature():
            return
        rows = [(row, desk.rows_behind(row)) for desk in (old, new) for row in desk.rows]
        word = choose_word(one for row, behind in rows for one in (row, *behind))
        decided: set[int] = set()
        same: dict[tuple[int, int], bool] = {}
        for witness, found in collect_witnesses(rows, word).items():
            request = self._make_request(host, witness)
            seen = old.see(request)
            met = old.meet(request, seen), new.meet(request, seen if self._alike else new.see(request))
            decided |= {id(one.entry) for one in met}
            pair_key = id(met[0].row), id(met[1].row)
            if pair_key not in same:
                same[pair_key] = self._are_same(old, new, *met)
            if not same[pair_key]:
                self._note_change((old, new), met, request, domain, found)
        self._compare_untried(host, old, new, decided)

    def _are_same(self, old: Desk, new: Desk, one: Met, other: Met) -> bool:
        """Whether two rows do the same with any request, so that there is no need to see what that is."""
        if one.row is None or other.row is None or one.ending or other.ending or not self._alike:
            return False
        if one.row is not one.entry or other.row is not other.entry:
            return False
        paths = [met.row.match.path if met.row and met.row.match else None for met in (one, other)]
        return paths[0] == paths[1] and old.done(one.row) == new.done(other.row) and one.row.role == other.row.role

    def _note_change(
        self, desks: tuple[Desk, Desk], met: tuple[Met, Met], request: Request, domain: str, found: Found
    ) -> None:
        facts = desks[0].tell(met[0]), desks[1].tell(met[1])
        aspects = compare_facts(*facts)
        if not aspects:
            return
        key = tuple(_identify(row) for one in met for row in (one.entry, one.row))
        change = self._changes.get(key)
        if change is None or (change.boundary and not found.boundary):
            # What is said of a boundary is not what is to be said of all the others.
            change = self._changes[key] = _Change(met, facts, request, found.boundary)
        entries = [one.entry if one.entry is not None and not one.entry.role else None for one in met]
        row = narrower(entries[0], entries[1]) or found.row
        change.rows[id(row)] = row
        change.domains[domain] = None
        for aspect in aspects:
            change.aspects.setdefault(aspect.name, aspect)

    def _compare_untried(self, host: str, old: Desk, new: Desk, decided: set[int]) -> None:
        """Rows that no request could be made for are compared with those of the other side that ask for the same."""
        rows = [
            {
                repr(desk.asked(row)): row
                for row in reversed(desk.rows)
                if id(row) not in decided and is_obscure(row.wanted)
            }
            for desk in (old, new)
        ]
        request = self._make_request(host, Witness("/"))
        for asked in dict.fromkeys((*rows[0], *rows[1])):
            before, after = rows[0].get(asked), rows[1].get(asked)
            row = before or after
            assert row is not None
            if before is None or after is None:
                met = Met(before, before), Met(after, after)
                found = [Aspect(name="conditions", old=_say_conditions(before), new=_say_conditions(after))]
            elif old.done(before) != new.done(after):
                met = old.meet_row(before, request), new.meet_row(after, request)
                found = compare_facts(old.tell(met[0]), new.tell(met[1]))
            else:
                continue
            if found:
                change = _Change(met, (UNTOLD, UNTOLD), None, boundary=False)
                change.rows[id(row)] = row
                change.domains[row.hostname] = None
                change.aspects |= {one.name: one for one in found}
                self._changes[id(before), id(after), 0, 0] = change

    def _make_request(self, host: str, witness: Witness) -> Request:
        query = "&".join(f"{name}={value}" for name, value in witness.query)
        cookies = "; ".join(f"{name}={value}" for name, value in witness.cookies)
        own = all(door.is_for(host) for door in self._doors)
        # A connection that was made for another name carries requests for this one too.
        elsewhere = () if own else (("host", describe_place(host, self._port, self._scheme)),)
        return Request(
            method=witness.method,
            scheme=self._scheme,
            host=host if own else self._name,
            port=self._port,
            path=witness.path,
            query=query or None,
            headers=(*elsewhere, *witness.headers, *((("cookie", cookies),) if cookies else ())),
            body=_make_body(witness.model),
        )

    def _conclude(self) -> Iterator[Difference]:
        for change in self._changes.values():
            if change.boundary and not self._strict:
                self.notes.append(_describe_boundary(change))
                continue
            old, new = map(_find_place, change.met)
            yield Difference(
                kind="route",
                change=change_of(old, new),
                title=describe_rows(change.domains, self._port, self._scheme, list(change.rows.values())),
                old=old,
                new=new,
                request=describe_request(change.request) if change.request else "",
                aspects=tuple(change.aspects.values()),
            )


def concrete_host(domain: str, taken: Collection[str]) -> str:
    """A host that a domain stands for and no other one of those taken does."""
    if domain and not domain.startswith("*"):
        return domain
    host = f"any{domain[1:]}" if len(domain) > 1 else _ELSEWHERE
    while host in taken:
        host = f"other-{host}"
    return host


def _make_body(model: str | None) -> bytes | None:
    if model is None:
        return None
    if model == MALFORMED:
        return b"!"
    return b"{}" if model == NAMELESS else msgspec.json.encode({"model": model})


def _identify(row: Row | None) -> int:
    """Rules are told by what somebody wrote, from which a reader may have made several; what none takes is one."""
    return hash(row.rule.origin) if row is not None and not row.role else 0


def _say_conditions(row: Row | None) -> str:
    return describe_match(row.wanted) if row is not None else "none that ask for the same"


def _find_place(met: Met) -> Place | None:
    if met.row is None or met.entry is None or met.row.role:
        return None
    rule, route = met.row.rule.origin, met.entry.route.origin
    through = f" through {route.object}" if route.object != rule.object else ""
    return Place(object=rule.object + through, place=rule.place)


def _describe_boundary(change: _Change) -> str:
    """Say what becomes of what is only just covered by a prefix, or only just not."""
    path = change.request.path if change.request else ""
    entries = [met.entry for met in change.met]
    # Of a path that only one side asks for, the other side's row says nothing.
    row = next((one for one in entries if one and one.match and one.match.path), entries[0] or entries[1])
    match = row.match.path if row and row.match else None
    asked = "".join(f" ({text})" for text in (list_conditions(row.wanted if row else None),) if text)
    prefix = match.value if match else ""
    lead = f"{prefix}{asked} ends elsewhere: "
    kinds = [one.match.path.kind if one and one.match and one.match.path else "" for one in entries]
    if kinds[0] == "string_prefix" and path.startswith(prefix):
        lead = f"{prefix}{asked} matches whole path elements now: "
    elif kinds[1] == "string_prefix" and path.startswith(prefix):
        lead = f"{prefix}{asked} matches all that begins with it now: "
    return f"{lead}{path} was {_say(change.facts[0])}, is {_say(change.facts[1])}"


def _say(facts: Facts) -> str:
    if facts.shares and facts.answer == "forwarded":
        return f"answered by {' or '.join(facts.shares)}"
    return facts.answer
