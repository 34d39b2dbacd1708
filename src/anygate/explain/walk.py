"""From a request to an explanation: listener, server, hostname, rule, backend, and what decides each."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from anygate.explain.answer import Decision, Explanation, NearMiss, Step
from anygate.explain.callers import describe_claims, hand_over
from anygate.explain.conditions import check_match, describe_match
from anygate.explain.entrance import (
    Door,
    choose_server,
    choose_stream,
    find_doors,
    lay_table,
    moved_ports,
    servers_for,
)
from anygate.explain.inference import enter, reserved_headers
from anygate.explain.near_misses import (
    LIMIT,
    near_doors,
    near_hosts,
    near_rows,
    near_schemes,
    near_servers,
    rows_elsewhere,
)
from anygate.explain.outcome import Outcome, decide, decide_stream
from anygate.explain.request import Request
from anygate.explain.seen import SeenRequest, Turned, see_request, strip_dot
from anygate.explain.stages import Onward, find_stage, lay_stage, stage_step
from anygate.explain.upstream import Way
from anygate.model.listener import HttpServer, Server
from anygate.model.root import Model
from anygate.model.route_table import Row, VirtualHost, find_domain

_FIRST_ERROR = 400
_GRPC = "application/grpc"
_GRPC_STATUSES = {400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14}
_NOWHERE: Mapping[str, int] = MappingProxyType({})


def explain(model: Model, request: Request, ports: Mapping[str, int] = _NOWHERE) -> Explanation:
    """Explain where a request goes and why.

    `ports` says where listeners are bound, by name; others are bound where they were written, or 10000 higher
    when that port needs privileges. The request's port may be either.
    """
    doors = find_doors(model, request, ports)
    if not doors:
        decision = Decision(kind="none", reason=f"nothing listens on port {request.port}: the connection is refused")
        return _conclude(request, request.path, [], decision, near_doors(model, dict(ports), request.port))
    door = doors[0]
    steps = [_listener_step(door, request)]
    notes = _rival_notes(doors, request)
    speaking = servers_for(door.listener, request.scheme)
    if not speaking:
        reason = f"the port does not speak {request.scheme}: the connection fails"
        return _conclude(
            request,
            request.path,
            steps,
            Decision(kind="none", reason=reason),
            near_schemes(doors, request.scheme),
            notes,
        )
    plain = [server for server in speaking if server.protocol == "http"]
    if plain:
        return _route(model, request, door, None, plain[0].http, ports, steps, notes)
    server = choose_server(speaking, request.host)
    if server is None:
        reason = f"no server has the TLS server name {request.host}: the connection is reset"
        misses = near_servers(speaking, request.host)
        return _conclude(request, request.path, steps, Decision(kind="none", reason=reason), misses, notes)
    why = "connections without TLS" if server.protocol == "tcp" else f"TLS server name {request.host}"
    steps.append(_server_step(server, why))
    if server.protocol == "https":
        return _route(model, request, door, server, server.http, ports, steps, notes)
    return _stream(model, request, server, steps, notes)


def _route(
    model: Model,
    request: Request,
    door: Door,
    server: Server | None,
    http: HttpServer,
    ports: Mapping[str, int],
    steps: list[Step],
    notes: list[str],
) -> Explanation:
    """Go on from an HTTP server: check the request, then ask its table."""
    servers = [server] if server else [each for each in door.listener.servers if each.protocol == "http"]
    seen = see_request(request, http, reserved_headers(servers))
    if isinstance(seen, Turned):
        return _conclude(request, request.path, steps, _turn(seen), [], notes)
    forged = describe_claims(seen, http)
    notes += [forged] if forged else []
    if http.health_check_path and seen.target == http.health_check_path:
        decision = Decision(kind="respond", status=200, reason="the health check path is answered by the gateway")
        return _conclude(request, seen.path, steps, decision, [], notes)
    if seen.path != request.path:
        notes.append(f"the path {request.path} is put in order before routing: {seen.path}")
    table = lay_table(door.listener, server)
    domain = find_domain(table, seen.domain)
    if domain is None:
        decision = Decision(kind="respond", status=404, reason=f"no hostname matches {seen.domain or 'an empty host'}")
        return _conclude(request, seen.path, steps, decision, near_hosts(table, seen), notes)
    host = table[domain]
    if server is None:
        steps.append(_server_step(host.server, f"the most specific server for {seen.domain}"))
    if host.misdirected:
        steps.append(Step(kind="hostname", name=domain, place=host.server.origin.place, text="of another server"))
        reason = f"{seen.domain} belongs to server {host.server.name}: the client has to connect anew for it"
        return _conclude(request, seen.path, steps, Decision(kind="respond", status=421, reason=reason), [], notes)
    way = Way(door.listener.port, moved_ports(door, request.port, ports))
    return _ask(model, request, seen, table, host, way, steps, notes)


def _ask(
    model: Model,
    request: Request,
    seen: SeenRequest,
    table: dict[str, VirtualHost],
    host: VirtualHost,
    way: Way,
    steps: list[Step],
    notes: list[str],
) -> Explanation:
    """Ask the rows of a virtual host, in order, and decide by the first that holds."""
    winner = _first(host.rows, seen, notes)
    for role in ("entrance", "reading"):
        if winner is not None and host.rows[winner].role == role:
            seen, step = enter(host.rows[winner], request, seen)
            steps.append(step)
            winner = _first(host.rows, seen, notes)
    if winner is None:
        steps.append(
            Step(
                kind="hostname",
                name=host.domain,
                place=host.server.origin.place,
                text=f"the host is {seen.domain}",
            )
        )
        misses = near_rows(host.rows, seen, None)
        reason = f"no rule for {host.domain} matches" if host.rows else f"no route is attached for {seen.domain}"
        decision = Decision(kind="respond", status=404, reason=reason)
        elsewhere = rows_elsewhere(table, seen, host.domain)
        close = sorted((*elsewhere, *misses), key=lambda miss: miss.failed)
        return _conclude(request, seen.path, steps, decision, close, notes)
    row = host.rows[winner]
    steps += _row_steps(row, host.domain, seen)
    handed = hand_over(model, row.rule, seen)
    if handed is not None:
        steps.append(handed[1])
        return _ask(model, request, handed[0], table, host, way, steps, notes)
    outcome = decide(model, row, seen, way)
    if outcome.onward is not None:
        return _go_on(model, request, seen, outcome, outcome.onward, way, steps, notes)
    return _conclude(request, seen.path, steps, outcome.decision, near_rows(host.rows, seen, winner), notes, outcome)


def _go_on(
    model: Model,
    request: Request,
    seen: SeenRequest,
    outcome: Outcome,
    onward: Onward,
    way: Way,
    steps: list[Step],
    notes: list[str],
) -> Explanation:
    """Ask the table of the second stage as well; what the first rule does to the request holds too."""
    stage = find_stage(model, onward.stage)
    if stage is None or onward.doubt:
        decision = Decision(kind="none", reason=onward.doubt or f"there is no stage {onward.stage}")
        return _conclude(request, seen.path, steps, decision, [], notes, outcome)
    table = lay_stage(stage)
    domain = find_domain(table, onward.seen.domain)
    assert domain is not None  # a stage takes every host
    notes.extend(outcome.notes)
    steps.append(stage_step(stage, onward.seen))
    found = _ask(model, request, onward.seen, table, table[domain], way, steps, notes)
    return msgspec.structs.replace(found, path=seen.path, applied=(*outcome.applied, *found.applied))


def _first(rows: tuple[Row, ...], seen: SeenRequest, notes: list[str]) -> int | None:
    """The first row of which every condition holds; one that cannot be evaluated is passed over and noted."""
    for at, row in enumerate(rows):
        conditions = check_match(row.wanted, seen)
        if all(condition.holds for condition in conditions):
            return at
        if all(condition.holds is not False for condition in conditions):
            doubt = next(condition for condition in conditions if condition.holds is None)
            place = (row.match or row.rule).origin.place
            notes.append(f"{place}: {doubt.text} cannot be evaluated here, and would decide if it held")
    return None


def _stream(model: Model, request: Request, server: Server, steps: list[Step], notes: list[str]) -> Explanation:
    route = choose_stream(server, request.host)
    if route is None:
        reason = "no route is attached for this connection: it is closed"
        return _conclude(request, request.path, steps, Decision(kind="none", reason=reason), [], notes)
    steps.append(Step(kind="stream", name=route.origin.object, place=route.origin.place, text="bytes are passed on"))
    outcome = decide_stream(model, route)
    return _conclude(request, request.path, steps, outcome.decision, [], notes, outcome)


def _conclude(
    request: Request,
    path: str,
    steps: list[Step],
    decision: Decision,
    misses: list[NearMiss],
    notes: list[str] | None = None,
    outcome: Outcome | None = None,
) -> Explanation:
    return Explanation(
        method=request.method,
        url=request.url,
        host=strip_dot(request.authority),
        path=path,
        decision=decision,
        steps=(*steps, *(outcome.steps if outcome else ())),
        applied=outcome.applied if outcome else (),
        targets=outcome.shares if outcome else (),
        near_misses=tuple(misses[:LIMIT]),
        notes=(*(notes or ()), *(outcome.notes if outcome else ()), *_grpc_notes(request, decision)),
    )


def _grpc_notes(request: Request, decision: Decision) -> list[str]:
    """What a gRPC client sees of an answer that the gateway gives itself: Envoy turns it into a gRPC status."""
    kinds = [value for name, value in request.headers if name.lower() == "content-type"]
    status = decision.status or 0
    if decision.kind != "respond" or status < _FIRST_ERROR or not kinds or not kinds[0].startswith(_GRPC):
        return []
    return [f"a gRPC client sees status {_GRPC_STATUSES.get(status, 2)} instead of {status}"]


def _turn(turned: Turned) -> Decision:
    if turned.location:
        return Decision(kind="redirect", status=turned.status, reason=turned.reason, location=turned.location)
    return Decision(kind="respond", status=turned.status, reason=turned.reason)


def _listener_step(door: Door, request: Request) -> Step:
    listener = door.listener
    bound = f", bound to {door.bound} here" if door.bound != listener.port and request.port == door.bound else ""
    text = f"port {listener.port}{bound}, {door.protocols}"
    return Step(kind="listener", name=listener.name, place=listener.origin.place, text=text)


def _server_step(server: Server, why: str) -> Step:
    text = f"{server.hostname or 'any hostname'}: {why}"
    return Step(kind="server", name=server.name, place=server.origin.place, text=text)


def _row_steps(row: Row, domain: str, seen: SeenRequest) -> list[Step]:
    asked = f"the host is {seen.domain or 'empty'}"
    hostname = row.hostname if row.hostname == domain else f"{row.hostname} (through {domain})"
    rule = row.match or row.rule
    return [
        Step(kind="hostname", name=hostname, place=row.route.origin.place, text=asked),
        Step(kind="route", name=row.route.origin.object, place=row.route.origin.place),
        Step(
            kind="rule",
            name=rule.origin.path or row.rule.name,
            place=rule.origin.place,
            text=describe_match(row.wanted),
        ),
    ]


def _rival_notes(doors: list[Door], request: Request) -> list[str]:
    rivals = [door.listener.name for door in doors[1:] if servers_for(door.listener, request.scheme)]
    return [f"port {request.port} may also be listener {name}" for name in rivals]
