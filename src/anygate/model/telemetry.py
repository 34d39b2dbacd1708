"""What is told about requests: to an exporter of metrics, and as spans to a collector of traces."""

from datetime import timedelta

from anygate.model.origin import Node, Origin
from anygate.model.text import Value


class Metering(Node, frozen=True):
    """Count a rule's requests for the exporter of its gateway, under the names of its route and its service.

    The header `caller` says on whose behalf a request comes; only the gateway itself can have put it there.
    """

    origin: Origin
    route: str = ""
    service: str = ""
    caller: str = ""


class Trace(Node, frozen=True):
    """Make spans of a rule's requests, and tell backends of them: of a `share` of the requests, 0 to 1.

    With `follow` whoever sends a `traceparent` has decided for his requests. `attributes` are put on each span; those
    that a request has no value for are left out.
    """

    origin: Origin
    share: float = 1.0
    follow: bool = False
    attributes: tuple[tuple[str, Value], ...] = ()


class SpanSource(Node, frozen=True):
    """As whose the spans of a server's requests are known: the name of a service, and further attributes of it."""

    service: str
    resource: tuple[tuple[str, str], ...] = ()


class Exporter(Node, frozen=True):
    """Where the metrics of a gateway's metered rules are served, for Prometheus."""

    origin: Origin
    address: str = "127.0.0.1"
    port: int = 9091
    path: str = "/apisix/prometheus/metrics"


class Collector(Node, frozen=True):
    """Where spans go: the URL of an OTLP collector over HTTP, and headers, each with the name of the generic `Secret`
    that holds its value."""

    origin: Origin
    url: str
    timeout: timedelta = timedelta(seconds=3)
    headers: tuple[tuple[str, str], ...] = ()
