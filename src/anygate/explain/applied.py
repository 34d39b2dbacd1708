"""What a rule does to a request besides sending it on, and the answers that come before any backend."""

import re
from collections.abc import Iterator
from datetime import timedelta

from anygate.explain.answer import Applied, Decision
from anygate.explain.conditions import describe_path, describe_value
from anygate.explain.prompts import describe_prompts
from anygate.explain.security import describe_security, find_missing_credential
from anygate.explain.seen import SeenRequest
from anygate.model.answers import AnswerEdit
from anygate.model.cache import Cache
from anygate.model.edit import HeaderEdit, Rewrite
from anygate.model.limits import Expression, Faults, LimitRule, LimitSelector, MetadataNumber, RateLimit
from anygate.model.route import HttpRule, Mirror, Timeouts
from anygate.model.route_table import is_forwarding
from anygate.model.security import Cors, CorsHeaders
from anygate.model.telemetry import Trace


def describe_rule(rule: HttpRule) -> tuple[Applied, ...]:
    """List what applies to every request of a rule, in the order in which a request meets it."""
    return tuple(_applied(rule))


def early_answer(rule: HttpRule, seen: SeenRequest) -> Decision | None:
    """Return the answer that comes before the rule's action, where the request alone tells."""
    if rule.cors and is_forwarding(rule) and _is_preflight(seen):
        return preflight_answer()
    if rule.faults and rule.faults.abort_percent >= 100:
        if rule.faults.grpc_status is not None:
            return Decision(kind="respond", status=200, reason=f"injected gRPC status {rule.faults.grpc_status}")
        if rule.faults.abort_status:
            return Decision(kind="respond", status=rule.faults.abort_status, reason="an injected fault")
    missing = find_missing_credential(rule.security, seen) if rule.security else ""
    return Decision(kind="respond", status=401, reason=missing) if missing else None


def preflight_answer() -> Decision:
    """What becomes of a preflight that a rule's CORS policy takes."""
    return Decision(kind="respond", status=200, reason="a CORS preflight is answered by the gateway")


def cors_notes(cors: Cors | None, seen: SeenRequest) -> tuple[str, ...]:
    """Say whether a browser on the request's origin gets to see the answer."""
    origin = next(iter(seen.headers.get("origin", ())), "")
    if cors is None or not origin:
        return ()
    allowed = any(_is_allowed(pattern, origin) for pattern in cors.allow_origins)
    return (f"CORS: origin {origin} is {'' if allowed else 'not '}allowed",)


def _is_allowed(pattern: str, origin: str) -> bool:
    parts = [re.escape(part) for part in pattern.split("*")]
    return pattern == "*" or re.fullmatch("[A-Za-z0-9.-]+".join(parts), origin, re.IGNORECASE) is not None


def describe_edit(side: str, edit: HeaderEdit | None, place: str) -> Iterator[Applied]:
    """List header changes in the order in which they are made."""
    if edit is None:
        return
    changes = [f"remove {name}" for name in edit.remove]
    changes += [f"set {name}: {value}" for name, value in edit.set]
    changes += [f"add {name}: {value}" for name, value in edit.add]
    yield Applied(kind=side, text=", ".join(changes), place=place)


def describe_rewrite(rewrite: Rewrite | None, place: str) -> Iterator[Applied]:
    """Say what a rewrite changes."""
    if rewrite is None:
        return
    said = []
    if rewrite.path:
        words = {
            "full": "path becomes",
            "prefix": "prefix becomes",
            "regex": f"{rewrite.path.pattern} becomes",
            "text": "path becomes",
        }
        said.append(f"{words[rewrite.path.kind]} {rewrite.path.value or '/'}")
    if rewrite.query:
        said.append(f"query begins with {rewrite.query}")
    if rewrite.method:
        said.append(f"method becomes {rewrite.method}")
    if rewrite.host:
        said.append(f"host becomes {rewrite.host}")
    elif rewrite.host_header:
        said.append(f"host comes from header {rewrite.host_header}")
    elif rewrite.host_from_backend:
        said.append("host becomes the name of the endpoint")
    yield Applied(kind="rewrite", text=", ".join(said), place=place)


def describe_mirror(mirror: Mirror) -> Applied:
    """Say where a copy goes."""
    share = "" if mirror.share >= 1 else f"{_number(float(mirror.share * 100))}% "
    target = mirror.backend or "nowhere: its backend is not known"
    return Applied(kind="mirror", text=f"{share}copied to {target}", place=mirror.origin.place)


def _applied(rule: HttpRule) -> Iterator[Applied]:
    place = rule.origin.place
    if rule.cors:
        yield Applied(kind="cors", text=_cors(rule.cors), place=rule.cors.origin.place)
    if rule.cors_headers:
        yield Applied(kind="cors", text=_cors_headers(rule.cors_headers), place=rule.cors_headers.origin.place)
    if rule.faults:
        yield Applied(kind="fault", text=_faults(rule.faults), place=rule.faults.origin.place)
    if rule.security:
        yield from describe_security(rule.security)
    if rule.prompts:
        yield from describe_prompts(rule.prompts)
    if rule.rate_limit:
        yield from _limits(rule.rate_limit)
    for plugin in rule.plugins:
        fails = "passes" if plugin.fail_open else "is refused"
        text = f"{plugin.name}; where it fails, the request {fails}"
        yield Applied(kind="plugin", text=text, place=plugin.origin.place)
    if rule.session:
        kept = f"kept on one endpoint by {rule.session.kind} {rule.session.name}"
        yield Applied(kind="session", text=kept, place=rule.session.origin.place)
    chosen = "the backend and its endpoint are" if rule.hashes_targets else "the endpoint is"
    for policy in rule.hash_policies:
        by = policy.kind.replace("_", " ") + (f" {policy.name}" if policy.name else "")
        yield Applied(kind="hash", text=f"{chosen} chosen by {by}", place=place)
    if rule.request_buffer is not None:
        yield Applied(kind="buffer", text=f"body held whole, at most {rule.request_buffer} bytes", place=place)
    if rule.inject:
        yield Applied(kind="credential", text=f"put on header {rule.inject.header}", place=rule.inject.origin.place)
    yield from _kept(rule)
    yield from describe_edit("request headers", rule.request_headers, place)
    yield from describe_rewrite(rule.rewrite, place)
    for mirror in rule.mirrors:
        yield describe_mirror(mirror)
    times = _timeouts(rule.timeouts)
    if times:
        yield Applied(kind="timeout", text=times, place=place)
    if rule.retry:
        when = ", ".join((*rule.retry.triggers, *map(str, rule.retry.statuses))) or "nothing"
        yield Applied(kind="retry", text=f"up to {rule.retry.attempts} on {when}", place=rule.retry.origin.place)
    yield from describe_edit("response headers", rule.response_headers, place)
    for edit in rule.answers:
        yield Applied(kind="answer", text=_answer(edit), place=edit.origin.place)
    if rule.trace:
        yield Applied(kind="trace", text=_trace(rule.trace), place=rule.trace.origin.place)
    if rule.compression:
        types = ", ".join(rule.compression.types) or "every type"
        text = f"gzip for {types} from {rule.compression.smallest} bytes on"
        yield Applied(kind="compression", text=text, place=rule.compression.origin.place)


def _trace(trace: Trace) -> str:
    share = f"spans of {_number(100 * trace.share)}% of the requests"
    return f"{share} that bring no decision of their own" if trace.follow else share


def _kept(rule: HttpRule) -> Iterator[Applied]:
    if rule.request_id:
        told = " and told" if rule.request_id.in_response else ""
        text = f"a {rule.request_id.form} in {rule.request_id.header} where there is none{told}"
        yield Applied(kind="request id", text=text, place=rule.request_id.origin.place)
    if rule.breaker:
        when = ", ".join(map(str, rule.breaker.failing))
        text = f"{rule.breaker.status} after {rule.breaker.failures} answers with {when}"
        yield Applied(kind="breaker", text=text, place=rule.breaker.origin.place)
    if rule.cache:
        yield Applied(kind="cache", text=_cache(rule.cache), place=rule.cache.origin.place)


def _cache(cache: Cache) -> str:
    """What is kept, for how long, and what two requests must have in common to share it."""
    span = _span(cache.lifetime)
    own = "as long as they say"
    kept = f"{own}, or {span}" if cache.strategy == "disk" else own if cache.client_directives else span
    statuses = ", ".join(map(str, cache.statuses))
    said = [
        f"answers with {statuses} to {' and '.join(cache.methods)} are kept {kept} in {cache.zone}",
        f"found by {' '.join(map(str, cache.key))}",
        *(["never shared by callers"] if cache.callers else ()),
        *([f"passed by with {' '.join(map(str, cache.bypass))}"] if cache.bypass else ()),
        *([f"not filled with {' '.join(map(str, cache.excluded))}"] if cache.excluded else ()),
        *(["what a client's Cache-Control asks for is done"] if cache.client_directives else ()),
    ]
    return ", ".join(said)


def _answer(edit: AnswerEdit) -> str:
    ranges = ", ".join(f"{first}-{last}" if first != last else f"{first}" for first, last in edit.statuses)
    said = [f"status becomes {edit.status}"] if edit.status else []
    said += ["body is another one"] if edit.body is not None else []
    said += ["body gets more around it"] if edit.before or edit.after else []
    said += [f"{one.find} becomes {one.value or 'nothing'}" for one in edit.replacements]
    said += ["headers change"] if edit.headers else []
    return ", ".join(said) + (f", for statuses {ranges}" if ranges else "")


def _is_preflight(seen: SeenRequest) -> bool:
    needed = ("origin", "access-control-request-method")
    return seen.method == "OPTIONS" and all(any(seen.headers.get(name, ())) for name in needed)


def _cors(cors: Cors) -> str:
    return f"allowed from {', '.join(cors.allow_origins) or 'nowhere'}" + (
        " with credentials" if cors.allow_credentials else ""
    )


def _cors_headers(cors: CorsHeaders) -> str:
    if cors.patterns:
        return f"headers on every answer to origins like {' or '.join(cors.patterns)}"
    return f"headers on every answer, allowed from {', '.join(cors.allow_origins) or 'nowhere'}"


def _faults(faults: Faults) -> str:
    said = []
    if faults.delay:
        said.append(f"{_number(faults.delay_percent)}% delayed by {_span(faults.delay)}")
    if faults.grpc_status is not None:
        said.append(f"{_number(faults.abort_percent)}% aborted with gRPC status {faults.grpc_status}")
    elif faults.abort_status is not None:
        said.append(f"{_number(faults.abort_percent)}% aborted with {faults.abort_status}")
    return ", ".join(said)


def _limits(limit: RateLimit) -> Iterator[Applied]:
    for rule in limit.rules:
        kind = "quota" if rule.backends else f"{rule.scope} limit"
        text = f"{rule.origin.object}: {_limit(rule)}" if rule.answer and rule.answer.retry_headers else _limit(rule)
        yield Applied(kind=kind, text=text, place=rule.origin.place)


def _limit(rule: LimitRule) -> str:
    said = f"{rule.requests} per {_span(rule.unit)}"
    if rule.window == "leaky":
        said = f"one per {_span(rule.unit)} and {rule.requests} ahead of their time"
    elif rule.window == "concurrent":
        said = f"{rule.requests} at a time"
    elif rule.window != "fixed":
        said += f" ({rule.window})"
    said += f" of {', '.join(rule.backends)}" if rule.backends else ""
    selected = [text for selector in rule.selectors for text in _selector(selector)]
    said += " for " + ", ".join(selected) if selected else ""
    warns = rule.answer is not None and rule.answer.warning is not None
    costs = [f"{name} costs {_cost(cost)}" for name, cost in _costs(rule) if cost is not None]
    more = (
        *costs,
        *(["shared by all its routes"] if rule.shared else ()),
        *([f"or as {_cost(rule.limit_from)} says"] if rule.limit_from else ()),
        *(["refuses when it cannot be counted"] if rule.fail_closed else ()),
        *(["waits for room"] if rule.queued else ()),
        *(["reserves what a request asks for at most"] if rule.reserves else ()),
        *(["only counted"] if rule.shadow and not warns else ["passes with a warning"] if warns else ()),
    )
    return ", ".join((said, *more))


def _costs(rule: LimitRule) -> tuple[tuple[str, int | MetadataNumber | Expression | None], ...]:
    request, response = rule.request_cost, rule.response_cost
    return ("a request", None if request == 1 else request), ("an answer", None if response == 0 else response)


def _cost(cost: int | MetadataNumber | Expression | None) -> str:
    if isinstance(cost, MetadataNumber):
        return f"{cost.key} of {cost.namespace}"
    return cost.expression if isinstance(cost, Expression) else str(cost)


def _selector(selector: LimitSelector) -> Iterator[str]:
    for header in selector.headers:
        yield describe_value("header", header)
    for name in selector.distinct_headers:
        yield f"each value of {name}"
    for value in selector.query:
        yield describe_value("query parameter", value)
    for name in selector.distinct_query:
        yield f"each value of the query parameter {name}"
    if selector.methods:
        yield f"method {'other than ' if selector.other_methods else ''}" + " or ".join(selector.methods)
    if selector.path:
        yield f"{'all but ' if selector.other_path else ''}{describe_path(selector.path)}"
    if selector.cidr:
        yield f"clients {'outside' if selector.other_addresses else 'in'} {selector.cidr}"
    if selector.distinct_addresses:
        yield "each client address"
    if selector.distinct_callers:
        yield f"each {selector.distinct_callers}"
    if selector.distinct_text:
        yield f"each {selector.distinct_text}"


def _timeouts(timeouts: Timeouts) -> str:
    named = (
        ("request", timeouts.request),
        ("attempt", timeouts.attempt),
        ("answer that is no stream", timeouts.whole),
        ("silent stream", timeouts.stream_idle),
        ("stream", timeouts.max_stream),
    )
    return ", ".join(f"{name} {_span(span) if span else 'unlimited'}" for name, span in named if span is not None)


def _span(span: timedelta) -> str:
    seconds = span.total_seconds()
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{_number(seconds / size)}{unit}"
    return f"{_number(seconds)}s" if seconds >= 1 else f"{_number(seconds * 1000)}ms"


def _number(value: float) -> str:
    return f"{value:.4g}"
