"""Where the metrics of the gateway are served, and where its spans go."""

from collections.abc import Sequence
from datetime import timedelta

from anygate.dialects.apisix.context import Context
from anygate.model.listener import Listener
from anygate.model.origin import Origin
from anygate.model.route import HttpRule
from anygate.model.telemetry import Collector, Exporter, SpanSource
from anygate.model.tls import Opaque

_SERVICE = "service.name"
_TRACES = "/v1/traces"


def read_exporter(context: Context, listeners: Sequence[Listener], here: Origin) -> Exporter | None:
    """The exporter, if any rule is counted."""
    if not any(rule.metering for rule in _list_rules(listeners)):
        return None
    wanted = context.settings.prometheus
    return Exporter(origin=here, address=wanted.address, port=wanted.port, path=wanted.path)


def read_collector(context: Context, listeners: Sequence[Listener], here: Origin) -> Collector | None:
    """The collector, if any rule is traced. What its headers say are secrets."""
    if not any(rule.trace for rule in _list_rules(listeners)):
        return None
    wanted = context.settings.opentelemetry.collector
    root = wanted.address if "://" in wanted.address else f"http://{wanted.address}"
    headers = []
    for name, value in wanted.request_headers.items():
        held = Opaque(origin=here, name=f"apisix/collector/{name}", value=value)
        headers.append((name, context.secrets.setdefault(held.name, held).name))
    timeout = timedelta(seconds=wanted.request_timeout)
    return Collector(origin=here, url=root.rstrip("/") + _TRACES, timeout=timeout, headers=tuple(headers))


def read_span_source(context: Context, rules: Sequence[HttpRule]) -> SpanSource | None:
    """As whose spans are known, if any of the rules is traced."""
    if not any(rule.trace for rule in rules):
        return None
    given = {name: _render(value) for name, value in context.settings.opentelemetry.resource.items()}
    return SpanSource(service=given.pop(_SERVICE, "APISIX"), resource=tuple(given.items()))


def _list_rules(listeners: Sequence[Listener]) -> list[HttpRule]:
    servers = [server for listener in listeners for server in listener.servers]
    return [rule for server in servers for route in server.routes for rule in route.rules]


def _render(value: str | int | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
