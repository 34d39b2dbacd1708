"""What nobody is told of requests where Envoy runs without the services beside it."""

from collections.abc import Iterator

from anygate.diagnostics import Rule, Severity
from anygate.model.origin import Origin
from anygate.model.root import Model, list_rules

UNTOLD = Rule(
    "envoy-without-services",
    Severity.WARNING,
    what="Requests of a rule are to be counted or traced, which takes the services that `anygate run` starts.",
    why="An Envoy by itself tells nobody of its spans and of its requests; it serves them all the same.",
    wrong="# ApisixRoute with the plugin prometheus, converted to a configuration of Envoy alone",
    right="# the same manifests, served by `anygate run`",
    external=True,
)


def find_untold(model: Model) -> Iterator[tuple[Origin, str]]:
    """Where something is asked for that nobody does, each place once, with a sentence."""
    found: dict[Origin, str] = {}
    for rule in list_rules(model):
        if rule.metering is not None:
            found.setdefault(rule.metering.origin, "nobody serves metrics of these requests")
        if rule.trace is not None:
            found.setdefault(rule.trace.origin, "these requests have no spans")
    yield from found.items()
