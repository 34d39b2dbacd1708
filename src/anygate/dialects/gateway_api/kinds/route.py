"""What all kinds of routes have in common."""

from collections.abc import Iterable, Sequence
from typing import Literal, Protocol, Self

from pydantic import Field, model_validator

from anygate.dialects.gateway_api.kinds.references import ParentReference, check_parents
from anygate.dialects.gateway_api.kinds.sequences import Distinct
from anygate.dialects.gateway_api.kinds.violations import Violations, check_exclusive
from anygate.manifests.fields import Many
from anygate.manifests.http import Fraction, HeaderValue, HTTPHeader, HttpMethod, Named, check_names
from anygate.manifests.kind import Node

__all__ = [
    "MAX_MATCHES",
    "Fraction",
    "HTTPHeader",
    "HTTPHeaderFilter",
    "HeaderValue",
    "HttpMethod",
    "Named",
    "RouteSpec",
    "Typed",
    "check_match_count",
    "check_names",
    "check_rule_names",
    "check_share",
    "check_single",
]

MAX_MATCHES = 128
"""Matches of all rules of a route together."""


class RouteSpec(Node):
    """Where a route attaches."""

    parent_refs: Many[ParentReference] = Field(default=(), max_length=32)
    # All: attach to the Gateways whose `defaultScope` is All, too.
    use_default_gateways: Literal["All", "None"] | None = None

    @model_validator(mode="after")
    def _check_parents(self) -> Self:
        found = Violations()
        check_parents(found, self.parent_refs)
        found.refuse()
        return self


class HTTPHeaderFilter(Node):
    """Header edits; names are case-insensitive."""

    set: Many[HTTPHeader] = Field(default=(), max_length=16)
    add: Many[HTTPHeader] = Field(default=(), max_length=16)
    remove: Distinct[str] = Field(default=(), max_length=16)

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        found = Violations()
        check_names(found, self.set, "set")
        check_names(found, self.add, "add")
        found.refuse()
        return self


class Typed(Protocol):
    """Anything with a type."""

    @property
    def type(self) -> str:
        """The type."""


def check_rule_names(found: Violations, names: Iterable[str | None]) -> None:
    """Refuse a repeated rule name."""
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name is not None and name in seen:
            found.add("rule name must be unique within the route", index, "name", code="duplicate")
        if name is not None:
            seen.add(name)


def check_match_count(found: Violations, counts: Iterable[int]) -> None:
    """Refuse the rule with which the route has too many matches."""
    total = 0
    for index, count in enumerate(counts):
        total += count
        if total > MAX_MATCHES:
            found.add(f"the route has more than {MAX_MATCHES} matches", index, "matches")
            return


def check_single(found: Violations, filters: Sequence[Typed], single: frozenset[str]) -> None:
    """Refuse a second filter of a type that may stand only once."""
    seen: set[str] = set()
    for index, entry in enumerate(filters):
        if entry.type in single and entry.type in seen:
            found.add(f"the {entry.type} filter must not be repeated", index, "type", code="duplicate")
        seen.add(entry.type)


def check_share(found: Violations, percent: int | None, fraction: Fraction | None) -> None:
    """Refuse percent and fraction together."""
    check_exclusive(found, percent=percent, fraction=fraction)
