"""Lists with conditions."""

from typing import Annotated, TypeVar

from pydantic import AfterValidator
from pydantic_core import PydanticKnownError

from anygate.manifests.fields import Many
from anygate.manifests.violations import Violations, check_distinct

T = TypeVar("T")


def _check_entries(values: tuple[T, ...]) -> tuple[T, ...]:
    found = Violations()
    check_distinct(found, values, "entry")
    found.refuse()
    return values


Distinct = Annotated[Many[T], AfterValidator(_check_entries)]
"""A YAML list without repetitions."""


def _check_presence(values: tuple[T, ...]) -> tuple[T, ...]:
    if not values:
        raise PydanticKnownError("too_short", {"field_type": "List", "min_length": 1, "actual_length": 0})
    return values


# Not `min_length`: pydantic counts only the entries that are valid, and so would report a wrong one twice.
NonEmpty = Annotated[Many[T], AfterValidator(_check_presence)]
"""A YAML list with at least one entry."""
