"""Backends as Envoy clusters.

Reference: envoy/config/cluster/v3/cluster.proto, envoy/extensions/upstreams/http/v3/http_protocol_options.proto,
envoy/extensions/clusters/dns/v3/dns_cluster.proto.
"""

from datetime import timedelta
from typing import Any, NamedTuple

import msgspec

from anygate.envoy.api import any_of, build, double, typed, uint32
from anygate.envoy.balancing import build_load_balancing
from anygate.envoy.bounds import UNBOUNDED
from anygate.envoy.endpoints import build_load_assignment, needs_dns
from anygate.envoy.health import CHECK_METHODS, build_active_check, build_passive_check
from anygate.envoy.http_connection import ADS, build_http2_options, build_preserved_case
from anygate.envoy.mcp.upstream import build_mcp_chain
from anygate.envoy.names import cluster_name
from anygate.envoy.origins import build_origin
from anygate.envoy.refusal import CannotBuild
from anygate.envoy.tls import Trust, build_client_tls, tls_socket
from anygate.envoy.upstream.chain import build_provider_chain
from anygate.envoy.upstream.proxy import build_forward_proxy
from anygate.envoy.upstream.setting import Setting
from anygate.model.backend import Backend, CircuitBreaker, Connection
from anygate.model.origin import Origin
from anygate.model.tls import ClientTls

_CONNECT_TIMEOUT = timedelta(seconds=10)
BUFFER_LIMIT = 32_768
"""How many bytes are held for a connection that does not take them, unless a policy says otherwise."""

_NO_SETTING = Setting()
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_FAMILIES = {
    # AUTO would prefer IPv6, which a laptop or a cluster often resolves but cannot reach.
    "": "V4_PREFERRED",
    "v4": "V4_ONLY",
    "v6": "V6_ONLY",
    "v4_preferred": "V4_PREFERRED",
    "v6_preferred": "AUTO",
    "all": "ALL",
}
_ALPN = {"http1": ("http/1.1",), "http2": ("h2",)}
_SOL_SOCKET, _SO_SNDBUF, _SO_RCVBUF = 1, 7, 8
_SESSION_STATUSES = ("UNKNOWN", "HEALTHY", "DEGRADED", "DRAINING")


class ClusterShape(NamedTuple):
    """All of a cluster but its name and its endpoints; most backends of a model share a few shapes."""

    protocol: str
    websocket: bool
    dynamic: bool
    sticky: bool
    tls: ClientTls | None
    connection: Connection
    weighted: bool
    knows_hostnames: bool
    probed_as: str
    preserve_case: bool
    served_by: Backend | None
    setting: Setting


def cluster_shape(backend: Backend, *, preserve_case: bool = False, setting: Setting = _NO_SETTING) -> ClusterShape:
    """The shape of a backend's cluster; `preserve_case` keeps the case of header names in answers.

    The cluster of a model provider has a shape of its own, in which `setting` tells it of the others.
    """
    connection = backend.connection
    return ClusterShape(
        backend.protocol,
        backend.websocket,
        backend.dynamic,
        backend.sticky,
        backend.tls,
        connection,
        weighted=len(backend.groups) > 1 and not connection.balancing.prefer_local_zone,
        knows_hostnames=backend.tls is not None and _knows_hostnames(backend),
        probed_as=backend.service if connection.active_check else "",
        preserve_case=preserve_case,
        served_by=backend if backend.provider or backend.mcp else None,
        setting=setting if backend.provider else _NO_SETTING,
    )


def build_cluster_shape(shape: ClusterShape, origin: Origin, trust: Trust) -> Any:
    """Build the part of a Cluster that its shape decides. Raises CannotBuild with the origin of the first backend."""
    connection = shape.connection
    cluster = build(
        "envoy.config.cluster.v3.Cluster",
        connect_timeout=connection.connect_timeout or _CONNECT_TIMEOUT,
        per_connection_buffer_limit_bytes=uint32(connection.buffer_limit or BUFFER_LIMIT),
        circuit_breakers=_breakers(shape),
        outlier_detection=_passive_check(shape),
        health_checks=_active_checks(shape, origin),
        common_lb_config=_common_balancing(shape),
        load_balancing_policy=None
        if shape.dynamic
        else build_load_balancing(connection.balancing, weighted_groups=shape.weighted),
        upstream_connection_options=_keepalive(connection),
        upstream_bind_config=_bind(connection),
        preconnect_policy=_preconnect(connection),
        transport_socket=_transport_socket(shape, trust),
        # An endpoint that discovery removed is gone, whatever its last health check said.
        ignore_health_on_host_removal=True,
        dns_lookup_family=_FAMILIES[connection.dns.family] if shape.dynamic else None,
    )
    if shape.protocol not in ("tcp", "udp"):
        cluster.typed_extension_protocol_options[_HTTP_OPTIONS].CopyFrom(any_of(build_http_options(shape)))
    return cluster


def build_cluster(backend: Backend) -> Any:
    """Build what a Cluster has of its own; its shape is merged with it."""
    return build(
        "envoy.config.cluster.v3.Cluster",
        name=cluster_name(backend),
        metadata=build_origin(backend),
        **_discovery(backend),
    )


def has_endpoint_discovery(backend: Backend) -> bool:
    """Whether the endpoints travel apart from the cluster, over EDS."""
    return not backend.dynamic and not needs_dns(backend)


def build_http_options(shape: ClusterShape) -> Any:
    """Build the HttpProtocolOptions: which HTTP is spoken with the backend."""
    connection, tls = shape.connection, shape.tls
    http1 = {"header_key_format": build_preserved_case()} if shape.preserve_case else {}
    http2 = build_http2_options(connection.http2)
    # A WebSocket over HTTP/2 is an extended CONNECT (RFC 8441).
    http2.allow_connect = shape.websocket
    # Envoy refuses a dynamic_forward_proxy cluster without both, even when it speaks no TLS.
    auto_sni = shape.dynamic or (tls is not None and tls.auto_sni and not shape.knows_hostnames)
    verify = auto_sni and not (tls is not None and tls.insecure)
    breaker = connection.circuit_breaker
    return build(
        _HTTP_OPTIONS,
        common_http_protocol_options={
            "idle_timeout": connection.idle_timeout,
            "max_connection_duration": connection.max_connection_duration,
            "max_requests_per_connection": uint32(breaker.requests_per_connection) if breaker else None,
        },
        upstream_http_protocol_options={"auto_sni": True, "auto_san_validation": verify} if auto_sni else None,
        http_filters=_filters(shape),
        **_protocol(shape, http1, http2),
    )


def _filters(shape: ClusterShape) -> list[dict[str, Any]]:
    backend = shape.served_by
    if backend is not None and backend.mcp is not None:
        return build_mcp_chain(backend.mcp)
    return build_provider_chain(backend, backend.provider, shape.setting) if backend and backend.provider else []


def _breakers(shape: ClusterShape) -> Any:
    """Build the bounds. A provider's cluster has only those that a policy sets.

    Answers of models take long, so Envoy's own 1024 would soon be too few, and a request that is refused by a bound
    does not go on to the rule's next backend.
    """
    if shape.served_by is None:
        return build_circuit_breakers(shape.connection.circuit_breaker)
    given = shape.connection.circuit_breaker or CircuitBreaker()
    bounds = ("connections", "pending", "requests", "retries")
    free = {name: UNBOUNDED for name in bounds if getattr(given, name) is None}
    return build_circuit_breakers(msgspec.structs.replace(given, **free))


def _passive_check(shape: ClusterShape) -> Any:
    """Build the passive check. Whoever checks a provider wants it out when it fails, and it mostly is one endpoint."""
    check = shape.connection.passive_check
    if check is None:
        return None
    if shape.served_by is not None and sum(len(group.endpoints) for group in shape.served_by.groups) == 1:
        check = msgspec.structs.replace(check, max_ejection_percent=100)
    return build_passive_check(check)


def build_circuit_breakers(breaker: CircuitBreaker | None) -> Any:
    """Build CircuitBreakers; None where every bound is Envoy's own."""
    if breaker is None:
        return None
    budget = None
    if breaker.retry_budget_percent is not None:
        budget = {
            "budget_percent": {"value": breaker.retry_budget_percent},
            "budget_interval": breaker.retry_budget_interval,
            "min_retry_concurrency": uint32(breaker.retry_budget_min),
        }
    endpoint = breaker.connections_per_endpoint
    return build(
        "envoy.config.cluster.v3.CircuitBreakers",
        thresholds=[
            {
                "max_connections": uint32(breaker.connections),
                "max_pending_requests": uint32(breaker.pending),
                "max_requests": uint32(breaker.requests),
                "max_retries": uint32(breaker.retries),
                "retry_budget": budget,
            }
        ],
        per_host_thresholds=[] if endpoint is None else [{"max_connections": uint32(endpoint)}],
    )


def _discovery(backend: Backend) -> dict[str, Any]:
    """Build where endpoints come from. EDS carries addresses only, so names are resolved by a DNS cluster."""
    if backend.dynamic:
        return {**_dynamic(backend), "lb_policy": "CLUSTER_PROVIDED"}
    if not needs_dns(backend):
        return {"type": "EDS", "eds_cluster_config": {"eds_config": ADS}}
    dns = backend.connection.dns
    config = typed(
        "envoy.extensions.clusters.dns.v3.DnsCluster",
        dns_refresh_rate=dns.refresh,
        respect_dns_ttl=dns.respect_ttl,
        all_addresses_in_single_endpoint=dns.one_endpoint,
        dns_lookup_family=_FAMILIES[dns.family],
    )
    return {
        "cluster_type": {"name": "envoy.clusters.dns", "typed_config": config},
        "load_assignment": build_load_assignment(cluster_name(backend), backend),
    }


def _dynamic(backend: Backend) -> dict[str, Any]:
    dns = backend.connection.dns
    config = typed(
        "envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig",
        dns_cache_config={
            "name": f"anygate/{dns.family or 'default'}/{dns.refresh or 0}",
            "dns_lookup_family": _FAMILIES[dns.family],
            "dns_refresh_rate": dns.refresh,
        },
        allow_insecure_cluster_options=backend.tls is not None and backend.tls.insecure,
    )
    return {"cluster_type": {"name": "envoy.clusters.dynamic_forward_proxy", "typed_config": config}}


def _protocol(shape: ClusterShape, http1: dict[str, Any], http2: Any) -> dict[str, Any]:
    """Build the choice of HTTP version; `auto` needs ALPN, hence TLS, and is HTTP/1.1 without."""
    if shape.connection.use_client_protocol:
        return {"use_downstream_protocol_config": {"http_protocol_options": http1, "http2_protocol_options": http2}}
    if shape.protocol == "http2":
        return {"explicit_http_config": {"http2_protocol_options": http2}}
    if shape.protocol == "auto" and shape.tls is not None:
        return {"auto_config": {"http_protocol_options": http1, "http2_protocol_options": http2}}
    return {"explicit_http_config": {"http_protocol_options": http1}}


def _knows_hostnames(backend: Backend) -> bool:
    """Whether endpoints say which server name to ask for; otherwise the request's host does."""
    if backend.dynamic:
        return False
    hosts = [endpoint for group in backend.groups for endpoint in group.endpoints]
    return needs_dns(backend) or any(endpoint.hostname for endpoint in hosts)


def _transport_socket(shape: ClusterShape, trust: Trust) -> dict[str, Any] | None:
    inner = None
    if shape.tls is not None:
        alpn = () if shape.connection.use_client_protocol else _ALPN.get(shape.protocol, ())
        inner = tls_socket(build_client_tls(shape.tls, trust, alpn, by_endpoint=shape.knows_hostnames))
    provider = shape.served_by.provider if shape.served_by else None
    if provider is not None and provider.forward_proxy:
        return build_forward_proxy(provider, inner)
    version = shape.connection.proxy_protocol
    if not version:
        return inner
    raw = "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"
    config = typed(
        "envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport",
        config={"version": version.upper()},
        transport_socket=inner or {"name": "envoy.transport_sockets.raw_buffer", "typed_config": typed(raw)},
    )
    return {"name": "envoy.transport_sockets.upstream_proxy_protocol", "typed_config": config}


def _active_checks(shape: ClusterShape, origin: Origin) -> list[Any]:
    check = shape.connection.active_check
    if check is None:
        return []
    http2 = shape.protocol == "http2"
    if check.kind == "grpc" and not http2:
        raise CannotBuild(origin, "a gRPC health check needs a backend that speaks HTTP/2")
    if check.http is not None and check.http.method.upper() not in CHECK_METHODS:
        raise CannotBuild(origin, f"a health check cannot use the method {check.http.method}")
    return [build_active_check(check, shape.probed_as, http2=http2)]


def _common_balancing(shape: ClusterShape) -> dict[str, Any] | None:
    panic = shape.connection.panic_threshold
    fields: dict[str, Any] = {}
    if panic is not None:
        fields["healthy_panic_threshold"] = {"value": float(panic)}
    if shape.sticky:
        # Without this a session leaves an endpoint the moment it starts draining.
        fields["override_host_status"] = {"statuses": _SESSION_STATUSES}
    return fields or None


def _keepalive(connection: Connection) -> dict[str, Any] | None:
    return {"tcp_keepalive": build_keepalive(connection.keepalive)} if connection.keepalive else None


def build_keepalive(keepalive: Any) -> dict[str, Any]:
    """Build TcpKeepalive; it counts whole seconds."""
    return {
        "keepalive_probes": uint32(keepalive.probes),
        "keepalive_time": uint32(_seconds(keepalive.idle)),
        "keepalive_interval": uint32(_seconds(keepalive.interval)),
    }


def build_socket_buffers(limit: int | None) -> list[dict[str, Any]]:
    """Build the socket options that bound both kernel buffers of a connection."""
    if limit is None:
        return []
    return [
        {"description": text, "level": _SOL_SOCKET, "name": name, "int_value": limit, "state": "STATE_PREBIND"}
        for text, name in (("send buffer", _SO_SNDBUF), ("receive buffer", _SO_RCVBUF))
    ]


def _bind(connection: Connection) -> dict[str, Any] | None:
    options = build_socket_buffers(connection.socket_buffer_limit)
    return {"socket_options": options} if options else None


def _preconnect(connection: Connection) -> dict[str, Any] | None:
    each, ahead = connection.preconnect_per_endpoint, connection.preconnect_predictive
    if each is None and ahead is None:
        return None
    return {"per_upstream_preconnect_ratio": double(each), "predictive_preconnect_ratio": double(ahead)}


def _seconds(span: timedelta | None) -> int | None:
    return None if span is None else max(1, round(span.total_seconds()))
