"""Lists whose entries must differ."""

from typing import Annotated, TypeVar

from pydantic import AfterValidator

from anygate.dialects.gateway_api.kinds.violations import Violations, check_distinct
from anygate.manifests.fields import Many

T = TypeVar("T")


def _check_entries(values: tuple[T, ...]) -> tuple[T, ...]:
    found = Violations()
    check_distinct(found, values, "entry")
    found.refuse()
    return values


Distinct = Annotated[Many[T], AfterValidator(_check_entries)]
"""A YAML list without repetitions."""
