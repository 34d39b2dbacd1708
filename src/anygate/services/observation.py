"""Everything that watches AI requests: their usage into the store, their metrics on a page, their spans onwards."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from anygate.services.access_log import AccessLogService, UsageWriter
from anygate.services.exports import Exports
from anygate.services.metrics import Counters, GenAiMetrics, MetricsPage
from anygate.services.metrics_server import MetricsServer
from anygate.services.service import Service
from anygate.services.trace_service import TraceService, find_collector
from anygate.store.row import UsageRow
from anygate.store.usage import UsageStore


@dataclass(frozen=True, slots=True)
class Watched:
    """What to keep and show. Without `usage` nothing is kept.

    `metrics` is a socket, or a port of this machine, for a page that also has what the processes behind the sockets of
    the pattern `others` count. `exports` is the file that says whom else to tell of the requests of some providers.
    """

    usage: Path | None = None
    retention: timedelta | None = None
    metrics: Path | int | None = None
    otlp: str = ""
    others: str = ""
    exports: Path | None = None


class Observation:
    """The services that watch, and the page of metrics."""

    def __init__(self, watched: Watched) -> None:
        self.page = MetricsPage(watched.others)
        self._watched = watched
        store = UsageStore(watched.usage) if watched.usage is not None else None
        self._metrics = GenAiMetrics()
        self._exports = Exports(watched.exports) if watched.exports is not None else None
        self._writer = UsageWriter(store, on_row=self._take, retention=watched.retention)
        collector = find_collector(watched.otlp)
        self._traces = TraceService(collector) if collector else None
        self._server = MetricsServer(self.page) if watched.metrics is not None else None
        self.page.add(self._metrics)
        self.page.add(self._counters())

    def services(self) -> list[Service]:
        """The gRPC services that Envoy calls."""
        return [AccessLogService(self._writer), *([self._traces] if self._traces else [])]

    async def open(self) -> None:
        """Serve the page of metrics, if it is wanted."""
        if self._server is not None and self._watched.metrics is not None:
            await self._server.start(self._watched.metrics)

    async def close(self) -> None:
        """Stop serving it, and tell of what has come."""
        if self._server is not None:
            await self._server.stop()
        if self._exports is not None:
            await asyncio.to_thread(self._exports.stop)

    def _take(self, row: UsageRow) -> None:
        self._metrics.add(row)
        if self._exports is not None:
            self._exports.add(row)

    def _counters(self) -> Counters:
        writer, traces, exports = self._writer, self._traces, self._exports
        found = {
            "anygate_usage_rows": ("Requests accounted for.", lambda: writer.written),
            "anygate_usage_dropped_rows": ("Rows that the store did not take.", lambda: writer.dropped_rows),
            "anygate_usage_dropped_messages": ("Messages that were too many.", lambda: writer.dropped_messages),
        }
        if traces is not None:
            found["anygate_spans_sent"] = ("Messages of spans passed on.", lambda: traces.sent)
            found["anygate_spans_dropped"] = ("Messages of spans that were lost.", lambda: traces.dropped)
        if exports is not None:
            found["anygate_exports_sent"] = (
                "Requests told to those that providers' settings name.",
                lambda: exports.sent,
            )
            found["anygate_exports_dropped"] = ("Requests that could not be told to one.", lambda: exports.dropped)
        return Counters(found)
