"""Numbers by labels, as Prometheus reads them: counters and histograms whose labels come from requests.

`prometheus_client`'s own take ten times as long for each observation. What its families cannot have is written here as
well: counters whose names do not end in `_total`.
"""

from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.metrics_core import Metric

Labels = tuple[str, ...]

OTHER = "_OTHER"
"""What stands for all names beyond the first thousand of those that clients may choose."""

_MOST_NAMES = 1000
_MOST_SERIES = 10_000


class Histogram:
    """Counts of values by labels, below each of some bounds."""

    def __init__(self, name: str, text: str, labels: Labels, buckets: tuple[float, ...]) -> None:
        self.dropped = 0
        self._name, self._text, self._labels, self._bounds = name, text, labels, buckets
        self._found: dict[Labels, list[float]] = {}

    def observe(self, labels: Labels, value: float) -> None:
        """Count a value; with more labels than can be kept it is counted as `dropped` only."""
        counts = self._found.get(labels)
        if counts is None:
            if len(self._found) >= _MOST_SERIES:
                self.dropped += 1
                return
            counts = self._found[labels] = [0.0] * (len(self._bounds) + 2)
        counts[bisect_left(self._bounds, value)] += 1
        counts[-1] += value

    def collect(self) -> Metric:
        """The counts of now."""
        family = HistogramMetricFamily(self._name, self._text, labels=self._labels)
        for labels, (*counts, total) in self._found.items():
            bounds = [*(f"{bound:.10g}" for bound in self._bounds), "+Inf"]
            family.add_metric(labels, list(zip(bounds, accumulate(counts), strict=True)), total)
        return family


class Counter:
    """Sums by labels, under a name that is taken as it is."""

    def __init__(self, name: str, text: str, labels: Labels) -> None:
        self.dropped = 0
        self._name, self._text, self._labels = name, text, labels
        self._found: dict[Labels, float] = {}

    def add(self, labels: Labels, value: float = 1) -> None:
        """Add to a sum; with more labels than can be kept it is counted as `dropped` only."""
        if labels not in self._found and len(self._found) >= _MOST_SERIES:
            self.dropped += 1
            return
        self._found[labels] = self._found.get(labels, 0) + value

    def collect(self) -> Metric:
        """The sums of now."""
        family = Metric(self._name, self._text, "counter")
        for labels, value in self._found.items():
            family.add_sample(self._name, dict(zip(self._labels, labels, strict=True)), value)
        return family


class KnownNames:
    """Names that clients choose, of which only so many are told apart."""

    def __init__(self) -> None:
        self._names: set[str] = set()

    def find(self, name: str) -> str:
        """The name, or what stands for all that are too many."""
        if name in self._names or not name:
            return name
        if len(self._names) >= _MOST_NAMES:
            return OTHER
        self._names.add(name)
        return name


def make_gauge(name: str, text: str, values: Iterable[tuple[dict[str, str], float]]) -> Metric:
    """A metric of what is so now."""
    family = Metric(name, text, "gauge")
    for labels, value in values:
        family.add_sample(name, labels, value)
    return family


def render_page(metrics: Iterable[Metric]) -> bytes:
    """The text format, with every name as it is. https://prometheus.io/docs/instrumenting/exposition_formats/"""
    lines = []
    for metric in metrics:
        lines += [f"# HELP {metric.name} {_escape(metric.documentation)}", f"# TYPE {metric.name} {metric.type}"]
        for sample in metric.samples:
            labels = ",".join(f'{name}="{_quote(value)}"' for name, value in sample.labels.items())
            shown = f"{{{labels}}}" if labels else ""
            lines.append(f"{sample.name}{shown} {sample.value:.15g}")
    return "\n".join([*lines, ""]).encode()


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _quote(text: str) -> str:
    return _escape(text).replace('"', '\\"')
