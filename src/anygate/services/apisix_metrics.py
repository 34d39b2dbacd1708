"""Metrics of requests by the names, labels and buckets of APISIX's plugin prometheus.

Labels are names of rules, consumers, hosts and paths that manifests say, addresses of endpoints, and names of models,
of which only so many are told apart. What is beyond all bounds is counted in `apisix_nginx_metric_errors_total`.

Left out: what is about etcd and nginx's shared memory, which nothing here has; connections to models as long as they
are open, because a request is told of when it is over; and distributions of tokens.

https://apisix.apache.org/docs/apisix/plugins/prometheus/
"""

import threading
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from socket import gethostname

from prometheus_client.metrics_core import Metric

from anygate.services.access_log.entry import Logged
from anygate.services.access_log.metered import MeteredRequest, Source
from anygate.services.envoy_stats import EnvoyStats, read_stats
from anygate.services.series import Counter, Histogram, KnownNames, Labels, make_gauge, render_page
from anygate.store.row import UsageRow

BUCKETS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10_000.0, 30_000.0, 60_000.0)

_MODELS = ("request_type", "request_llm_model", "llm_model")
_WHO = ("route", "service", "consumer", "node", *_MODELS)
_WHO_LLM = ("route_id", "service_id", "consumer", "node", *_MODELS)
_STATUS = ("code", "route", "matched_uri", "matched_host", "service", "consumer", "node", *_MODELS, "response_source")
_SOURCES: Mapping[Source, str] = {"upstream": "upstream", "proxy": "nginx", "gateway": "apisix"}
_NODE_LESS = ("", "-")


class ApisixMetrics:
    """Counts requests; they come in from one thread and are read by others. `admin` is the socket of Envoy's admin."""

    def __init__(self, admin: str = "") -> None:
        self._admin = admin
        self._lock = threading.Lock()
        self._models = KnownNames()
        self._status = Counter("apisix_http_status", "Answers by their status.", _STATUS)
        self._latency = Histogram(
            "apisix_http_latency",
            "Milliseconds that requests took, and their parts.",
            ("type", *_WHO),
            BUCKETS,
        )
        self._bandwidth = Counter("apisix_bandwidth", "Bytes from and to clients.", ("type", *_WHO))
        self._llm_latency = Histogram(
            "apisix_llm_latency", "Milliseconds that models took to answer.", ("type", *_WHO_LLM), BUCKETS
        )
        self._prompts = Counter("apisix_llm_prompt_tokens", "Tokens of prompts.", _WHO_LLM)
        self._completions = Counter("apisix_llm_completion_tokens", "Tokens of answers.", _WHO_LLM)

    def add(self, entry: Logged) -> None:
        """Count a request, if it is one that is counted."""
        if entry.metered is not None:
            with self._lock:
                self._add(entry.metered, entry.row)

    async def render(self) -> bytes:
        """The page of now."""
        found = await read_stats(self._admin) if self._admin else None
        with self._lock:
            metrics = [*self._collect(), *_collect_stats(found)]
        return render_page(metrics)

    def _add(self, seen: MeteredRequest, row: UsageRow | None) -> None:
        models = self._find_models(row)
        who = (seen.route, seen.service, seen.caller, _find_node(seen, row), *models)
        status = (str(seen.status), seen.route, seen.path, seen.host, *who[1:], _SOURCES[seen.source])
        self._status.add(status)
        self._latency.observe(("request", *who), seen.request_ms)
        if seen.upstream_ms is not None:
            self._latency.observe(("upstream", *who), seen.upstream_ms)
        self._latency.observe(("apisix", *who), max(0.0, seen.request_ms - (seen.upstream_ms or 0.0)))
        self._bandwidth.add(("ingress", *who), seen.received)
        self._bandwidth.add(("egress", *who), seen.sent)
        if row is not None:
            self._add_model(row, who)

    def _add_model(self, row: UsageRow, who: Labels) -> None:
        if row.provider and row.outcome == "ok":
            self._llm_latency.observe(("total", *who), row.duration_ms)
            if row.stream and row.ttft_ms is not None:
                self._llm_latency.observe(("ttft", *who), row.ttft_ms)
        if row.input_tokens is not None:
            self._prompts.add(who, row.input_tokens)
        if row.output_tokens is not None:
            self._completions.add(who, row.output_tokens)

    def _find_models(self, row: UsageRow | None) -> Labels:
        if row is None:
            return "traditional_http", "", ""
        # A request that reached no provider may name any model there is not.
        asked = self._models.find(row.model) if row.provider else ""
        return "ai_stream" if row.stream else "ai_chat", asked, self._models.find(row.sent_model) or asked

    def _collect(self) -> Iterator[Metric]:
        parts = (self._status, self._latency, self._bandwidth, self._llm_latency, self._prompts, self._completions)
        for one in parts:
            yield one.collect()
        errors = Counter("apisix_nginx_metric_errors_total", "Numbers that were too many to be kept.", ())
        errors.add((), sum(one.dropped for one in parts))
        yield errors.collect()
        node = {"hostname": gethostname(), "version": version("anygate")}
        yield make_gauge("apisix_node_info", "What runs here.", [(node, 1)])


def _find_node(seen: MeteredRequest, row: UsageRow | None) -> str:
    """The address of the endpoint, or the name of its Unix socket; of a model, the name of its provider."""
    if row is not None and row.provider:
        return row.provider.rpartition("/")[2]
    return "" if seen.node in _NODE_LESS else seen.node.rpartition("/")[2]


def _collect_stats(found: EnvoyStats | None) -> Iterable[Metric]:
    if found is None:
        return
    states = {
        "active": found.connections,
        "accepted": found.accepted,
        "handled": found.accepted,
        "reading": 0,
        "writing": found.active,
        "waiting": max(0, found.connections - found.active),
    }
    values = [({"state": name}, float(value)) for name, value in states.items()]
    yield make_gauge("apisix_nginx_http_current_connections", "Connections of clients.", values)
    yield make_gauge("apisix_http_requests_total", "Requests of clients so far.", [({}, found.requests)])
