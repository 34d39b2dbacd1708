"""What a worker counts, as Prometheus text.

Counted by hand: a counter of the client library takes a lock and hashes its labels for each of several counts per
request, and importing it costs more than the rest of the start.
"""

import re
from collections.abc import Iterator

from anygate.providers.losses import Loss

FIELD_LIMIT = 500
_INDEX = re.compile(r"\[\d+\]")
_NOT_PLAIN = re.compile(r"[^\w.\[\]:/-]")
OTHER = "other"


class Tally:
    """The counts of one worker since it started."""

    __slots__ = ("converting", "losses", "open_calls", "open_streams", "refusals", "requests", "retries")

    def __init__(self) -> None:
        self.requests: dict[tuple[str, str, str], int] = {}
        self.refusals: dict[tuple[str, int], int] = {}
        self.losses: dict[tuple[str, str, str], int] = {}
        self.converting = 0.0
        self.open_calls = 0
        self.open_streams = 0
        self.retries = 0

    def count_request(self, labels: tuple[str, str], outcome: str) -> None:
        """One request is over."""
        key = (*labels, outcome)
        self.requests[key] = self.requests.get(key, 0) + 1

    def count_refusal(self, client: str, status: int) -> None:
        """The adapter itself refused a request."""
        key = (client, status)
        self.refusals[key] = self.refusals.get(key, 0) + 1

    def count_losses(self, labels: tuple[str, str], losses: tuple[Loss, ...]) -> None:
        """What one conversion could not carry. Clients choose field names, so there is a limit to their number."""
        for loss in losses:
            key = (*labels, _NOT_PLAIN.sub("_", _INDEX.sub("[]", loss.path))[:100])
            if key not in self.losses and len(self.losses) >= FIELD_LIMIT:
                key = (*labels, OTHER)
            self.losses[key] = self.losses.get(key, 0) + 1

    def render(self) -> bytes:
        """The text that a Prometheus server reads."""
        return ("\n".join(self._lines()) + "\n").encode()

    def _lines(self) -> Iterator[str]:
        yield from _describe("requests", "counter", "Requests by client format, backend format and outcome.")
        for (client, backend, outcome), count in self.requests.items():
            yield f'{_PREFIX}requests_total{{client="{client}",backend="{backend}",outcome="{outcome}"}} {count}'
        yield from _describe("refusals", "counter", "Requests that the adapter itself refused.")
        for (client, status), count in self.refusals.items():
            yield f'{_PREFIX}refusals_total{{client="{client}",status="{status}"}} {count}'
        yield from _describe("losses", "counter", "Fields that a conversion could not carry.")
        for (client, backend, field), count in self.losses.items():
            yield f'{_PREFIX}losses_total{{client="{client}",backend="{backend}",field="{field}"}} {count}'
        yield from _describe("retries", "counter", "Requests sent again because a kept connection had gone.")
        yield f"{_PREFIX}retries_total {self.retries}"
        yield from _describe("converting_seconds", "counter", "Time spent in conversions.")
        yield f"{_PREFIX}converting_seconds_total {self.converting:.6f}"
        yield from _describe("open_requests", "gauge", "Requests in progress.")
        yield f"{_PREFIX}open_requests {self.open_calls}"
        yield from _describe("open_streams", "gauge", "Streamed answers in progress.")
        yield f"{_PREFIX}open_streams {self.open_streams}"


_PREFIX = "anygate_adapter_"


def _describe(name: str, kind: str, sentence: str) -> tuple[str, str]:
    full = f"{_PREFIX}{name}" + ("_total" if kind == "counter" else "")
    return f"# HELP {full} {sentence}", f"# TYPE {full} {kind}"
