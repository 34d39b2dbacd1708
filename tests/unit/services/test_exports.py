"""Who is told of requests: the file that says so, how rows wait, and what is said of them."""

import stat
import threading
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from anygate.envoy.api import message
from anygate.services.exports import Exports, delivery
from anygate.services.exports.delivery import Delivery, NotSent
from anygate.services.exports.destinations import (
    Destinations,
    DestinationsFile,
    LangfuseDestination,
    OtelDestination,
    store_destinations,
)
from anygate.services.exports.spans import render_spans
from anygate.store.row import UsageRow

DEADLINE = 10.0
KEYS = Destinations(langfuse=LangfuseDestination("http://127.0.0.1:1", "pk", "sk-secret"))


def row(number: int = 0) -> UsageRow:
    return UsageRow(time=number, request_id=str(number), provider="a/b")


class Receiver:
    """Takes rows once it is let; `taken` says which."""

    def __init__(self, failures: Sequence[NotSent] = ()) -> None:
        self.taken: list[int] = []
        self.tries = 0
        self.allowed = threading.Event()
        self.asked = threading.Event()
        self._failures = list(failures)

    def send(self, rows: Sequence[UsageRow]) -> None:
        self.asked.set()
        assert self.allowed.wait(DEADLINE)
        self.tries += 1
        if self._failures:
            raise self._failures.pop(0)
        self.taken += [one.time for one in rows]


def test_the_file_is_for_its_user_alone_and_holds_at_once(tmp_path: Path) -> None:
    path = tmp_path / "exports.json"
    found = DestinationsFile(path)
    assert found.find("a/b") is None
    store_destinations(path, {"a/b": KEYS})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert found.find("a/b") == KEYS
    assert found.find("a/c") is None
    store_destinations(path, {"a/c": Destinations(otel=OtelDestination("http://127.0.0.1:1", "s"))})
    assert found.find("a/b") is None
    assert "sk-secret" not in repr(KEYS)


def test_of_rows_that_wait_too_long_the_oldest_are_dropped() -> None:
    receiver = Receiver()
    told = Delivery("one", receiver.send)
    told.put(row())
    assert receiver.asked.wait(DEADLINE)
    for number in range(1, delivery.MOST_WAITING + 11):
        told.put(row(number))
    receiver.allowed.set()
    told.stop()
    assert receiver.taken == [0, *range(11, delivery.MOST_WAITING + 11)]
    assert (told.sent, told.dropped) == (delivery.MOST_WAITING + 1, 10)


@pytest.mark.parametrize(
    ("failures", "tries", "taken"),
    [
        ([NotSent("away")] * 2, 3, [0]),
        ([NotSent("away")] * 3, 3, []),
        ([NotSent("no such key", lasting=True)], 1, []),
    ],
)
def test_what_fails_is_tried_again_twice(
    failures: list[NotSent], tries: int, taken: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "_PAUSE", 0.001)
    receiver = Receiver(failures)
    receiver.allowed.set()
    told = Delivery("one", receiver.send)
    told.put(row())
    deadline = threading.Event()
    while not (told.sent or told.dropped):
        assert not deadline.wait(0.001)
    told.stop()
    assert (receiver.tries, receiver.taken) == (tries, taken)


def test_a_row_of_a_provider_that_names_nobody_is_told_to_nobody(tmp_path: Path) -> None:
    path = tmp_path / "exports.json"
    store_destinations(path, {"a/b": Destinations(langfuse=LangfuseDestination("", "", ""))})
    found = Exports(path, environment={})
    found.add(row())
    found.stop()
    assert (found.sent, found.dropped) == (0, 0)


def test_a_span_has_nantians_names_and_those_of_the_conventions() -> None:
    made = msgspec.structs.replace(
        row(5),
        model="any",
        sent_model="gpt-4o",
        format="OpenAI",
        endpoint="embeddings",
        status=503,
        outcome="error",
        duration_ms=12.5,
        input_tokens=3,
    )
    told = message("opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest").FromString(
        render_spans([made], "shop")
    )
    [resource] = told.resource_spans
    [span] = resource.scope_spans[0].spans
    seen = {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}
    assert (resource.resource.attributes[0].value.string_value, span.name) == ("shop", "ai.inference")
    assert (seen["ai.model"], seen["gen_ai.request.model"], seen["ai.prompt_tokens"]) == ("gpt-4o", "any", 3)
    assert (seen["gen_ai.operation.name"], seen["error.type"], span.status.code) == ("embeddings", "error", 2)
    assert span.end_time_unix_nano - span.start_time_unix_nano == 12_500_000
    assert len(span.trace_id) == 16
    assert "ai.completion_tokens" not in seen
