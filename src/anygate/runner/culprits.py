"""From what Envoy refuses back to the line that asked for it."""

from collections.abc import Iterable, Iterator

from anygate.compiler import origin_span
from anygate.diagnostics import ObjectRef, Report, Rule, Severity, SourceFile
from anygate.model import Model, Origin, Server
from anygate.model.match import PathMatch, ValueMatch
from anygate.xds.messages import Nacked

ENVOY_REFUSED = Rule(
    "envoy-refused",
    Severity.ERROR,
    what="Envoy did not take over a part of the configuration, although it keeps to Envoy's API.",
    why="Envoy goes on serving with the last version of that part which it did take over.",
    wrong="# a regular expression that Envoy's RE2 does not understand",
    right="# the same condition in RE2's syntax",
    external=True,
)


def report_refusal(refusal: Nacked, model: Model, sources: Iterable[SourceFile], report: Report) -> None:
    """Report a NACK on the object that most likely caused it."""
    text = refusal.message.strip().replace("\n", " ")
    found = (find_origin(name, text, model) for name in refusal.names)
    origins = dict.fromkeys(origin for origin in found if origin is not None)
    for origin in origins or [None]:
        report.add(
            ENVOY_REFUSED,
            f"Envoy refuses {', '.join(refusal.names) or 'the configuration'}: {text}",
            origin_span(origin, sources) if origin else None,
            object=ObjectRef("", origin.kind, origin.namespace, origin.name) if origin else None,
            hint="the last configuration that Envoy accepted keeps serving",
        )


def find_origin(name: str, message: str, model: Model) -> Origin | None:
    """The origin of an Envoy resource; for routes the rule whose own text stands in Envoy's message."""
    for gateway in model.gateways:
        for stage in gateway.stages:
            if name == stage.name:
                return _find_rule([stage.server], message) or stage.origin
        for listener in gateway.listeners:
            if name == listener.name or name.startswith(f"{listener.name}/"):
                return _find_rule(listener.servers, message) or listener.origin
    for backend in model.backends:
        if name == backend.name:
            return backend.origin
    for secret in model.secrets:
        if name == secret.name:
            return secret.origin
    return None


def _find_rule(servers: Iterable[Server], message: str) -> Origin | None:
    """The match whose regular expression Envoy quotes, whole or, where a part of it is wrong, in part."""
    quoted = message.rpartition(": ")[2]
    patterns = list(_patterns(servers))
    whole = (origin for origin, pattern in patterns if pattern in message)
    part = (origin for origin, pattern in patterns if quoted and quoted in pattern)
    return next(whole, None) or next(part, None)


def _patterns(servers: Iterable[Server]) -> Iterator[tuple[Origin, str]]:
    """Every regular expression that routes match with."""
    rules = (rule for server in servers for route in server.routes for rule in route.rules)
    for match in (match for rule in rules for match in rule.matches):
        values: list[PathMatch | ValueMatch] = [*match.headers, *match.query, *match.cookies]
        if match.path:
            values.append(match.path)
        yield from ((match.origin, value.value) for value in values if value.kind == "regex" and value.value)
