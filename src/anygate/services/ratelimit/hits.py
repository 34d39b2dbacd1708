"""How often limits were reached, as metrics."""

from collections import Counter
from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from anygate.services.ratelimit.ask import Ask, Mode

_EFFECTS = {Mode.LIMIT: "refused", Mode.QUOTA: "elsewhere", Mode.SHADOW: "passed", Mode.CHARGE: ""}


class LimitHits(Collector):
    """Requests that were over a limit, by the limit and by what became of them; and those that nobody counted."""

    def __init__(self) -> None:
        self._hits: Counter[tuple[str, str]] = Counter()
        self.unanswered = 0

    def add(self, ask: Ask) -> None:
        """Count a request that was over a limit."""
        self._hits[ask.rule, _EFFECTS[ask.mode]] += 1

    def collect(self) -> Iterable[Metric]:
        """The metrics of now."""
        hits = CounterMetricFamily("anygate_limit_hits", "Requests that were over a limit.", labels=("limit", "effect"))
        for labels, count in sorted(self._hits.items()):
            hits.add_metric(labels, count)
        yield hits
        away = CounterMetricFamily("anygate_limit_unanswered", "Requests not counted, as the counters were away.")
        away.add_metric((), self.unanswered)
        yield away
