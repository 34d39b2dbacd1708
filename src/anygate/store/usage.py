"""The usage table: rows go in, in batches, and sums come out while others write."""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, create_engine, delete, event, func, insert, select
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import NullPool

from anygate.errors import EnvironmentProblem
from anygate.store.migrations import migrate, read_version
from anygate.store.row import UsageRow
from anygate.store.tables import SCHEMA_VERSION, USAGE

_BUSY = 5.0
_NAMES = UsageRow.__struct_fields__
_COSTS = _NAMES.index("costs")


class UsageStore:
    """The usage database in one file, for one writer and any number of readers."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open the database, made or brought up to date as needed; raises EnvironmentProblem if that fails."""
        self.path = path
        self._read_only = read_only
        if not read_only:
            _make_private(path)
        self._engine = create_engine("sqlite://", creator=self._connect, poolclass=NullPool)
        # The driver's own transactions would leave out the making of tables.
        event.listen(self._engine, "begin", _begin)
        # Straight to the driver, which takes a fifth of the time that statements with their types take.
        self._insert = str(insert(USAGE).values(dict.fromkeys(_NAMES)).compile(dialect=self._engine.dialect))
        self._prepare()

    def add(self, rows: Sequence[UsageRow]) -> None:
        """Write rows in one transaction: all of them or, when it raises, none."""
        if rows:
            with self._working() as connection:
                connection.exec_driver_sql(self._insert, [_values(row) for row in rows])

    def prune(self, before: int) -> int:
        """Delete what came in before a time in milliseconds, and say how many rows that were."""
        with self._working() as connection:
            return int(connection.execute(delete(USAGE).where(USAGE.c.time < before)).rowcount)

    def count(self) -> int:
        """How many rows there are."""
        with self._working() as connection:
            return int(connection.execute(select(func.count()).select_from(USAGE)).scalar_one())

    def rows(self) -> list[UsageRow]:
        """Every row, the oldest first."""
        with self._working() as connection:
            found = connection.execute(select(USAGE).order_by(USAGE.c.id)).mappings()
            return [UsageRow(**{name: row[name] for name in _NAMES}) for row in found]

    @contextmanager
    def _working(self) -> Iterator[Connection]:
        """A transaction; trouble with the file becomes an EnvironmentProblem."""
        try:
            with self._engine.begin() as connection:
                yield connection
        except DatabaseError as problem:
            raise EnvironmentProblem(f"{self.path}: {problem.orig}") from problem

    reading = _working

    def _connect(self) -> sqlite3.Connection:
        mode = "ro" if self._read_only else "rwc"
        made = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=_BUSY,
            isolation_level=None,
            check_same_thread=False,
        )
        if not self._read_only:
            # Readers do not hold up the writer, nor it them. A crash of the machine may lose the last rows, not more.
            made.execute("PRAGMA journal_mode=WAL")
            made.execute("PRAGMA synchronous=NORMAL")
        return made

    def _prepare(self) -> None:
        with self._working() as connection:
            if not self._read_only:
                migrate(connection)
                return
            version = read_version(connection)
        if version is None:
            raise EnvironmentProblem(f"{self.path} holds no usage")
        if version > SCHEMA_VERSION:
            raise EnvironmentProblem(f"{self.path}: a newer anygate wrote it")
        if version < SCHEMA_VERSION:
            UsageStore(self.path)


def _values(row: UsageRow) -> tuple[Any, ...]:
    values = msgspec.structs.astuple(row)
    if row.costs is None:
        return values
    return (*values[:_COSTS], msgspec.json.encode(row.costs).decode(), *values[_COSTS + 1 :])


def _begin(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN")


def _make_private(path: Path) -> None:
    """Make the folder and the file for the user alone; what SQLite puts beside it gets the file's own mode."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except OSError as problem:
        raise EnvironmentProblem(f"{path} cannot be written: {problem.strerror}") from problem
