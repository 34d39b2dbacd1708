"""Where the services serve metrics and send spans, as the gateways of a model want it on this machine."""

from anygate.model import Model
from anygate.model.telemetry import Collector, Exporter
from anygate.model.tls import Opaque
from anygate.runner.placing import move_port
from anygate.services.telemetry import CollectorPlace, ExporterPlace, Telemetry


def find_telemetry(model: Model, offset: int) -> Telemetry:
    """The exporter and the collector of the first gateway that has one; `offset` is added to every port."""
    exporter = next((one.exporter for one in model.gateways if one.exporter is not None), None)
    collector = next((one.collector for one in model.gateways if one.collector is not None), None)
    return Telemetry(
        _place(exporter, offset) if exporter is not None else None,
        _reveal(collector, model) if collector is not None else None,
    )


def _place(exporter: Exporter, offset: int) -> ExporterPlace:
    port = move_port("the exporter of metrics", exporter.port, offset)
    return ExporterPlace(exporter.address, port, exporter.path)


def _reveal(collector: Collector, model: Model) -> CollectorPlace:
    held = {one.name: one.value for one in model.secrets if isinstance(one, Opaque)}
    headers = {name: held[secret].reveal_text() for name, secret in collector.headers if secret in held}
    return CollectorPlace(collector.url, collector.timeout.total_seconds(), headers)
