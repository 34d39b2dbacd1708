"""Everything that watches AI requests: their usage into the store, their metrics on a page, their spans onwards."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from anygate.services.access_log import AccessLogService, UsageWriter
from anygate.services.metrics import Counters, GenAiMetrics, MetricsPage
from anygate.services.metrics_server import MetricsServer
from anygate.services.service import Service
from anygate.services.trace_service import TraceService, find_collector
from anygate.store.usage import UsageStore


@dataclass(frozen=True, slots=True)
class Watched:
    """What to keep and show. Without `usage` nothing is kept.

    `metrics` is a socket, or a port of this machine, for a page that also has what the processes behind the sockets of
    the pattern `others` count.
    """

    usage: Path | None = None
    retention: timedelta | None = None
    metrics: Path | int | None = None
    otlp: str = ""
    others: str = ""


class Observation:
    """The services that watch, and the page of metrics."""

    def __init__(self, watched: Watched) -> None:
        self.page = MetricsPage(watched.others)
        self._watched = watched
        store = UsageStore(watched.usage) if watched.usage is not None else None
        metrics = GenAiMetrics()
        self._writer = UsageWriter(store, on_row=metrics.add, retention=watched.retention)
        collector = find_collector(watched.otlp)
        self._traces = TraceService(collector) if collector else None
        self._server = MetricsServer(self.page) if watched.metrics is not None else None
        self.page.add(metrics)
        self.page.add(self._counters())

    def services(self) -> list[Service]:
        """The gRPC services that Envoy calls."""
        return [AccessLogService(self._writer), *([self._traces] if self._traces else [])]

    async def open(self) -> None:
        """Serve the page of metrics, if it is wanted."""
        if self._server is not None and self._watched.metrics is not None:
            await self._server.start(self._watched.metrics)

    async def close(self) -> None:
        """Stop serving it."""
        if self._server is not None:
            await self._server.stop()

    def _counters(self) -> Counters:
        writer, traces = self._writer, self._traces
        found = {
            "anygate_usage_rows": ("Requests accounted for.", lambda: writer.written),
            "anygate_usage_dropped_rows": ("Rows that the store did not take.", lambda: writer.dropped_rows),
            "anygate_usage_dropped_messages": ("Messages that were too many.", lambda: writer.dropped_messages),
        }
        if traces is not None:
            found["anygate_spans_sent"] = ("Messages of spans passed on.", lambda: traces.sent)
            found["anygate_spans_dropped"] = ("Messages of spans that were lost.", lambda: traces.dropped)
        return Counters(found)
