"""Which requests a limit counts, as Envoy Gateway's policies and those built on them say it."""

from collections.abc import Sequence
from typing import Literal

from anygate.manifests.envoy_gateway.rate_limit import (
    RateLimitHeaderMatch,
    RateLimitMethodMatch,
    RateLimitQueryParamMatch,
    RateLimitSelectCondition,
)
from anygate.model.limits import LimitSelector
from anygate.model.match import PathMatch, ValueMatch

_PATHS: dict[str, Literal["exact", "prefix", "regex"]] = {
    "Exact": "exact",
    "PathPrefix": "prefix",
    "RegularExpression": "regex",
}


def read_selector(found: RateLimitSelectCondition) -> LimitSelector:
    """Read the conditions of one selector, which all have to hold."""
    source, path = found.source_cidr, found.path
    methods, others = _read_methods(found.methods or ())
    return LimitSelector(
        headers=tuple(_read_value(one, one.name.lower()) for one in found.headers or () if one.type != "Distinct"),
        distinct_headers=tuple(one.name.lower() for one in found.headers or () if one.type == "Distinct"),
        query=tuple(_read_value(one, one.name) for one in found.query_params or () if one.type != "Distinct"),
        distinct_query=tuple(one.name for one in found.query_params or () if one.type == "Distinct"),
        methods=methods,
        other_methods=others,
        path=PathMatch(kind=_PATHS[path.type], value=path.value) if path else None,
        other_path=path is not None and path.invert,
        cidr=source.value if source else "",
        other_addresses=source is not None and source.invert,
        distinct_addresses=source is not None and source.type == "Distinct",
    )


def _read_value(found: RateLimitHeaderMatch | RateLimitQueryParamMatch, name: str) -> ValueMatch:
    kind: Literal["exact", "regex"] = "exact" if found.type == "Exact" else "regex"
    return ValueMatch(name=name, kind=kind, value=found.value or "", invert=found.invert)


def _read_methods(found: Sequence[RateLimitMethodMatch]) -> tuple[tuple[str, ...], bool]:
    """The methods, which are alternatives, and whether they are those that do not count.

    Of several inverted ones each leaves out another method, so together they leave out none.
    """
    wanted = tuple(one.value for one in found if not one.invert)
    left_out = {one.value for one in found if one.invert}
    if not left_out:
        return wanted, False
    return (tuple(left_out), True) if len(left_out) == 1 and not left_out & set(wanted) else ((), False)
