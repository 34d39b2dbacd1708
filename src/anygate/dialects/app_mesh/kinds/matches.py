"""Conditions on requests that routes and gateway routes share."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from anygate.dialects.app_mesh.kinds.values import MatchRange, Text
from anygate.manifests.fields import Many
from anygate.manifests.kind import Node
from anygate.manifests.violations import Violations, check_exactly_one


def _refuse_pseudo(name: str) -> str:
    if ":" in name or not name.isascii() or any(not "!" <= letter <= "~" for letter in name):
        raise ValueError('expected the name of a header: printable ASCII without spaces and ":"')
    return name


Name = Annotated[str, Field(min_length=1, max_length=50), AfterValidator(_refuse_pseudo)]
"""A header or metadata key; pseudo-headers such as `:path` cannot be matched."""

ParameterName = Annotated[str, Field(min_length=1)]

Method = Literal["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"]


def _check_slash(value: str) -> str:
    if not value.startswith("/"):
        raise ValueError('expected a path that starts with "/"')
    return value


Prefix = Annotated[str, AfterValidator(_check_slash)]
"""The start of a path, compared letter by letter."""


class HeaderValue(Node):
    """What a header's value must be; exactly one condition."""

    exact: Text | None = None
    prefix: Text | None = None
    suffix: Text | None = None
    regex: Text | None = None
    range: MatchRange | None = None
    # As some write it; the API says presence by leaving the whole block out.
    present: bool | None = None

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        found = Violations()
        check_exactly_one(
            found, exact=self.exact, prefix=self.prefix, suffix=self.suffix, regex=self.regex, range=self.range
        ) if self.present is None else check_exactly_one(
            found,
            present=self.present,
            exact=self.exact,
            prefix=self.prefix,
            suffix=self.suffix,
            regex=self.regex,
            range=self.range,
        )
        found.refuse()
        return self


class HeaderMatch(Node):
    """A condition on a header, or on the metadata of a gRPC call; without `match` it only has to be there."""

    name: Name
    invert: bool = False
    match: HeaderValue | None = None


class ParameterValue(Node):
    """What the value of a query parameter must be; the API knows `exact` only."""

    exact: str | None = None
    prefix: Text | None = None
    suffix: Text | None = None
    regex: Text | None = None
    present: bool | None = None

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        found = Violations()
        given = (self.exact, self.prefix, self.suffix, self.regex, self.present)
        if all(one is None for one in given):
            found.add("exact is required", code="required")
        elif sum(one is not None for one in given) > 1:
            found.add("only one condition is allowed", code="forbidden")
        found.refuse()
        return self


class QueryMatch(Node):
    """A condition on a query parameter; without `match` it only has to be there."""

    name: ParameterName
    # Not in the API.
    invert: bool = False
    match: ParameterValue | None = None


class PathMatch(Node):
    """A condition on the whole path. Text alone is read as `exact`."""

    exact: Annotated[Text, AfterValidator(_check_slash)] | None = None
    regex: Text | None = None

    @model_validator(mode="before")
    @classmethod
    def _read_text(cls, value: Any) -> Any:
        return {"exact": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        found = Violations()
        check_exactly_one(found, exact=self.exact, regex=self.regex)
        found.refuse()
        return self


Headers = Annotated[Many[HeaderMatch], Field(max_length=10)]
Parameters = Annotated[Many[QueryMatch], Field(max_length=10)]
