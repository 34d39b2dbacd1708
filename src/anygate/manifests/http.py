"""Parts of HTTP requests that many kinds match or edit."""

from collections.abc import Sequence
from typing import Annotated, Literal, Protocol, Self

from pydantic import Field, model_validator

from anygate.manifests.fields import HeaderName
from anygate.manifests.kind import Node
from anygate.manifests.violations import Violations, check_distinct

HttpMethod = Literal["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"]

HeaderValue = Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[^\x00\r\n]+$")]
"""Any text that cannot end the header line; the API's experimental channel is stricter (ASCII)."""


class HTTPHeader(Node):
    """A header to set or add."""

    name: HeaderName
    value: HeaderValue


class HTTPHeaderMatch(Node):
    """A header to match; of names that differ only in case the first entry counts."""

    type: Literal["Exact", "RegularExpression"] = "Exact"
    name: HeaderName
    value: HeaderValue


class Fraction(Node):
    """A share, numerator of denominator."""

    numerator: int = Field(ge=0)
    denominator: int = Field(default=100, ge=1)

    @model_validator(mode="after")
    def _check_share(self) -> Self:
        found = Violations()
        if self.numerator > self.denominator:
            found.add("must not be greater than denominator", "numerator")
        found.refuse()
        return self


class Named(Protocol):
    """Anything with a name."""

    @property
    def name(self) -> str:
        """The name."""


def check_names(found: Violations, entries: Sequence[Named], field: str) -> None:
    """Refuse a repeated name; names that differ only in case pass, and the first one counts."""
    if len(entries) < 2:
        return
    nested = Violations()
    check_distinct(nested, [entry.name for entry in entries], "name", "name")
    found.adopt(nested, field)
