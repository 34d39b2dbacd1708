"""Rules of ApisixRoutes, each a route of the model with its own hosts."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from anygate.diagnostics import FieldPath
from anygate.dialects.apisix.closing import close
from anygate.dialects.apisix.context import Context, Fault, origin
from anygate.dialects.apisix.findings import APPROXIMATED, BACKEND_DROPPED, DIFFERENT_SETTINGS
from anygate.dialects.apisix.kinds.apisixroute import ApisixRoute
from anygate.dialects.apisix.kinds.apisixroute import HttpRule as WrittenRule
from anygate.dialects.apisix.kinds.values import Timeouts as WrittenTimeouts
from anygate.dialects.apisix.matches import Asking, read_hosts, read_matches
from anygate.dialects.apisix.nodes import Member, Nodes
from anygate.dialects.apisix.plugins.assembly import Assembly
from anygate.dialects.apisix.plugins.changes import without_headers
from anygate.dialects.apisix.plugins.consumer_rules import CLIENT_ADDRESS
from anygate.dialects.apisix.plugins.entries import list_entries
from anygate.dialects.apisix.plugins.transformation.https_redirect import TOLD_SCHEME
from anygate.dialects.apisix.targets import Share, make_shares
from anygate.dialects.apisix.unread import find_unread_guard, list_unread_routes
from anygate.model.edit import Respond
from anygate.model.listener import Stage
from anygate.model.match import HttpMatch
from anygate.model.origin import Origin
from anygate.model.retry import Retry
from anygate.model.route import Forward, HttpRoute, HttpRule, Timeouts

CONSUMERS = "apisix/consumers"
"""The stage behind the listeners."""

CONNECT_FAILURE, CONNECT_TIMEOUT = 502, 504
"""What is answered where no connection to a backend can be made, at all or in time."""

NOT_FOUND_BODY = '{"error_msg":"404 Route Not Found"}\n'
_TEXT = "text/plain; charset=utf-8"
_TRIGGERS = ("connect-failure", "refused-stream", "reset-before-request")


@dataclass(frozen=True)
class _Destination:
    """Where a rule leads, and all that follows from how its nodes are talked to."""

    shares: tuple[Share, ...]
    websocket: bool


def read_routes(context: Context, nodes: Nodes, assembly: Assembly) -> tuple[HttpRoute, ...]:
    """Every HTTP rule that takes requests, and the one that answers what no other takes."""
    found: list[HttpRoute] = []
    written = [*context.all(ApisixRoute)]
    for item in written:
        for index, rule in enumerate(item.spec.http):
            path: FieldPath = ("spec", "http", index)
            found.append(_read_rule(context, nodes, assembly, item, rule, path))
    found += list_unread_routes(context)
    unguarded = find_unread_guard(context)
    if unguarded:
        found = [_close_all(route, unguarded) for route in found]
    if written or found:
        found.append(_read_rest(assembly, origin(written[0]) if written else found[0].origin))
    return tuple(context.cache.keep(route) for route in found)


def read_stages(context: Context, assembly: Assembly) -> tuple[Stage, ...]:
    """The stage with the rules of consumers that have plugins of their own; none where there are no such consumers."""
    if not assembly.handed_over:
        return ()
    routes = (
        msgspec.structs.replace(route, rules=tuple(_settle(context, one) for one in route.rules))
        for route in assembly.handed_over
    )
    here = min((route.origin for route in assembly.handed_over), key=lambda one: one.object)
    # It is the stage that talks to backends.
    made = Stage(
        origin=here,
        name=CONSUMERS,
        routes=tuple(context.cache.keep(route) for route in routes),
        connect_failure_status=CONNECT_FAILURE,
        connect_timeout_status=CONNECT_TIMEOUT,
        client_ip_header=CLIENT_ADDRESS,
    )
    return (made,)


def _close_all(route: HttpRoute, reason: str) -> HttpRoute:
    return msgspec.structs.replace(route, rules=tuple(close(rule, reason) for rule in route.rules))


def _read_rule(
    context: Context,
    nodes: Nodes,
    assembly: Assembly,
    item: ApisixRoute,
    written: WrittenRule,
    path: FieldPath,
) -> HttpRoute:
    here = origin(item, path)
    asking = read_matches(written, (*path, "match"), origin(item, (*path, "match")))
    rule = _read_forwarding(context, nodes, item, written, path, asking)
    if isinstance(rule.action, Forward):
        entries = list_entries(context, item, written, path)
        if isinstance(entries, Fault):
            context.refuse_part(item, entries)
            rules: Sequence[HttpRule] = (close(rule, entries.message),)
        else:
            rules = tuple(_settle(context, one) for one in assembly.apply(rule, entries))
    else:
        rules = (rule,)
    return HttpRoute(
        origin=here,
        name=f"{item.namespace}/{item.name}/{written.name}",
        kind="ApisixRoute",
        hostnames=read_hosts(written.match),
        rules=tuple(rules),
        created=item.manifest.creation_timestamp,
    )


def _read_forwarding(
    context: Context,
    nodes: Nodes,
    item: ApisixRoute,
    written: WrittenRule,
    path: FieldPath,
    asking: Asking,
) -> HttpRule:
    """The rule before its plugins; one whose conditions or upstream cannot be had is closed."""
    here = origin(item, path)
    bare = HttpRule(origin=here, name=written.name, matches=asking.matches, action=Forward(origin=here))
    for fault in asking.faults:
        context.refuse_part(item, fault)
    if asking.faults:
        return close(bare, asking.faults[0].message)
    found = _find_destination(context, nodes, item, written, path)
    if isinstance(found, Fault):
        context.refuse_part(item, found)
        return close(bare, found.message)
    shares = found.shares
    treatments = [share.treatment for share in shares]
    alike = len({treatment.rewrite for treatment in treatments}) == 1
    rewrite = treatments[0].rewrite if alike else None
    targets = tuple(
        share.target if alike else msgspec.structs.replace(share.target, rewrite=share.treatment.rewrite)
        for share in shares
    )
    _note_differences(context, item, path, shares)
    timeouts = written.timeout or (treatments[0].timeouts if treatments else WrittenTimeouts())
    return msgspec.structs.replace(
        bare,
        action=Forward(origin=here, targets=targets),
        rewrite=rewrite,
        timeouts=Timeouts(stream_idle=max(timeouts.send, timeouts.read), attempt_idle=timeouts.read),
        retry=_read_retry(here, shares),
        hash_policies=treatments[0].hash_policies if treatments else (),
        upgrades=("websocket",) if found.websocket else (),
    )


def _find_destination(
    context: Context, nodes: Nodes, item: ApisixRoute, written: WrittenRule, path: FieldPath
) -> _Destination | Fault:
    connect = written.timeout.connect if written.timeout is not None else None
    members: list[Member] = []
    websocket = written.websocket
    for index, backend in enumerate(written.backends):
        place: FieldPath = (*path, "backends", index)
        member = nodes.find_service(item, backend, place, backend.weight, connect)
        if isinstance(member, Fault):
            return member
        if member.is_missing:
            text = f"there is no port {backend.service_port} of a Service {item.namespace}/{backend.service_name}"
            context.note(BACKEND_DROPPED, f"{text}; it is left out", item, (*place, "serviceName"))
        websocket = websocket or member.websocket
        members.append(member)
    names = set()
    for index, upstream in enumerate(written.upstreams):
        names.add(upstream.name)
        found = nodes.find_upstream(item, upstream.name, (*path, "upstreams", index, "name"), upstream.weight, connect)
        if isinstance(found, Fault):
            return found
        members += found
    label = f"apisix/ApisixRoute/{item.namespace}/{item.name}/{written.name}"
    if len(names) == 1 and not written.backends:
        label = f"apisix/ApisixUpstream/{item.namespace}/{names.pop()}"
        label += f"@{connect.total_seconds():g}s" if connect is not None else ""
    return _Destination(make_shares(context, members, label, origin(item, path)), websocket)


def _note_differences(context: Context, item: ApisixRoute, path: FieldPath, shares: tuple[Share, ...]) -> None:
    if len(shares) < 2:
        return
    text = "the backends differ in how they are talked to, so that requests are shared out by chance"
    context.note(APPROXIMATED, text, item, path)
    first = shares[0].treatment
    for share in shares[1:]:
        other = share.treatment
        same = (other.timeouts, other.retries, other.hash_policies)
        if same != (first.timeouts, first.retries, first.hash_policies):
            text = "timeouts, retries and hashing of the first backend hold for all of them"
            context.note(DIFFERENT_SETTINGS, text, item, path)
            return


def _read_retry(here: Origin, shares: tuple[Share, ...]) -> Retry | None:
    """As many tries as there are nodes unless the upstream says how many; none once a node has the request."""
    if not shares:
        return None
    wanted = shares[0].treatment.retries
    attempts = sum(share.count for share in shares) - 1 if wanted is None else wanted
    return Retry(origin=here, attempts=attempts, triggers=_TRIGGERS) if attempts > 0 else None


def _settle(context: Context, rule: HttpRule) -> HttpRule:
    """A rule that has no backend, and no plugin that has one for it, answers itself. A backend sees nothing of ours."""
    if not isinstance(rule.action, Forward):
        return rule
    if rule.action.targets:
        return without_headers(rule, [TOLD_SCHEME]) if context.settings.trusted else rule
    return msgspec.structs.replace(rule, action=_nobody(rule.origin))


def _nobody(here: Origin) -> Respond:
    return Respond(origin=here, status=503, reason="no backend of the rule has a weight")


def _read_rest(assembly: Assembly, here: Origin) -> HttpRoute:
    """What answers the requests that no rule takes, on every host."""
    # It belongs to no route: global rules hold for it too.
    here = msgspec.structs.replace(here, kind="APISIX", namespace="", name="apisix", path="")
    answer = Respond(
        origin=here, status=404, body=NOT_FOUND_BODY, content_type=_TEXT, reason="no ApisixRoute takes the request"
    )
    match = HttpMatch(origin=here, rank=(-1,))
    rule = HttpRule(origin=here, name="not-found", matches=(match,), action=answer)
    return HttpRoute(origin=here, name="~", kind="ApisixRoute", rules=assembly.apply(rule, ()))
