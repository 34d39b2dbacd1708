"""From the bytes of Envoy's access log to rows, and on into the store."""

import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from anygate.envoy.api import any_of, build, struct, uint32, uint64
from anygate.errors import EnvironmentProblem
from anygate.services.access_log.costs import reckon_costs
from anygate.services.access_log.entry import hash_key, read_message
from anygate.services.access_log.estimate import estimate_input, estimate_output
from anygate.services.access_log.writer import UsageWriter
from anygate.store.row import UsageRow
from anygate.store.usage import UsageStore

ASKED = {"anygate.ai": {"model": "m"}}
RULE = '{"endpoint":"%s","route":"default/ai","costs":{"total":"total_tokens","odd":"(input_tokens *","name":"model"}}'
WORDS = {"model": "m", "backend": "b", "route_name": "r"}
DEADLINE = 20


def entry(
    endpoint: str = "chat",
    usage: Any = None,
    metadata: dict[str, Any] | None = None,
    status: int = 200,
    details: str = "via_upstream",
    **seen: Any,
) -> bytes:
    typed = {"envoy.ai.token_usage": any_of(usage)} if usage is not None else {}
    response = {
        "response_code": uint32(status),
        "response_body_bytes": 2200,
        "response_code_details": details,
        "response_headers": {"content-type": "text/event-stream"},
    }
    made = {
        "common_properties": {
            "start_time": {"seconds": 1_795_000_000, "nanos": 5_000_000},
            "custom_tags": {"rule": RULE % endpoint},
            "upstream_request_attempt_count": 1,
            "metadata": {
                "typed_filter_metadata": typed,
                "filter_metadata": {name: struct(value) for name, value in {**ASKED, **(metadata or {})}.items()},
            },
            **seen,
        },
        "request": {"request_body_bytes": 400},
        "response": response,
    }
    found = build("envoy.service.accesslog.v3.StreamAccessLogsMessage", http_logs={"log_entry": [made]})
    return bytes(found.SerializeToString())


def usage(**counts: int) -> Any:
    return build("envoy.data.ai.v3.TokenUsage", **{name: uint64(count) for name, count in counts.items()})


def only(raw: bytes) -> UsageRow:
    (found,) = read_message(raw)
    assert found.row is not None
    return found.row


def test_reported_usage_is_taken_as_it_is() -> None:
    row = only(entry(usage=usage(input_tokens=10, output_tokens=5, total_tokens=15)))
    assert (row.input_tokens, row.output_tokens, row.total_tokens, row.estimated) == (10, 5, 15, False)
    # Of three costs one does not parse and one is no number; the others are not the worse for it.
    assert row.costs == {"total": 15}
    assert row.time == 1_795_000_000_005


def test_without_usage_sizes_are_all_there_is() -> None:
    row = only(entry())
    assert (row.input_tokens, row.output_tokens, row.estimated) == (100, 9, True)
    assert row.costs == {"total": 109}


def test_the_start_of_a_stream_is_believed() -> None:
    started = {"anygate.started": {"input": 7, "cached": 100, "creation": 20}}
    row = only(entry("messages", metadata=started))
    assert (row.input_tokens, row.cached_tokens, row.cache_creation_tokens, row.estimated) == (127, 100, 20, True)
    unknown = {"anygate.started": {"input": 0, "cached": 0, "creation": 0}}
    assert only(entry("messages", metadata=unknown)).input_tokens == 100


@pytest.mark.parametrize(
    ("flags", "status", "outcome"),
    [
        ({"downstream_connection_termination": True}, 200, "hung_up"),
        ({"downstream_remote_reset": True}, 0, "hung_up"),
        ({"upstream_remote_reset": True}, 200, "cut"),
        ({"stream_idle_timeout": True}, 200, "cut"),
        ({}, 529, "error"),
        ({"rate_limited": True}, 429, "limited"),
        ({}, 429, "limited"),
        ({}, 404, "refused"),
        ({}, 503, "failed"),
        ({}, 200, "ok"),
    ],
)
def test_outcomes(flags: dict[str, bool], status: int, outcome: str) -> None:
    details = "via_upstream" if outcome in ("ok", "cut", "error") else "by_ourselves"
    seen = {"response_flags": flags} if flags else {}
    assert only(entry(status=status, details=details, **seen)).outcome == outcome


def test_other_endpoints_are_not_estimated() -> None:
    assert only(entry("speech")).total_tokens is None


def test_tags_that_are_no_facts_are_none() -> None:
    row = only(entry(custom_tags={"rule": "[1", "backend": '{"provider": 7}'}))
    assert (row.endpoint, row.provider) == ("", "")


@given(st.binary(max_size=200))
def test_any_bytes_are_rows_or_no_message(raw: bytes) -> None:
    with suppress(DecodeError):
        list(read_message(raw))


def test_keys_are_hashed_without_their_scheme() -> None:
    assert hash_key("Bearer  sk-1") == hash_key("bearer sk-1") == hash_key("sk-1") != hash_key("sk-2")
    assert len(hash_key("sk-1")) == 12


def test_estimates_grow_with_sizes() -> None:
    assert estimate_input(0) == 0
    assert estimate_input(5) == 2
    assert estimate_output("embeddings", 9000, stream=False) == 0
    assert estimate_output("messages", 100, stream=True) == 0
    assert estimate_output("chat", 22_220, stream=True) == 100


@pytest.mark.parametrize(
    ("text", "cost"),
    [
        ("input_tokens", 4),
        ("(input_tokens * 0.3)", 1),
        ("(input_tokens - output_tokens)", 0),
        ("((model == 'm') ? 5.0 : 6.0)", 5),
        ("(input_tokens / (output_tokens - 6.0))", 0),
        ("no_such_thing", None),
        ("", None),
        ("model", None),
    ],
)
def test_costs_are_whole_and_never_negative(text: str, cost: int | None) -> None:
    row = UsageRow(time=0, input_tokens=4, output_tokens=6, total_tokens=10)
    assert reckon_costs({"key": text}, row, WORDS) == ({"key": cost} if cost is not None else None)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def store(tmp_path: Path) -> UsageStore:
    return UsageStore(tmp_path / "usage.db")


@pytest.fixture
def writer(store: UsageStore, said: list[str]) -> Iterator[UsageWriter]:
    made = UsageWriter(store, say=said.append, retention=timedelta(days=36_500))
    made.start()
    yield made
    made.stop()


def test_everything_that_came_is_written_before_the_end(
    writer: UsageWriter, store: UsageStore, said: list[str]
) -> None:
    for _ in range(2500):
        writer.put(entry())
    writer.stop()
    assert (writer.written, store.count(), said) == (2500, 2500, [])


def test_what_is_no_message_is_said_and_the_rest_is_written(
    writer: UsageWriter, store: UsageStore, said: list[str]
) -> None:
    writer.put(b"\xff\xff\xff")
    writer.put(entry())
    writer.stop()
    assert store.count() == 1
    assert "cannot be read" in said[0]


def test_what_does_not_fit_is_dropped_loudly(store: UsageStore, said: list[str]) -> None:
    writer = UsageWriter(store, say=said.append, most_bytes=len(entry()) * 2)
    for _ in range(5):
        writer.put(entry())
    assert writer.dropped_messages == 3
    assert [line for line in said if "are lost" in line]
    writer.start()
    writer.stop()
    assert store.count() == 2


class Trouble(UsageStore):
    """A store that fails as often as it is told."""

    failures = 1

    def add(self, rows: Any) -> None:
        if self.failures:
            self.failures -= 1
            raise EnvironmentProblem("disk full")
        super().add(rows)


def test_rows_wait_for_a_store_that_is_in_trouble(tmp_path: Path, said: list[str]) -> None:
    store = Trouble(tmp_path / "usage.db")
    seen = threading.Event()

    def say(text: str) -> None:
        said.append(text)
        seen.set()

    writer = UsageWriter(store, say=say)
    writer.start()
    writer.put(entry())
    assert seen.wait(DEADLINE)
    writer.stop()
    assert store.count() == 1
    assert said == ["usage: disk full; trying again"]
