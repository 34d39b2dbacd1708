"""How destinations are reached: what both sides send to, and what holds for connections to it."""

from collections.abc import Iterator

from anygate.diff.answer import Aspect, Difference, Place
from anygate.diff.aspects import compare_plain
from anygate.diff.names import Plain, is_looked_up, own_endpoints, render_value
from anygate.diff.side import Side
from anygate.model.backend import Backend
from anygate.model.root import Model
from anygate.model.route import list_backends

_ELSEWHERE = frozenset(
    (
        # What it is called, and what it reaches.
        *("type", "name", "service", "namespace", "port", "groups", "dynamic", "members"),
        # What rules say of it, and are asked about themselves.
        *("sticky", "stub", "fallback", "provider"),
        # What stands in for it on a laptop.
        "simulated",
    )
)


def compare_backends(old: Side, new: Side) -> Iterator[Difference]:
    """Differences of destinations that both sides send requests to."""
    before, after = _by_reach(old), _by_reach(new)
    for place in before:
        if place not in after:
            continue
        # What holds for a destination may differ from route to route; what is the same on both sides is no change.
        ours = [one for one in before[place] if all(_compare(old, new, one, other) for other in after[place])]
        theirs = [one for one in after[place] if all(_compare(old, new, other, one) for other in before[place])]
        if ours or theirs:
            one, other = (ours or before[place])[0], (theirs or after[place])[0]
            yield Difference(
                kind="backend",
                change="changed",
                title=place[0],
                old=_place(one),
                new=_place(other),
                aspects=tuple(_compare(old, new, one, other)),
            )


def _by_reach(side: Side) -> dict[tuple[str, str], list[Backend]]:
    """The backends that routes use, by what they reach, and by whether that is spoken to in HTTP."""
    found: dict[tuple[str, str], list[Backend]] = {}
    known = side.names.backends
    used = (known[name] for name in _used(side.model) if name in known)
    for name in sorted({name for one in used for name in one.members or (one.name,)}):
        if name in known:
            spoken = known[name].protocol if known[name].protocol in ("tcp", "udp") else "http"
            found.setdefault((side.names.reach(name), spoken), []).append(known[name])
    return found


def _used(model: Model) -> set[str]:
    """The names of backends that rules send anything to or ask anything."""
    servers = [server for gateway in model.gateways for listener in gateway.listeners for server in listener.servers]
    routes = [route for server in servers for route in server.routes]
    routes += [route for gateway in model.gateways for stage in gateway.stages for route in stage.routes]
    found = {name for route in routes for rule in route.rules for name in list_backends(rule)}
    return {*found, *(target.backend for server in servers for route in server.streams for target in route.targets)}


def _compare(old: Side, new: Side, one: Backend, other: Backend) -> list[Aspect]:
    before, after = _describe(old, one), _describe(new, other)
    if not (is_looked_up(one) and is_looked_up(other)):
        # How names are resolved says nothing where there are none.
        before.pop("dns")
        after.pop("dns")
    aspects = compare_plain(before, after)
    ends = own_endpoints(one), own_endpoints(other)
    if None not in ends and ends[0] != ends[1]:
        aspects.append(Aspect(name="endpoints", old=_list_ends(ends[0]), new=_list_ends(ends[1])))
    return aspects


def _describe(side: Side, backend: Backend) -> dict[str, Plain]:
    found = {name: value for name, value in side.names.plain(backend).items() if name not in _ELSEWHERE}
    connection = {name: value for name, value in found.pop("connection").items() if name != "type"}
    return {**found, **connection}


def _list_ends(groups: Plain) -> str:
    return ", ".join(render_value(ends) for *_, ends in groups)


def _place(backend: Backend) -> Place:
    return Place(object=backend.origin.object, place=backend.origin.place)
