"""Metrics of AI requests, by the names of OpenTelemetry's GenAI conventions, as Prometheus reads them.

Names follow the rules by which OpenTelemetry's become Prometheus's: dots become underscores, a unit in braces is left
out, and seconds are spelt out. Everything is counted from the rows of the access log, so a request is counted once,
when it is over.

https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/
https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/
"""

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from anygate.scraping import add_up, read_page
from anygate.services.series import OTHER, Histogram, KnownNames, Labels
from anygate.store.row import UsageRow

TOKEN_BUCKETS = tuple(float(4**power) for power in range(14))
DURATION_BUCKETS = tuple(0.01 * 2**power for power in range(14))
FIRST_TOKEN_BUCKETS = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5),
    *(0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 60.0),
)
PER_TOKEN_BUCKETS = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)

OPERATIONS: Mapping[str, str] = {
    "chat": "chat",
    "completions": "completion",
    "embeddings": "embeddings",
    "responses": "responses",
    "responses_input_tokens": "responses_input_tokens",
    "images": "image_generation",
    "image_edits": "image_edit",
    "speech": "speech",
    "transcription": "transcription",
    "translation": "translation",
    "messages": "messages",
    "count_tokens": "count_tokens",
    "rerank": "rerank",
    "tokenize": "tokenize",
}
PROVIDERS: Mapping[str, str] = {
    "OpenAI": "openai",
    "AzureOpenAI": "azure.openai",
    "AWSBedrock": "aws.bedrock",
    "AWSAnthropic": "aws.anthropic",
    "AWSOpenAI": "aws.openai",
    "GCPVertexAI": "gcp.vertex_ai",
    "GCPAnthropic": "gcp.anthropic",
    "Gemini": "gcp.gemini",
    "Anthropic": "anthropic",
    "Cohere": "cohere",
}
_LABELS = (
    "gen_ai_operation_name",
    "gen_ai_provider_name",
    "gen_ai_original_model",
    "gen_ai_request_model",
    "gen_ai_response_model",
    "gen_ai_backend",
)
_TOKEN_TYPES = (
    ("input", "input_tokens"),
    ("output", "output_tokens"),
    ("cached_input", "cached_tokens"),
    ("cache_creation_input", "cache_creation_tokens"),
    ("reasoning", "reasoning_tokens"),
)


class GenAiMetrics(Collector):
    """The four histograms; rows come in from one thread and are read by others."""

    def __init__(self) -> None:
        labels = (*_LABELS, "error_type")
        self._lock = threading.Lock()
        self._models = KnownNames()
        self._tokens = Histogram(
            "gen_ai_client_token_usage", "Tokens used.", (*_LABELS, "gen_ai_token_type"), TOKEN_BUCKETS
        )
        self._duration = Histogram(
            "gen_ai_server_request_duration_seconds", "From request to the answer's end.", labels, DURATION_BUCKETS
        )
        self._first = Histogram(
            "gen_ai_server_time_to_first_token_seconds", "From request to first byte.", labels, FIRST_TOKEN_BUCKETS
        )
        self._each = Histogram(
            "gen_ai_server_time_per_output_token_seconds", "Per token after the first.", labels, PER_TOKEN_BUCKETS
        )
        self._estimated = 0

    def add(self, row: UsageRow) -> None:
        """Count a request."""
        with self._lock:
            common = self._labels(row)
            labels = (*common, "" if row.outcome == "ok" else OTHER)
            self._duration.observe(labels, row.duration_ms / 1000)
            self._estimated += row.estimated
            for kind, name in _TOKEN_TYPES:
                count = getattr(row, name)
                if count is not None:
                    self._tokens.observe((*common, kind), count)
            if row.ttft_ms is not None and row.outcome != "error":
                self._first.observe(labels, row.ttft_ms / 1000)
                if row.stream and (row.output_tokens or 0) > 1:
                    rest = max(0.0, row.duration_ms - row.ttft_ms) / 1000
                    self._each.observe(labels, rest / ((row.output_tokens or 0) - 1))

    def collect(self) -> Iterable[Metric]:
        """The metrics of now."""
        with self._lock:
            yield from [one.collect() for one in (self._tokens, self._duration, self._first, self._each)]
            estimated = CounterMetricFamily("anygate_usage_estimated", "Requests whose tokens were estimated.")
            estimated.add_metric((), self._estimated)
            yield estimated

    def _labels(self, row: UsageRow) -> Labels:
        # A request that reached no provider may name any model there is not.
        asked = self._models.find(row.model) if row.provider else ""
        return (
            OPERATIONS.get(row.endpoint, row.endpoint),
            PROVIDERS.get(row.format, row.format),
            asked,
            self._models.find(row.sent_model) if row.sent_model else asked,
            self._models.find(row.answered_model),
            row.provider,
        )


class Counters(Collector):
    """Numbers that others count, each read when somebody asks: `name` without `_total`, with its meaning."""

    def __init__(self, counters: Mapping[str, tuple[str, Callable[[], float]]]) -> None:
        self._counters = dict(counters)

    def collect(self) -> Iterator[Metric]:
        """The counters of now."""
        for name, (text, read) in self._counters.items():
            family = CounterMetricFamily(name, text)
            family.add_metric((), read())
            yield family


class MetricsPage:
    """Everything that is shown at `/metrics`: collectors of this process, and the pages of others added up.

    `others` is a pattern of Unix sockets such as `/run/worker-*.sock`: processes may come and go.
    """

    def __init__(self, others: str = "") -> None:
        self.registry = CollectorRegistry()
        self._others = others

    def add(self, collector: Collector) -> None:
        """Show the metrics of a collector, such as `Counters`."""
        self.registry.register(collector)

    async def render(self) -> bytes:
        """The page in Prometheus's text format."""
        pages = await asyncio.gather(*(read_page(path) for path in self._list_others()))
        found = [page for page in pages if page]
        return bytes(generate_latest(self.registry)) + (add_up(found).encode() if found else b"")

    def _list_others(self) -> list[str]:
        pattern = Path(self._others)
        return sorted(map(str, pattern.parent.glob(pattern.name))) if self._others else []
