"""Backends as Envoy clusters.

Reference: envoy/config/cluster/v3/cluster.proto, envoy/extensions/upstreams/http/v3/http_protocol_options.proto,
envoy/extensions/clusters/dns/v3/dns_cluster.proto.
"""

from datetime import timedelta
from typing import Any

from anygate.envoy.api import any_of, build, double, struct, typed, uint32
from anygate.envoy.balancing import build_load_balancing
from anygate.envoy.endpoints import build_load_assignment, needs_dns
from anygate.envoy.health import build_active_check, build_passive_check
from anygate.envoy.http_connection import ADS, build_http2_options, build_preserved_case
from anygate.envoy.names import ORIGIN, cluster_name
from anygate.envoy.tls import Trust, build_client_tls, tls_socket
from anygate.model.backend import Backend, CircuitBreaker, Connection

_CONNECT_TIMEOUT = timedelta(seconds=10)
_BUFFER_LIMIT = 32_768
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


def build_cluster(backend: Backend, trust: Trust, *, preserve_case: bool = False) -> Any:
    """Build the Cluster of one backend; `preserve_case` keeps the case of header names in answers."""
    connection = backend.connection
    cluster = build(
        "envoy.config.cluster.v3.Cluster",
        name=cluster_name(backend),
        metadata={"filter_metadata": {ORIGIN: struct(_origin(backend))}},
        **_discovery(backend),
        connect_timeout=connection.connect_timeout or _CONNECT_TIMEOUT,
        per_connection_buffer_limit_bytes=uint32(connection.buffer_limit or _BUFFER_LIMIT),
        circuit_breakers=build_circuit_breakers(connection.circuit_breaker),
        outlier_detection=build_passive_check(connection.passive_check) if connection.passive_check else None,
        health_checks=_active_checks(backend),
        common_lb_config=_common_balancing(backend),
        upstream_connection_options=_keepalive(connection),
        upstream_bind_config=_bind(connection),
        preconnect_policy=_preconnect(connection),
        transport_socket=_transport_socket(backend, trust),
        # An endpoint that discovery removed is gone, whatever its last health check said.
        ignore_health_on_host_removal=True,
        dns_lookup_family=_FAMILIES[connection.dns.family] if backend.dynamic else None,
    )
    if backend.protocol not in ("tcp", "udp"):
        options = build_http_options(backend, preserve_case=preserve_case)
        cluster.typed_extension_protocol_options[_HTTP_OPTIONS].CopyFrom(any_of(options))
    return cluster


def has_endpoint_discovery(backend: Backend) -> bool:
    """Whether the endpoints travel apart from the cluster, over EDS."""
    return not backend.dynamic and not needs_dns(backend)


def build_http_options(backend: Backend, *, preserve_case: bool = False) -> Any:
    """Build the HttpProtocolOptions: which HTTP is spoken with the backend."""
    connection = backend.connection
    http1 = {"header_key_format": build_preserved_case()} if preserve_case else {}
    http2 = build_http2_options(connection.http2)
    # A WebSocket over HTTP/2 is an extended CONNECT (RFC 8441).
    http2.allow_connect = backend.websocket
    tls = backend.tls
    # Envoy refuses a dynamic_forward_proxy cluster without both, even when it speaks no TLS.
    auto_sni = backend.dynamic or (tls is not None and tls.auto_sni and not _knows_hostnames(backend))
    verify = auto_sni and not (tls is not None and tls.insecure)
    return build(
        _HTTP_OPTIONS,
        common_http_protocol_options={
            "idle_timeout": connection.idle_timeout,
            "max_connection_duration": connection.max_connection_duration,
            "max_requests_per_connection": uint32(connection.circuit_breaker.requests_per_connection)
            if connection.circuit_breaker
            else None,
        },
        upstream_http_protocol_options={"auto_sni": True, "auto_san_validation": verify} if auto_sni else None,
        **_protocol(backend, http1, http2),
    )


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


def _origin(backend: Backend) -> dict[str, str]:
    origin = backend.origin
    return {"object": origin.object, "path": origin.path, "place": origin.place, "service": backend.service}


def _discovery(backend: Backend) -> dict[str, Any]:
    """Build where endpoints come from. EDS carries addresses only, so names are resolved by a DNS cluster."""
    if backend.dynamic:
        return {**_dynamic(backend), "lb_policy": "CLUSTER_PROVIDED"}
    weighted = len(backend.groups) > 1 and not backend.connection.balancing.prefer_local_zone
    balancing = build_load_balancing(backend.connection.balancing, weighted_groups=weighted)
    if not needs_dns(backend):
        return {"type": "EDS", "eds_cluster_config": {"eds_config": ADS}, "load_balancing_policy": balancing}
    dns = backend.connection.dns
    config = typed(
        "envoy.extensions.clusters.dns.v3.DnsCluster",
        dns_refresh_rate=dns.refresh,
        respect_dns_ttl=dns.respect_ttl,
        dns_lookup_family=_FAMILIES[dns.family],
    )
    return {
        "cluster_type": {"name": "envoy.clusters.dns", "typed_config": config},
        "load_assignment": build_load_assignment(cluster_name(backend), backend.groups),
        "load_balancing_policy": balancing,
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


def _protocol(backend: Backend, http1: dict[str, Any], http2: Any) -> dict[str, Any]:
    """Build the choice of HTTP version; `auto` needs ALPN, hence TLS, and is HTTP/1.1 without."""
    if backend.connection.use_client_protocol:
        return {"use_downstream_protocol_config": {"http_protocol_options": http1, "http2_protocol_options": http2}}
    if backend.protocol == "http2":
        return {"explicit_http_config": {"http2_protocol_options": http2}}
    if backend.protocol == "auto" and backend.tls is not None:
        return {"auto_config": {"http_protocol_options": http1, "http2_protocol_options": http2}}
    return {"explicit_http_config": {"http_protocol_options": http1}}


def _knows_hostnames(backend: Backend) -> bool:
    """Whether endpoints say which server name to ask for; otherwise the request's host does."""
    if backend.dynamic:
        return False
    hosts = [endpoint for group in backend.groups for endpoint in group.endpoints]
    return needs_dns(backend) or any(endpoint.hostname for endpoint in hosts)


def _transport_socket(backend: Backend, trust: Trust) -> dict[str, Any] | None:
    inner = None
    if backend.tls is not None:
        alpn = () if backend.connection.use_client_protocol else _ALPN.get(backend.protocol, ())
        inner = tls_socket(build_client_tls(backend.tls, trust, alpn, by_endpoint=_knows_hostnames(backend)))
    version = backend.connection.proxy_protocol
    if not version:
        return inner
    raw = "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"
    config = typed(
        "envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport",
        config={"version": version.upper()},
        transport_socket=inner or {"name": "envoy.transport_sockets.raw_buffer", "typed_config": typed(raw)},
    )
    return {"name": "envoy.transport_sockets.upstream_proxy_protocol", "typed_config": config}


def _active_checks(backend: Backend) -> list[Any]:
    check = backend.connection.active_check
    if check is None:
        return []
    return [build_active_check(check, backend.service, http2=backend.protocol == "http2")]


def _common_balancing(backend: Backend) -> dict[str, Any] | None:
    panic = backend.connection.panic_threshold
    fields: dict[str, Any] = {}
    if panic is not None:
        fields["healthy_panic_threshold"] = {"value": float(panic)}
    if backend.sticky:
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


