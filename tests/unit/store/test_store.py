"""The usage store: what is written comes back, in sums and in whole, while others write."""

import sqlite3
import stat
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, text

from anygate.errors import EnvironmentProblem
from anygate.store.migrations import migrate, read_version
from anygate.store.place import default_path
from anygate.store.row import UsageRow
from anygate.store.sums import sum_usage, total
from anygate.store.tables import USAGE
from anygate.store.usage import UsageStore

DAY = 86_400_000
NOON = int(datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp() * 1000)


@pytest.fixture
def store(tmp_path: Path) -> UsageStore:
    return UsageStore(tmp_path / "deep" / "usage.db")


def row(**fields: object) -> UsageRow:
    return UsageRow(**{"time": NOON, "model": "gpt-4o", **fields})  # type: ignore[arg-type]


def test_rows_come_back_as_they_were(store: UsageStore) -> None:
    full = {name: name for name in UsageRow.__struct_fields__ if UsageRow.__annotations__[name] is str}
    numbers = {name: at for at, name in enumerate(UsageRow.__struct_fields__) if name.endswith(("tokens", "bytes"))}
    rows = [
        row(**full, **numbers, costs={"a": 1, "b": 2}, estimated=True, stream=True, outcome="hung_up", ttft_ms=1.5),
        row(model="ünïcode 模型 '\"; DROP TABLE usage"),
    ]
    store.add(rows)
    assert store.rows() == rows


def test_columns_stand_in_the_order_of_the_fields() -> None:
    assert tuple(USAGE.c.keys()) == ("id", *UsageRow.__struct_fields__)


def test_sums(store: UsageStore) -> None:
    store.add(
        [
            row(total_tokens=10, input_tokens=7, output_tokens=3, costs={"money": 5}, key_hash="aa"),
            row(total_tokens=20, estimated=True, costs={"money": 1, "other": 2}, key_label="ann", key_hash="bb"),
            row(model="claude", outcome="error", time=NOON - DAY),
            row(model="claude", outcome="limited", time=NOON - DAY),
        ]
    )
    gpt, claude = sum_usage(store, ["model"])
    assert (gpt.group, gpt.requests, gpt.errors, gpt.estimated, gpt.total_tokens) == (("gpt-4o",), 2, 0, 1, 30)
    assert gpt.costs == {"money": 6, "other": 2}
    assert (claude.requests, claude.errors, claude.total_tokens, claude.costs) == (2, 1, 0, {})
    assert [one.group for one in sum_usage(store, ["day", "model"])] == [
        ("2026-11-19", "claude"),
        ("2026-11-20", "gpt-4o"),
    ]
    assert {one.group[0] for one in sum_usage(store, ["key"])} == {"aa", "ann", ""}
    assert [one.group for one in sum_usage(store, ["model"], since=NOON)] == [("gpt-4o",)]
    everything = total([gpt, claude])
    assert (everything.requests, everything.total_tokens, everything.costs) == (4, 30, gpt.costs)


def test_old_rows_are_pruned(store: UsageStore) -> None:
    store.add([row(), row(time=NOON - DAY)])
    assert store.prune(NOON) == 1
    assert [one.time for one in store.rows()] == [NOON]


def test_only_its_user_can_read_it(store: UsageStore) -> None:
    store.add([row()])
    modes = {stat.S_IMODE(path.stat().st_mode) for path in store.path.parent.iterdir()}
    assert modes == {0o600}
    assert stat.S_IMODE(store.path.parent.stat().st_mode) == 0o700


def test_reading_while_another_writes(store: UsageStore) -> None:
    reader = UsageStore(store.path, read_only=True)
    rows = [row() for _ in range(100)]
    writing = threading.Thread(target=lambda: [store.add(rows) for _ in range(50)])
    writing.start()
    seen = [reader.count()]
    while writing.is_alive():
        seen.append(reader.count())
    writing.join()
    assert reader.count() == 5000
    # Batches are there as a whole or not at all, and nothing that was there goes away.
    assert all(count % 100 == 0 for count in seen)
    assert seen == sorted(seen)


def test_a_batch_is_written_whole_or_not_at_all(store: UsageStore) -> None:
    wrong = row()
    wrong.status = 1 << 70
    with pytest.raises((EnvironmentProblem, OverflowError)):
        store.add([row(), wrong])
    assert store.count() == 0


def test_what_is_no_database_is_said_so(tmp_path: Path) -> None:
    path = tmp_path / "usage.db"
    path.write_text("something else altogether, long enough to be looked at" * 100)
    for read_only in (True, False):
        with pytest.raises(EnvironmentProblem, match=r"usage\.db: file is not a database"):
            UsageStore(path, read_only=read_only)
    with pytest.raises(EnvironmentProblem, match="cannot be written"):
        UsageStore(Path("/proc/anygate/usage.db"))


def test_a_newer_database_is_left_alone(store: UsageStore) -> None:
    with sqlite3.connect(store.path) as connection:
        connection.execute("UPDATE schema_version SET version = 99")
    connection.close()
    for read_only in (True, False):
        with pytest.raises(EnvironmentProblem, match="newer anygate"):
            UsageStore(store.path, read_only=read_only)


def test_an_older_database_goes_through_every_step(tmp_path: Path) -> None:
    done: list[int] = []

    def step(number: int):
        def run(connection: Connection) -> None:
            done.append(number)
            connection.execute(text(f"CREATE TABLE step_{number} (id INTEGER)"))

        return run

    engine = create_engine(f"sqlite:///{tmp_path / 'old.db'}")
    with engine.begin() as connection:
        migrate(connection, target=1)
    with engine.begin() as connection:
        migrate(connection, {1: step(1), 2: step(2)}, target=3)
        assert read_version(connection) == 3
        migrate(connection, {1: step(1), 2: step(2)}, target=3)
    engine.dispose()
    assert done == [1, 2]


def test_the_default_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_path() == tmp_path / "anygate" / "usage.db"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/someone")
    assert default_path() == Path("/home/someone/.local/share/anygate/usage.db")
