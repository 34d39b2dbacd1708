"""From one table of routes to the next: the request as a second stage sees it, and the routes it meets there."""

from typing import NamedTuple

from anygate.explain.answer import Step
from anygate.explain.paths import normalize_path
from anygate.explain.seen import SeenRequest, edit_headers
from anygate.explain.upstream import UNKNOWN, build_upstream
from anygate.model.listener import PASSED_ON, Stage
from anygate.model.root import Model
from anygate.model.route_table import Row, VirtualHost, virtual_hosts


class Onward(NamedTuple):
    """Where a request goes on, and as what; `doubt` says why that is not certain."""

    stage: str
    seen: SeenRequest
    doubt: str = ""


def send_on(row: Row, name: str, seen: SeenRequest) -> Onward:
    """The request after the rewrite and the header edits of a rule that leads to a stage."""
    rule = row.rule
    made = build_upstream(seen, row.match.path if row.match else None, rule.rewrite, (rule.request_headers,))
    if made.path.startswith(UNKNOWN):
        return Onward(name, seen, "the path rewrite uses an expression that cannot be evaluated here")
    path = normalize_path(made.path.partition("?")[0], PASSED_ON.escaped_slashes, PASSED_ON.merge_slashes)
    headers = edit_headers(seen.headers, rule.request_headers) if rule.request_headers else seen.headers
    host = {"host": (made.host,), ":authority": (made.host,)}
    after = seen._replace(host=made.host, path=path.path, headers={**headers, **host}, sent={**seen.sent, **host})
    return Onward(name, after)


def find_stage(model: Model, name: str) -> Stage | None:
    """The stage of a name."""
    return next((one for gateway in model.gateways for one in gateway.stages if one.name == name), None)


def lay_stage(stage: Stage) -> dict[str, VirtualHost]:
    """The virtual hosts of a stage by domain."""
    return {host.domain: host for host in virtual_hosts((stage.server,))}


def stage_step(stage: Stage, seen: SeenRequest) -> Step:
    """Tell people that the request goes on, and as what."""
    text = f"{seen.method} {seen.target} for {seen.host}"
    return Step(kind="stage", name=stage.name, place=stage.origin.place, text=text)
