"""HTTPRoute: rules that match HTTP requests, change them and send them to backends."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from anygate.dialects.gateway_api.kinds.httpfilter import HTTPPathModifier, HTTPRouteFilter, check_filters
from anygate.dialects.gateway_api.kinds.references import GATEWAY_API_GROUP, BackendRef
from anygate.dialects.gateway_api.kinds.route import (
    HttpMethod,
    RouteSpec,
    check_match_count,
    check_names,
    check_rule_names,
)
from anygate.dialects.gateway_api.kinds.sequences import Distinct, NonEmpty
from anygate.dialects.gateway_api.kinds.session import SessionPersistence
from anygate.dialects.gateway_api.kinds.violations import Violations
from anygate.manifests.fields import Duration, HeaderName, Hostname, Many, SectionName
from anygate.manifests.http import HTTPHeaderMatch
from anygate.manifests.kind import Kind, Node

__all__ = [
    "HTTPBackendRef",
    "HTTPHeaderMatch",
    "HTTPPathMatch",
    "HTTPQueryParamMatch",
    "HTTPRoute",
    "HTTPRouteMatch",
    "HTTPRouteRetry",
    "HTTPRouteRule",
    "HTTPRouteSpec",
    "HTTPRouteTimeouts",
    "RetryStatusCode",
    "check_path",
]

_FORBIDDEN_PARTS = ("//", "/./", "/../", "%2f", "%2F", "#")
_FORBIDDEN_ENDS = ("/..", "/.")
# "#" has a message of its own.
_PATH_CHARACTERS = frozenset("-._~!$&'()*+,;=:@/%#")
# Nearly every path is of this shape, which leaves nothing to look for.
_PLAIN_PATH = re.compile(r"(?:/[A-Za-z0-9_~!$&'()*+,;=:@-]+)*/?")
_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")


def check_path(found: Violations, path: str, *at: str) -> None:
    """Require an absolute, normalized path."""
    if _PLAIN_PATH.fullmatch(path):
        return
    for problem in _path_problems(path):
        found.add(problem, *at, value=path)


def _path_problems(path: str) -> Iterator[str]:
    if not path.startswith("/"):
        yield "must be an absolute path"
    yield from (f'must not contain "{part}"' for part in _FORBIDDEN_PARTS if part in path)
    yield from (f'must not end with "{end}"' for end in _FORBIDDEN_ENDS if path.endswith(end))
    stray = next((c for c in path if not (c.isascii() and c.isalnum()) and c not in _PATH_CHARACTERS), None)
    if stray is not None:
        yield f'must not contain the character "{stray}"'
    if any(len(code) < 2 or not set(code) <= _HEX_DIGITS for code in (p[:2] for p in path.split("%")[1:])):
        yield '"%" must be followed by two hexadecimal digits'


class HTTPPathMatch(Node):
    """A path to match; PathPrefix compares whole path elements."""

    type: Literal["Exact", "PathPrefix", "RegularExpression"] = "PathPrefix"
    value: str = Field(default="/", max_length=1024)

    @model_validator(mode="after")
    def _check_value(self) -> Self:
        found = Violations()
        if self.type != "RegularExpression":
            check_path(found, self.value, "value")
        found.refuse()
        return self


class HTTPQueryParamMatch(Node):
    """A query parameter to match."""

    type: Literal["Exact", "RegularExpression"] = "Exact"
    name: HeaderName
    value: str = Field(min_length=1, max_length=1024)


class HTTPRouteMatch(Node):
    """Conditions that must all hold."""

    path: HTTPPathMatch = Field(default_factory=HTTPPathMatch)
    headers: Many[HTTPHeaderMatch] = Field(default=(), max_length=16)
    query_params: Many[HTTPQueryParamMatch] = Field(default=(), max_length=16)
    method: HttpMethod | None = None

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        found = Violations()
        check_names(found, self.headers, "headers")
        check_names(found, self.query_params, "queryParams")
        found.refuse()
        return self


class HTTPBackendRef(BackendRef):
    """A backend, its share of the traffic and filters for it alone."""

    filters: Annotated[Many[HTTPRouteFilter], AfterValidator(check_filters)] = Field(default=(), max_length=16)


class HTTPRouteTimeouts(Node):
    """Time limits; zero switches one off."""

    # The whole exchange with the client, retries included.
    request: Duration | None = None
    # One attempt at a backend.
    backend_request: Duration | None = None

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        found = Violations()
        limit = self.request
        if limit and self.backend_request is not None and limit != timedelta(0) and self.backend_request > limit:
            found.add("must not be longer than request", "backendRequest")
        found.refuse()
        return self


RetryStatusCode = Annotated[int, Field(ge=400, le=599)]


class HTTPRouteRetry(Node):
    """When and how often to try again; a failed connection always counts."""

    codes: Distinct[RetryStatusCode] = ()
    # In addition to the first try; 0 switches retries off.
    attempts: int | None = Field(default=None, ge=0)
    # Base interval between tries.
    backoff: Duration | None = None


class HTTPRouteRule(Node):
    """Matches (any of them), filters and backends."""

    name: SectionName | None = None
    matches: Many[HTTPRouteMatch] = Field(default_factory=lambda: (HTTPRouteMatch(),), max_length=64)
    filters: Annotated[Many[HTTPRouteFilter], AfterValidator(check_filters)] = Field(default=(), max_length=16)
    backend_refs: Many[HTTPBackendRef] = Field(default=(), max_length=16)
    timeouts: HTTPRouteTimeouts | None = None
    retry: HTTPRouteRetry | None = None
    session_persistence: SessionPersistence | None = None

    @model_validator(mode="after")
    def _check_filters(self) -> Self:
        found = Violations()
        one_prefix = len(self.matches) == 1 and self.matches[0].path.type == "PathPrefix"
        for index, entry in enumerate(self.filters):
            if entry.request_redirect is not None and self.backend_refs:
                text = "the RequestRedirect filter cannot be combined with backendRefs"
                found.add(text, "filters", index, "type", code="forbidden")
            if not one_prefix:
                _check_prefix(found, entry, "filters", index)
        for place, backend in enumerate(self.backend_refs):
            for index, entry in enumerate(backend.filters):
                if not one_prefix:
                    _check_prefix(found, entry, "backendRefs", place, "filters", index)
        found.refuse()
        return self


def _check_prefix(found: Violations, entry: HTTPRouteFilter, *at: str | int) -> None:
    """Report a prefix replacement; call it only for rules that lack the single prefix to replace."""
    modifiers: tuple[tuple[str, HTTPPathModifier | None], ...] = (
        ("requestRedirect", entry.request_redirect.path if entry.request_redirect else None),
        ("urlRewrite", entry.url_rewrite.path if entry.url_rewrite else None),
    )
    for name, path in modifiers:
        if path is not None and path.replace_prefix_match is not None:
            text = "replacePrefixMatch needs exactly one match in the rule, of type PathPrefix"
            found.add(text, *at, name, "path", "replacePrefixMatch")


class HTTPRouteSpec(RouteSpec):
    """Hostnames and rules."""

    hostnames: Many[Hostname] = Field(default=(), max_length=16)
    rules: NonEmpty[HTTPRouteRule] = Field(default_factory=lambda: (HTTPRouteRule(),), max_length=16)

    @field_validator("rules")
    @classmethod
    def _check_rules(cls, rules: tuple[HTTPRouteRule, ...]) -> tuple[HTTPRouteRule, ...]:
        found = Violations()
        check_rule_names(found, (rule.name for rule in rules))
        check_match_count(found, (len(rule.matches) for rule in rules))
        found.refuse()
        return rules


class HTTPRoute(Kind):
    """Routes HTTP requests."""

    GROUP: ClassVar[str] = GATEWAY_API_GROUP
    KIND: ClassVar[str] = "HTTPRoute"

    spec: HTTPRouteSpec
