"""Routes for bytes: TCP, UDP, and TLS by server name.

Reference: envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.proto and
envoy/extensions/filters/udp/udp_proxy/v3 (udp_proxy.proto, route.proto).
"""

from collections.abc import Mapping
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import msgspec

from anygate.envoy.access_log import build_server_log
from anygate.envoy.api import typed, uint32
from anygate.envoy.names import UNRESOLVED, merged_name, stream_name
from anygate.envoy.refusal import CannotBuild
from anygate.model.backend import Backend, EndpointGroup
from anygate.model.listener import AccessLog
from anygate.model.route import BackendTarget, StreamRoute

_TCP = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
_RBAC = "envoy.extensions.filters.network.rbac.v3.RBAC"
_SOURCE_IP = "envoy.extensions.matching.common_inputs.network.v3.SourceIPInput"
_UDP = "envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig"


def build_tcp_proxy(
    stream: StreamRoute | None, name: str, idle: timedelta | None = None, log: AccessLog | None = None
) -> dict[str, Any]:
    """Build the filter that passes bytes on by weight; without a target Envoy closes the connection."""
    config = typed(
        _TCP,
        stat_prefix=name,
        idle_timeout=(stream.idle_timeout if stream else None) or idle,
        access_log=build_server_log(log),
        **_tcp_clusters(_usable(stream)),
    )
    return {"name": "envoy.filters.network.tcp_proxy", "typed_config": config}


def build_source_filters(stream: StreamRoute) -> list[dict[str, Any]]:
    """Build what closes connections by the address that they come from."""
    made = []
    for action, cidrs in (("ALLOW", stream.allowed_sources), ("DENY", stream.denied_sources)):
        if not cidrs:
            continue
        principals = [{"direct_remote_ip": _range(text, stream)} for text in cidrs]
        policy = {"permissions": [{"any": True}], "principals": principals}
        rules = {"action": action, "policies": {"sources": policy}}
        config = typed(_RBAC, stat_prefix=stream_name(stream), rules=rules)
        made.append({"name": "envoy.filters.network.rbac", "typed_config": config})
    return made


def _range(text: str, stream: StreamRoute) -> dict[str, Any]:
    try:
        network = ip_network(text, strict=False)
    except ValueError as problem:
        raise CannotBuild(stream.origin, str(problem)) from problem
    return {"address_prefix": str(network.network_address), "prefix_len": uint32(network.prefixlen)}


def build_udp_proxy(stream: StreamRoute | None, cluster: str, name: str) -> dict[str, Any]:
    """Build the listener filter that passes datagrams on; a cluster that is not there drops them."""
    config = typed(
        _UDP,
        stat_prefix=name,
        idle_timeout=stream.idle_timeout if stream else None,
        matcher=_udp_matcher(stream, cluster),
    )
    return {"name": "envoy.filters.udp_listener.udp_proxy", "typed_config": config}


def _udp_matcher(stream: StreamRoute | None, cluster: str) -> dict[str, Any]:
    """Build where datagrams go by their sources. Tried on Envoy 1.40: one that nothing matches is dropped."""
    onward = {"action": _udp_route(cluster)}
    if stream is None or not (stream.allowed_sources or stream.denied_sources):
        return {"on_no_match": onward}
    if stream.denied_sources:
        away = {"action": _udp_route(UNRESOLVED)}
        inside = {"matcher": _by_source(stream, stream.allowed_sources, onward)} if stream.allowed_sources else onward
        return {**_by_source(stream, stream.denied_sources, away), "on_no_match": inside}
    return _by_source(stream, stream.allowed_sources, onward)


def _by_source(stream: StreamRoute, cidrs: tuple[str, ...], on_match: dict[str, Any]) -> dict[str, Any]:
    ranges = {"ranges": [_range(text, stream) for text in cidrs], "on_match": on_match}
    source = {"name": "source", "typed_config": typed(_SOURCE_IP)}
    found = {"name": "ranges", "typed_config": typed("xds.type.matcher.v3.IPMatcher", range_matchers=[ranges])}
    return {"matcher_tree": {"input": source, "custom_match": found}}


def _udp_route(cluster: str) -> dict[str, Any]:
    route = typed("envoy.extensions.filters.udp.udp_proxy.v3.Route", cluster=cluster)
    return {"name": "route", "typed_config": route}


def udp_cluster(stream: StreamRoute | None) -> str:
    """The one cluster to which a UDP route leads: udp_proxy has no weights, so several targets are merged."""
    targets = _usable(stream)
    if stream is None or not targets:
        return UNRESOLVED
    return targets[0].backend or UNRESOLVED if len(targets) == 1 else merged_name(stream)


def merge_targets(stream: StreamRoute, backends: Mapping[str, Backend]) -> Backend | None:
    """Join the targets of a UDP route in one backend whose groups carry the targets' weights."""
    targets = [target for target in _usable(stream) if target.backend in backends]
    if udp_cluster(stream) != merged_name(stream) or not targets:
        return None
    first = backends[targets[0].backend]
    groups = tuple(
        EndpointGroup(
            endpoints=tuple(endpoint for group in backends[target.backend].groups for endpoint in group.endpoints),
            zone=target.backend,
            weight=target.weight,
        )
        for target in targets
    )
    return msgspec.structs.replace(
        first, origin=stream.origin, name=merged_name(stream), service=stream_name(stream), groups=groups
    )


def _usable(stream: StreamRoute | None) -> list[BackendTarget]:
    """The targets with a share, none if nothing among them can be reached."""
    targets = [target for target in stream.targets if target.weight > 0] if stream else []
    return targets if any(target.backend for target in targets) else []


def _tcp_clusters(targets: list[BackendTarget]) -> dict[str, Any]:
    if len(targets) < 2:
        return {"cluster": targets[0].backend if targets else UNRESOLVED}
    clusters = [{"name": target.backend or UNRESOLVED, "weight": target.weight} for target in targets]
    return {"weighted_clusters": {"clusters": clusters}}
