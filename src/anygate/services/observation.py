"""Everything that watches requests: the usage of models into the store, metrics on pages, spans onwards."""

import asyncio
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from anygate.services.access_log import AccessLogService, UsageWriter
from anygate.services.access_log.entry import Logged
from anygate.services.apisix_metrics import ApisixMetrics
from anygate.services.exporter import Exporter
from anygate.services.exports import Exports
from anygate.services.metrics import Counters, GenAiMetrics, MetricsPage
from anygate.services.metrics_server import MetricsServer
from anygate.services.service import Service
from anygate.services.telemetry import load_telemetry
from anygate.services.trace_service import TraceService, find_collector
from anygate.store.usage import UsageStore


@dataclass(frozen=True, slots=True)
class Watched:
    """What to keep and show. Without `usage` nothing is kept.

    `metrics` is a socket, or a port of this machine, for a page that also has what the processes behind the sockets of
    the pattern `others` count. `exports` is the file that says whom else to tell of the requests of some providers, and
    `telemetry` the one that says where requests of all sorts are told of; `admin` is the socket of Envoy's admin.
    """

    usage: Path | None = None
    retention: timedelta | None = None
    metrics: Path | int | None = None
    otlp: str = ""
    others: str = ""
    exports: Path | None = None
    telemetry: Path | None = None
    admin: str = ""


class Observation:
    """The services that watch, and the page of metrics."""

    def __init__(self, watched: Watched) -> None:
        self.page = MetricsPage(watched.others)
        self._watched = watched
        self._is_told = False
        store = UsageStore(watched.usage) if watched.usage is not None else None
        self._metrics = GenAiMetrics()
        self._exports = Exports(watched.exports) if watched.exports is not None else None
        self._writer = UsageWriter(store, on_entry=self._take, retention=watched.retention)
        self._own_collector = find_collector(watched.otlp)
        self._traces = TraceService(self._own_collector)
        self._server = MetricsServer(self.page.render) if watched.metrics is not None else None
        self._counted = ApisixMetrics(watched.admin)
        self._exporter = Exporter(self._counted.render)
        self.page.add(self._metrics)
        self.page.add(self._counters())

    def services(self) -> list[Service]:
        """The gRPC services that Envoy calls."""
        return [AccessLogService(self._writer), self._traces]

    async def open(self) -> None:
        """Serve the pages of metrics that are wanted."""
        if self._server is not None and self._watched.metrics is not None:
            await self._server.start(self._watched.metrics)
        await self.follow()

    async def follow(self) -> None:
        """Do what the file of telemetry says by now. A collector named by whoever started the services goes first."""
        found = load_telemetry(self._watched.telemetry)
        await self._exporter.move(found.exporter)
        place, before = found.collector, self._traces.collector
        if self._own_collector is None:
            self._traces.collector = place
        now = self._traces.collector
        if place is not None and now is not None and (now != before or not self._is_told):
            self._is_told = True
            print(f"note: spans go to {now.url}", file=sys.stderr, flush=True)

    async def close(self) -> None:
        """Stop serving them, and tell of what has come."""
        await self._exporter.stop()
        if self._server is not None:
            await self._server.stop()
        if self._exports is not None:
            await asyncio.to_thread(self._exports.stop)

    def _take(self, entry: Logged) -> None:
        self._counted.add(entry)
        if entry.row is None:
            return
        self._metrics.add(entry.row)
        if self._exports is not None:
            self._exports.add(entry.row)

    def _counters(self) -> Counters:
        writer, traces, exports = self._writer, self._traces, self._exports
        found = {
            "anygate_usage_rows": ("Requests accounted for.", lambda: writer.written),
            "anygate_usage_dropped_rows": ("Rows that the store did not take.", lambda: writer.dropped_rows),
            "anygate_usage_dropped_messages": ("Messages that were too many.", lambda: writer.dropped_messages),
        }
        if traces.collector is not None:
            found["anygate_spans_sent"] = ("Messages of spans passed on.", lambda: traces.sent)
            found["anygate_spans_dropped"] = ("Messages of spans that were lost.", lambda: traces.dropped)
        if exports is not None:
            found["anygate_exports_sent"] = (
                "Requests told to those that providers' settings name.",
                lambda: exports.sent,
            )
            found["anygate_exports_dropped"] = ("Requests that could not be told to one.", lambda: exports.dropped)
        return Counters(found)
