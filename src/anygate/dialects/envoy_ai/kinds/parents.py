"""What the routes of this dialect share: parents, headers and time limits."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Self

from pydantic import AfterValidator, model_validator

from anygate.manifests.fields import Duration, Many
from anygate.manifests.http import HTTPHeaderMatch
from anygate.manifests.kind import Node
from anygate.manifests.references import ParentReference
from anygate.manifests.violations import Violations, check_distinct


def _check_parents(parents: tuple[ParentReference, ...]) -> tuple[ParentReference, ...]:
    found = Violations()
    if any(parent.kind != "Gateway" for parent in parents):
        found.add("only Gateway is supported")
    found.refuse()
    return parents


def _check_headers(headers: Sequence[HTTPHeaderMatch]) -> Sequence[HTTPHeaderMatch]:
    found = Violations()
    check_distinct(found, [header.name for header in headers], "name", "name")
    found.refuse()
    return headers


GatewayParents = Annotated[Many[ParentReference], AfterValidator(_check_parents)]
"""Gateways that a route attaches to."""

HeaderMatches = Annotated[Many[HTTPHeaderMatch], AfterValidator(_check_headers)]
"""Headers that must all match; a list map by name."""


class HTTPRouteTimeouts(Node):
    """Time limits; zero switches one off."""

    # The whole exchange with the client, retries included.
    request: Duration | None = None
    # One attempt at a backend.
    backend_request: Duration | None = None

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        found = Violations()
        limit, part = self.request, self.backend_request
        if limit is not None and part is not None and limit != timedelta(0) and part > limit:
            found.add("backendRequest timeout cannot be longer than request timeout")
        found.refuse()
        return self
