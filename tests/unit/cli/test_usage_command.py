"""`anygate usage`: the table, its other forms, and what it says when there is nothing."""

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from anygate.cli.app import main
from anygate.cli.usage import parse_since
from anygate.errors import UsageError
from anygate.store.row import UsageRow
from anygate.store.usage import UsageStore

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    path = tmp_path / "anygate" / "usage.db"
    now = int(datetime.now(UTC).timestamp() * 1000)
    UsageStore(path).add(
        [
            UsageRow(
                time=now, model="gpt-4o", input_tokens=1200, output_tokens=34, total_tokens=1234, costs={"eur": 5}
            ),
            UsageRow(time=now, model="gpt-4o", total_tokens=10, estimated=True, key_label="ann"),
            UsageRow(time=now - 5 * 86_400_000, model="\x1b[31mclaude", outcome="error"),
            UsageRow(time=now, model="", outcome="refused"),
        ]
    )
    return path


def test_the_table_is_aligned_and_has_a_sum(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["usage"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out == [
        "MODEL        REQUESTS  ERRORS  ESTIMATED  INPUT  OUTPUT  CACHED  REASONING  TOTAL  EUR",
        "gpt-4o              2       0        50%  1,200      34       0          0  1,244    5",
        "-                   1       0          -      0       0       0          0      0    0",
        "?[31mclaude         1       1          -      0       0       0          0      0    0",
        "total               4       1        25%  1,200      34       0          0  1,244    5",
    ]


def test_rows_by_several_dimensions_since_a_day(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["usage", "--by", "key,model", "--since", "1d", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["key"], row["model"], row["requests"]) for row in rows] == [
        ("", "gpt-4o", 1),
        ("ann", "gpt-4o", 1),
        ("", "", 1),
    ]
    assert rows[0]["costs"] == {"eur": 5}
    assert (rows[0]["input"], rows[0]["total"], rows[1]["estimated"]) == (1200, 1234, 1)


def test_csv_is_for_spreadsheets(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    UsageStore(database).add([UsageRow(time=int(NOW.timestamp() * 1000), model="=1+1", total_tokens=9999)])
    assert main(["usage", "--format", "csv", "--db", str(database)]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert rows[0]["model"] == "'=1+1"
    assert rows[1] == {
        "model": "gpt-4o",
        "requests": "2",
        "errors": "0",
        "estimated": "1",
        "input": "1200",
        "output": "34",
        "cached": "0",
        "reasoning": "0",
        "total": "1244",
        "cost.eur": "5",
    }


def test_nothing_yet_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert main(["usage"]) == 0
    assert "no usage is recorded yet" in capsys.readouterr().err
    UsageStore(tmp_path / "anygate" / "usage.db")
    assert main(["usage", "--since", "1d"]) == 0
    assert "no usage since 1d" in capsys.readouterr().err
    assert main(["usage", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        (["--by", "weather"], 2, 'there is no "weather"'),
        (["--since", "yesterday"], 2, "expected a span"),
        (["--db", "/nowhere/usage.db"], 3, "there is no such usage database"),
        (["--db", "/etc/passwd"], 3, "not a database"),
    ],
)
def test_what_cannot_be_done_is_said(
    words: list[str], status: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["usage", *words]) == status
    assert text in capsys.readouterr().err


def test_times() -> None:
    assert parse_since("90m", NOW) == NOW - timedelta(minutes=90)
    assert parse_since("2w", NOW) == NOW - timedelta(days=14)
    assert parse_since("2026-11-01", NOW) == datetime(2026, 11, 1, tzinfo=UTC)
    assert parse_since("2026-11-01T10:00+01:00", NOW) == datetime(2026, 11, 1, 9, tzinfo=UTC)
    assert parse_since("999999w", NOW) < NOW
    for wrong in ("", "d", "1y", "-1d", "٣d", "99999999d"):
        with pytest.raises(UsageError):
            parse_since(wrong, NOW)
