"""What almost decided: the rules, hostnames, schemes and ports that came closest, and what was in the way."""

from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher, get_close_matches

from anygate.explain.answer import NearMiss
from anygate.explain.conditions import Condition, check_match, describe_match
from anygate.explain.entrance import Door, bound_port
from anygate.explain.seen import SeenRequest
from anygate.model.inference import MODEL_HEADER
from anygate.model.listener import Server
from anygate.model.root import Model
from anygate.model.route_table import Row, VirtualHost, specificity

LIMIT = 3
_SIMILAR = 0.6


def near_rows(rows: Sequence[Row], seen: SeenRequest, winner: int | None) -> list[NearMiss]:
    """The rows of a table that came closest, fewest failing conditions first.

    Of the rows behind the one that decided, only the first that holds too is of interest; the rows of its own rule
    lead nowhere else.
    """
    found: list[tuple[tuple[object, ...], NearMiss]] = []
    decided = None if winner is None else rows[winner].rule
    for at, row in enumerate(rows):
        if row.rule is decided or row.preflight or row.role or _is_rest(row):
            continue
        conditions = check_match(row.wanted, seen)
        failed = [condition for condition in conditions if condition.holds is not True]
        if not failed and winner is not None:
            text = f"{describe_match(row.match)}: matches too, but {_behind(rows[winner], row)}"
            found.append(((0, 0.0, at), _row_miss(row, text, 0)))
        elif failed and (winner is None or at < winner) and _is_near(failed, conditions, row, seen):
            text = f"{describe_match(row.match)}: " + "; ".join(_failure(each, len(conditions)) for each in failed)
            distance = -_closeness(row, seen)
            found.append(((len(failed), distance, at), _row_miss(row, text, len(failed))))
    found.sort(key=lambda pair: pair[0])
    # A condition that was written once may have several rows: the closest stands for all.
    nearest = {(miss.name, miss.place): miss for _, miss in reversed(found)}
    misses = [miss for _, miss in found if nearest[miss.name, miss.place] is miss]
    shadowed = [miss for miss in misses if not miss.failed][:1]
    return (shadowed + [miss for miss in misses if miss.failed])[:LIMIT]


def near_hosts(table: dict[str, VirtualHost], seen: SeenRequest) -> list[NearMiss]:
    """The hostnames of a listener that the request's host could have meant, best first."""
    domains = [domain for domain, host in table.items() if host.rows and not host.misdirected]
    closest = get_close_matches(seen.domain, domains, LIMIT, _SIMILAR)
    for domain in domains:
        if domain == "*." + seen.domain and domain not in closest:
            closest.insert(0, domain)
    return [_host_miss(table[domain], seen, similar=True) for domain in closest[:LIMIT]]


def rows_elsewhere(table: dict[str, VirtualHost], seen: SeenRequest, chosen: str | None) -> list[NearMiss]:
    """The hostnames under which the request would have found a rule: only its host is wrong."""
    found: list[tuple[tuple[object, ...], NearMiss]] = []
    for domain, host in table.items():
        if domain == chosen or host.misdirected:
            continue
        if any(not row.role and all(each.holds for each in check_match(row.wanted, seen)) for row in host.rows):
            likeness = SequenceMatcher(None, seen.domain, domain).ratio()
            found.append(
                (
                    (-likeness, specificity(domain), domain),
                    _host_miss(host, seen, similar=likeness >= _SIMILAR),
                )
            )
    found.sort(key=lambda pair: pair[0])
    return [miss for _, miss in found]


def near_servers(servers: Iterable[Server], host: str) -> list[NearMiss]:
    """The hostnames of TLS servers that a server name could have meant."""
    by_name = {server.hostname: server for server in servers if server.hostname}
    closest = get_close_matches(host.lower(), list(by_name), LIMIT, 0.0)
    return [
        NearMiss(
            kind="hostname",
            name=name,
            text=f"the TLS server name is {host}",
            place=by_name[name].origin.place,
        )
        for name in closest
    ]


def near_doors(model: Model, ports: dict[str, int], port: int) -> list[NearMiss]:
    """The listeners that there are when none has the port, nearest port first."""
    found = []
    for gateway in model.gateways:
        for listener in gateway.listeners:
            bound = bound_port(listener, ports)
            where = f"port {listener.port}" + (f", or {bound} here" if bound != listener.port else "")
            door = Door(listener, bound, gateway)
            text = f"{where}, {door.protocols}; the request goes to port {port}"
            miss = NearMiss(kind="port", name=listener.name, text=text, place=listener.origin.place)
            distance = min(abs(listener.port - port), abs(bound - port))
            found.append((distance, listener.name, miss))
    found.sort(key=lambda entry: entry[:2])
    return [miss for _, _, miss in found[:LIMIT]]


def near_schemes(doors: Sequence[Door], scheme: str) -> list[NearMiss]:
    """The listeners that have the port but speak something else."""
    return [
        NearMiss(
            kind="scheme",
            name=door.listener.name,
            text=f"speaks {door.protocols}, the request is {scheme}",
            place=door.listener.origin.place,
        )
        for door in doors[:LIMIT]
    ]


def _row_miss(row: Row, text: str, failed: int) -> NearMiss:
    place = (row.match or row.rule).origin.place
    return NearMiss(kind="rule", name=row.route.origin.object, text=text, place=place, failed=failed)


def _host_miss(host: VirtualHost, seen: SeenRequest, *, similar: bool) -> NearMiss:
    row = host.rows[0]
    question = ": did you mean it?" if similar else ""
    return NearMiss(
        kind="hostname",
        name=host.domain,
        text=f"the host is {seen.domain or 'empty'}{question}",
        place=row.route.origin.place,
    )


def _failure(condition: Condition, count: int) -> str:
    return condition.why if count == 1 else f"not {condition.text} ({condition.why})"


def _is_near(failed: Sequence[Condition], conditions: Sequence[Condition], row: Row, seen: SeenRequest) -> bool:
    """A row of which nothing at all holds is no near miss, unless its path is almost the one."""
    if _is_twin(row, seen):
        return False
    if len(failed) < len(conditions):
        return True
    path = next((each for each in failed if each.kind == "path"), None)
    return path is None or "differs" in path.why or "starts" in path.why or len(failed) == 1


def _is_rest(row: Row) -> bool:
    """Whether a row answers whatever no rule of the manifests takes: it holds always, which tells nobody anything."""
    return row.match is not None and row.match.rank[:1] == (-1,)


def _is_twin(row: Row, seen: SeenRequest) -> bool:
    """Whether a row of an AI rule is about another endpoint: each of its rules has a row for every endpoint."""
    path = row.match.path if row.match else None
    return row.rule.inference is not None and path is not None and path.value.lower() != seen.path.rstrip("/").lower()


def _closeness(row: Row, seen: SeenRequest) -> float:
    if row.match is None or row.match.path is None:
        return 1.0
    asked = next(iter(seen.headers.get(MODEL_HEADER, ())), "")
    named = next((value.value for value in row.match.headers if value.name.lower() == MODEL_HEADER), "")
    if row.rule.inference is not None and asked and row.match.path.value == seen.path:
        return SequenceMatcher(None, named, asked).ratio()
    return SequenceMatcher(None, row.match.path.value, seen.path).ratio()


def _behind(winner: Row, row: Row) -> str:
    """Why a row that holds as well comes after the one that decided."""
    if specificity(row.hostname) != specificity(winner.hostname):
        return f"for the less specific hostname {row.hostname}"
    if (row.match.rank if row.match else ()) != (winner.match.rank if winner.match else ()):
        return "it ranks lower, by its priority or its conditions"
    if (row.route.created or "9999") != (winner.route.created or "9999"):
        return "its route is newer"
    if row.route.name != winner.route.name:
        return "its route's name sorts later"
    return "it was written later"
