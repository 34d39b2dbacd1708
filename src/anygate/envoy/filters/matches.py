"""Conditions of the model as Envoy's matchers, for the filters that look at requests themselves."""

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from anygate.envoy.api import build, uint32
from anygate.envoy.refusal import CannotBuild
from anygate.model.match import PathMatch
from anygate.model.origin import Origin

STRING = "envoy.type.matcher.v3.StringMatcher"
HEADER = "envoy.config.route.v3.HeaderMatcher"
PATH = "envoy.type.matcher.v3.PathMatcher"
_QUERY = "(\\?.*)?"


def exact(value: str, *, ignore_case: bool | None = None) -> Any:
    """Return a `StringMatcher` for one value."""
    return build(STRING, exact=value, ignore_case=ignore_case)


def matching(pattern: str) -> Any:
    """Return a `StringMatcher` for an RE2 expression that has to match all of the text."""
    return build(STRING, safe_regex={"regex": pattern})


def exact_path(path: str) -> Any:
    """Return a `PathMatcher` for one path, without its query."""
    return build(PATH, path=exact(path))


def path_header(match: PathMatch) -> Any:
    """Return a `HeaderMatcher` on `:path`, which has the query too, for filters without a path matcher."""
    value = re.escape(match.value)
    if match.kind == "exact":
        pattern = value + _QUERY
    elif match.kind == "string_prefix":
        pattern = value + ".*"
    elif match.kind == "prefix":
        stem = re.escape(match.value.rstrip("/"))
        pattern = f"{stem}(/[^?]*)?{_QUERY}"
    else:
        pattern = f"(?:{match.value}){_QUERY}"
    if match.ignore_case:
        pattern = f"(?i){pattern}"
    return build(HEADER, name=":path", string_match=matching(pattern))


def cidr_range(text: str, origin: Origin) -> dict[str, Any]:
    """Return the fields of a `CidrRange`, of which Envoy's API has two.

    Bits beyond the prefix are cleared; a bare address is a network of one.
    """
    network = parse_network(text, origin)
    return {"address_prefix": str(network.network_address), "prefix_len": uint32(network.prefixlen)}


def parse_network(text: str, origin: Origin) -> IPv4Network | IPv6Network:
    """Read a CIDR; one that is none would otherwise make Envoy refuse every route of the server."""
    try:
        return ip_network(text, strict=False)
    except ValueError as problem:
        raise CannotBuild(origin, f"{text!r} is not a range of addresses") from problem
