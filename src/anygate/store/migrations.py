"""From any older form of the tables to the newest."""

from collections.abc import Callable, Mapping

from sqlalchemy import Connection, insert, inspect, select, update

from anygate.errors import EnvironmentProblem
from anygate.store.tables import METADATA, SCHEMA, SCHEMA_VERSION

Step = Callable[[Connection], None]

STEPS: Mapping[int, Step] = {}
"""By the version that a step starts from; it makes the next one. Version 1 is the first there was."""


def migrate(connection: Connection, steps: Mapping[int, Step] = STEPS, target: int = SCHEMA_VERSION) -> None:
    """Make the tables, or bring those that are there up to date; all in the caller's transaction."""
    version = read_version(connection)
    if version is None:
        METADATA.create_all(connection)
        connection.execute(insert(SCHEMA).values(version=target))
        return
    if version > target:
        raise EnvironmentProblem(f"a newer anygate wrote this usage database (version {version}, known is {target})")
    for number in range(version, target):
        steps[number](connection)
        connection.execute(update(SCHEMA).values(version=number + 1))


def read_version(connection: Connection) -> int | None:
    """The version of the tables that are there; None for an empty database."""
    if not inspect(connection).has_table(SCHEMA.name):
        return None
    found = connection.execute(select(SCHEMA.c.version)).scalar()
    return None if found is None else int(found)
