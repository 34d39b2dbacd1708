"""Matches of HTTPRoute and GRPCRoute rules, with the rank that the Gateway API gives them.

The order is that of HTTPRouteRule `matches` and GRPCRouteRule `matches` in the API reference; regular
expressions, whose place the API leaves open, stand between exact paths and prefixes, as in Envoy Gateway.
"""

import re

import msgspec

from anygate.diagnostics import FieldPath
from anygate.dialects.gateway_api.context import origin
from anygate.dialects.gateway_api.kinds.grpcroute import GRPCMethodMatch, GRPCRouteMatch
from anygate.dialects.gateway_api.kinds.httproute import HTTPHeaderMatch, HTTPRouteMatch
from anygate.manifests.object import Manifest
from anygate.model.match import HttpMatch, PathMatch, ValueMatch
from anygate.model.origin import Origin

_PATH_KINDS = {"Exact": "exact", "PathPrefix": "prefix", "RegularExpression": "regex"}
_PATH_RANK = {"exact": 3, "regex": 2, "prefix": 1}


def read_http_match(manifest: Manifest, match: HTTPRouteMatch, path: FieldPath) -> HttpMatch:
    """One match of an HTTPRoute rule."""
    kind = _PATH_KINDS[match.path.type]
    value = match.path.value
    headers = _headers(match.headers)
    query = tuple(
        ValueMatch(name=one.name, kind="exact" if one.type == "Exact" else "regex", value=one.value)
        for one in match.query_params
    )
    rank = http_rank(match.path.type, len(value), bool(match.method), len(headers), len(query))
    everything = kind == "prefix" and value == "/"
    return HttpMatch(
        origin=origin(manifest, path),
        path=None if everything else PathMatch(kind=kind, value=value),  # type: ignore[arg-type]
        method=match.method or "",
        headers=headers,
        query=query,
        rank=rank,
    )


def http_rank(kind: str, length: int, has_method: bool, headers: int, query: int) -> tuple[int, ...]:
    """Where a match of an HTTPRoute stands: `kind` is that of its path, `length` that of its value."""
    return (_PATH_RANK[_PATH_KINDS[kind]], length, 1 if has_method else 0, headers, query)


def grpc_rank(kind: str, service: str, method: str, headers: int) -> tuple[int, ...]:
    """Where a match of a GRPCRoute stands; `kind` is that of its method, if it has one."""
    return (4 if kind == "Exact" and service and method else 1, len(service), len(method), headers, 0)


def read_grpc_match(manifest: Manifest, match: GRPCRouteMatch, path: FieldPath) -> HttpMatch:
    """One match of a GRPCRoute rule: a call's path is `/service/method`."""
    headers = _headers(match.headers)  # type: ignore[arg-type]
    call = match.method
    service, method = (call.service or "", call.method or "") if call else ("", "")
    rank = grpc_rank(call.type if call else "", service, method, len(headers))
    return HttpMatch(
        origin=origin(manifest, path),
        path=_grpc_path(call) if call else None,
        headers=headers,
        rank=rank,
    )


def with_cookies(
    matches: tuple[HttpMatch, ...], groups: tuple[tuple[ValueMatch, ...], ...], rule: Origin
) -> tuple[HttpMatch, ...]:
    """Matches that hold only with one of the groups of cookies; a cookie ranks like a header."""
    if not groups:
        return matches
    return tuple(
        msgspec.structs.replace(match, cookies=cookies, rank=_with_headers(match.rank, len(cookies)))
        for match in matches or (HttpMatch(origin=rule, rank=_EVERYTHING),)
        for cookies in groups
    )


_EVERYTHING = (_PATH_RANK["prefix"], 1, 0, 0, 0)


def _with_headers(rank: tuple[int, ...], more: int) -> tuple[int, ...]:
    return (*rank[:3], rank[3] + more, *rank[4:])


def _grpc_path(call: GRPCMethodMatch) -> PathMatch:
    service, method = call.service or "", call.method or ""
    if call.type == "Exact":
        if service and method:
            return PathMatch(kind="exact", value=f"/{service}/{method}")
        if service:
            return PathMatch(kind="string_prefix", value=f"/{service}/")
        return PathMatch(kind="regex", value=f"/[^/]+/{re.escape(method)}")
    return PathMatch(kind="regex", value=f"/{service or '[^/]+'}/{method or '[^/]+'}")


def _headers(headers: tuple[HTTPHeaderMatch, ...]) -> tuple[ValueMatch, ...]:
    """Header conditions; of names that differ only in case the first counts, as the API says."""
    kept: dict[str, ValueMatch] = {}
    for one in headers:
        kind = "exact" if one.type == "Exact" else "regex"
        kept.setdefault(
            one.name.lower(),
            ValueMatch(name=one.name.lower(), kind=kind, value=one.value),  # type: ignore[arg-type]
        )
    return tuple(kept.values())
