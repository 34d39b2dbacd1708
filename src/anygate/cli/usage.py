"""`anygate usage`: who used which model, and how much."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from anygate.cli.option_types import Text

if TYPE_CHECKING:
    from anygate.store.sums import Dimension, Sum

_NOTHING = "no usage is recorded yet; `anygate run` records it for every AI request"
_COUNTS = ("requests", "errors", "estimated", "input", "output", "cached", "reasoning", "total")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_MOST_UNITS = 1_000_000


def usage(
    *,
    by: Text = "model",
    since: Text = "",
    format: Literal["text", "json", "csv"] = "text",  # noqa: A002
    db: Text = "",
) -> int:
    """Print how much of which model was used: requests, tokens and costs.

    Works while a gateway runs. Tokens that nobody reported, such as those of clients that hung up, are estimated;
    "estimated" is the share of requests with such counts. Errors are those of providers and of reaching them.

    Parameters
    ----------
    by
        What makes a row: model, backend, provider, key, day, route, outcome, session, or several with commas.
    since
        How far back: 30m, 12h, 1d, 2w, or a date such as 2026-11-01 (UTC). Everything by default.
    format
        text, json or csv.
    db
        The usage database; that of `anygate run` by default.
    """
    from anygate.errors import EnvironmentProblem
    from anygate.store.place import default_path
    from anygate.store.sums import sum_usage
    from anygate.store.usage import UsageStore

    dimensions = parse_dimensions(by)
    start = parse_since(since, datetime.now(UTC)) if since else None
    path = Path(db) if db else default_path()
    if not path.exists():
        if db:
            raise EnvironmentProblem(f"{path}: there is no such usage database")
        found: list[Sum] = []
    else:
        store = UsageStore(path, read_only=True)
        found = sum_usage(store, dimensions, None if start is None else int(start.timestamp() * 1000))
    _print(dimensions, found, format, since)
    return 0


def parse_dimensions(text: str) -> "list[Dimension]":
    """Read `model,key`."""
    from anygate.errors import UsageError
    from anygate.store.sums import DIMENSIONS

    found: list[Dimension] = []
    for word in (one.strip() for one in text.split(",")):
        name = next((one for one in DIMENSIONS if one == word), None)
        if name is None:
            raise UsageError(f'--by {text}: there is no "{word}"\nhint: choose of {", ".join(DIMENSIONS)}')
        if name not in found:
            found.append(name)
    return found


def parse_since(text: str, now: datetime) -> datetime:
    """Read `1d` or `2026-11-01`."""
    from anygate.errors import UsageError

    count, unit = text[:-1], text[-1:]
    if count.isascii() and count.isdigit() and unit in _UNITS and int(count) <= _MOST_UNITS:
        try:
            return now - timedelta(**{_UNITS[unit]: int(count)})
        except OverflowError:
            return datetime.fromtimestamp(0, UTC)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--since {text}: expected a span such as 12h or 1d, or a date such as 2026-11-01") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _print(by: "Sequence[Dimension]", sums: "Sequence[Sum]", format: str, since: str) -> None:  # noqa: A002
    if format == "json":
        print(render_json(by, sums))
    elif format == "csv":
        print(render_csv(by, sums), end="")
    elif sums:
        print(render_text(by, sums))
    else:
        print(f"no usage since {since}" if since else _NOTHING, file=sys.stderr)


def render_text(by: "Sequence[Dimension]", sums: "Sequence[Sum]") -> str:
    """An aligned table, with the sum of all rows under it where there are several."""
    from anygate.store.sums import total

    keys = _cost_keys(sums)
    shown = [_cells([_printable(name) or "-" for name in one.group], one, keys) for one in sums]
    if len(sums) > 1:
        shown.append(_cells(("total", *[""] * (len(by) - 1)), total(sums), keys))
    rows = [(*by, *_COUNTS, *keys), *shown]
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    heading = tuple(cell.upper() for cell in rows[0])
    return "\n".join(_align(row, widths, len(by)) for row in (heading, *shown))


def render_json(by: "Sequence[Dimension]", sums: "Sequence[Sum]") -> str:
    """A list with an object for each row."""
    import json

    rows = [
        {
            **dict(zip(by, one.group, strict=True)),
            **dict(zip(_COUNTS, _numbers(one), strict=True)),
            "costs": one.costs,
        }
        for one in sums
    ]
    return json.dumps(rows, indent=2, ensure_ascii=False)


def render_csv(by: "Sequence[Dimension]", sums: "Sequence[Sum]") -> str:
    """A line for each row under one with the names."""
    import csv
    import io

    keys = _cost_keys(sums)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*by, *_COUNTS, *(f"cost.{key}" for key in keys)])
    for one in sums:
        group = [_defuse(cell) for cell in one.group]
        writer.writerow([*group, *_numbers(one), *(one.costs.get(key, 0) for key in keys)])
    return out.getvalue()


def _cost_keys(sums: "Sequence[Sum]") -> list[str]:
    return sorted({key for one in sums for key in one.costs})


def _numbers(one: "Sum") -> tuple[int, ...]:
    tokens = (one.input_tokens, one.output_tokens, one.cached_tokens, one.reasoning_tokens, one.total_tokens)
    return one.requests, one.errors, one.estimated, *tokens


def _cells(group: "Sequence[str]", one: "Sum", keys: "Sequence[str]") -> tuple[str, ...]:
    requests, errors, estimated, *tokens = _numbers(one)
    share = f"{100 * estimated / requests:.0f}%" if estimated else "-"
    numbers = [f"{count:,}" for count in (*tokens, *(one.costs.get(key, 0) for key in keys))]
    return (*group, f"{requests:,}", f"{errors:,}", share, *numbers)


def _align(row: "Sequence[str]", widths: "Sequence[int]", texts: int) -> str:
    cells = [
        cell.ljust(width) if at < texts else cell.rjust(width)
        for at, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()


def _printable(text: str) -> str:
    """Models and sessions are what clients call them: no control characters for the terminal."""
    return "".join(one if one.isprintable() else "?" for one in text)


def _defuse(cell: str) -> str:
    """Spreadsheets take a cell that begins so for a formula."""
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell
