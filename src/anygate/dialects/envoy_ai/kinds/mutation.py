"""Edits of the request that goes to a backend."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from anygate.manifests.fields import HeaderName, Many
from anygate.manifests.http import HTTPHeader, check_names
from anygate.manifests.kind import Node
from anygate.manifests.sequences import Distinct
from anygate.manifests.violations import Violations, check_distinct


class HTTPHeaderMutation(Node):
    """Headers to set and to remove."""

    set: Many[HTTPHeader] = Field(default=(), max_length=16)
    remove: Distinct[str] = Field(default=(), max_length=16)

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        found = Violations()
        check_names(found, self.set, "set")
        found.refuse()
        return self


class HTTPBodyField(Node):
    """A field of the JSON body; `value` is JSON text."""

    path: str = Field(min_length=1)
    value: str


class HTTPBodyMutation(Node):
    """Fields of the JSON body to set and to remove."""

    set: Many[HTTPBodyField] = Field(default=(), max_length=16)
    remove: Distinct[str] = Field(default=(), max_length=16)

    @field_validator("set")
    @classmethod
    def _check_paths(cls, fields: tuple[HTTPBodyField, ...]) -> tuple[HTTPBodyField, ...]:
        found = Violations()
        check_distinct(found, [one.path for one in fields], "path", "path")
        found.refuse()
        return fields


class HTTPHeaderValueFilter(Node):
    """Values of a comma-separated header to drop (Denylist) or to keep (Allowlist)."""

    name: HeaderName
    mode: Literal["Denylist", "Allowlist"] = "Denylist"
    # Empty: the header stays as it is.
    values: Distinct[str] = Field(default=(), max_length=64)
