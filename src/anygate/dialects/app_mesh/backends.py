"""Listeners of nodes as the model's backends."""

from datetime import timedelta
from typing import Any

from anygate.diagnostics import FieldPath
from anygate.dialects.app_mesh.certificates import read_client_tls
from anygate.dialects.app_mesh.context import Context, Fault, Member, origin
from anygate.dialects.app_mesh.findings import CLOUD_MAP, POOL
from anygate.dialects.app_mesh.kinds.connections import HealthCheck
from anygate.dialects.app_mesh.kinds.virtualgateway import GatewayListener
from anygate.dialects.app_mesh.kinds.virtualnode import Listener
from anygate.dialects.app_mesh.shape_findings import NOT_HONOURED, SHORT_NAME
from anygate.model.backend import (
    ActiveCheck,
    Backend,
    CircuitBreaker,
    Connection,
    Dns,
    Endpoint,
    EndpointGroup,
    HttpCheck,
    LoadBalancing,
    PassiveCheck,
)

UNBOUNDED = 2**31 - 1
"""What App Mesh gives for a bound that nobody sets."""

_CONNECT = timedelta(seconds=1)
_FAMILIES = {"IPv6_ONLY": "v6", "IPv4_ONLY": "v4", "IPv6_PREFERRED": "v6_preferred", "IPv4_PREFERRED": "v4_preferred"}


def register_backend(
    context: Context, gateway: Member, entrance: GatewayListener, node: Member, number: int
) -> str | Fault:
    """The name of the backend that a listener of a node is to a listener of a gateway.

    Gateways with a policy or bounds of their own have backends of their own.
    """
    listener: Listener = node.spec.listeners[number]
    hostname, one_endpoint = _read_discovery(context, node)
    tls = read_client_tls(context, gateway, node, number, hostname)
    if isinstance(tls, Fault):
        return tls
    mesh = context.meshes[node.ref]
    port, protocol = listener.port_mapping.port, listener.port_mapping.protocol
    name = f"cds_egress_{mesh.aws_name}_{node.aws_name}_{protocol}_{port}" + _own(gateway, entrance)
    if name not in context.backends:
        discovery = mesh.spec.mesh_service_discovery
        family = _FAMILIES[discovery.ip_preference] if discovery and discovery.ip_preference else ""
        endpoint = Endpoint(host=hostname, port=port, hostname=hostname)
        context.backends[name] = Backend(
            origin=origin(node.kind, ("spec", "listeners", number)),
            name=name,
            service=node.name,
            namespace=node.namespace,
            port=port,
            protocol="http2" if protocol in ("http2", "grpc") else "http1",
            groups=(EndpointGroup(endpoints=(endpoint,)),),
            tls=tls,
            connection=Connection(
                balancing=LoadBalancing(kind="round_robin"),
                active_check=_read_check(context, node, number, hostname),
                passive_check=_read_outliers(listener),
                circuit_breaker=_read_bounds(listener, entrance),
                connect_timeout=_CONNECT,
                dns=Dns(family=family, one_endpoint=one_endpoint),  # type: ignore[arg-type]
            ),
        )
        if listener.connection_pool is not None:
            text = "the bounds are kept by each gateway, for there is no proxy beside the node here"
            context.note(POOL, text, node.kind, ("spec", "listeners", number, "connectionPool"))
    return name


def _own(gateway: Member, entrance: GatewayListener) -> str:
    """What tells the backends of a gateway, or of one of its listeners, from those of others."""
    own = f"@{gateway.namespace}/{gateway.name}"
    if entrance.connection_pool is not None:
        return f"{own}/{entrance.port_mapping.port}"
    defaults = gateway.spec.backend_defaults
    return own if defaults and defaults.client_policy and defaults.client_policy.tls else ""


def _read_discovery(context: Context, node: Member) -> tuple[str, bool]:
    """The name to look up, and whether all its addresses are one endpoint."""
    found = node.spec.service_discovery
    if found.dns is None:
        registry = found.registry
        name = f"{registry.service_name}.{registry.namespace_name}"
        field = "awsCloudMap" if found.aws_cloud_map is not None else "cloudMap"
        text = f"{name} is looked up in DNS"
        hint = f"run with --resolve {name}=ADDRESS:PORT"
        context.note(CLOUD_MAP, text, node.kind, ("spec", "serviceDiscovery", field), hint)
        if registry.attributes:
            path: FieldPath = ("spec", "serviceDiscovery", field, "attributes")
            context.note(NOT_HONOURED, "instances are not told apart by attributes", node.kind, path)
        return name, False
    name = found.dns.name
    field = "hostname" if found.dns.hostname is not None else "hostName"
    if "." not in name and name != "localhost":
        full = f"{name}.{node.namespace}.svc.cluster.local"
        context.note(SHORT_NAME, f"{name} is read as {full}", node.kind, ("spec", "serviceDiscovery", "dns", field))
        name = full
    return name, found.dns.response_type != "ENDPOINTS"


def _read_check(context: Context, node: Member, number: int, hostname: str) -> ActiveCheck | None:
    listener: Listener = node.spec.listeners[number]
    check: HealthCheck | None = listener.health_check
    if check is None:
        return None
    path: FieldPath = ("spec", "listeners", number, "healthCheck")
    kind: Any = "http" if check.protocol in ("http", "http2") else check.protocol
    speaks = listener.port_mapping.protocol
    if kind == "grpc" and speaks not in ("http2", "grpc"):
        text = f"a gRPC check of a listener that speaks {speaks} is not made"
        context.note(NOT_HONOURED, text, node.kind, (*path, "protocol"))
        return None
    if kind == "http" and (check.protocol == "http2") != (speaks in ("http2", "grpc")):
        context.note(NOT_HONOURED, f"the check speaks {speaks}, like requests", node.kind, (*path, "protocol"))
    if kind != "http" and check.path is not None:
        context.note(NOT_HONOURED, f"a {kind} check has no path", node.kind, (*path, "path"))
    return ActiveCheck(
        kind=kind,
        http=HttpCheck(path=check.path or "/", host=hostname) if kind == "http" else None,
        timeout=timedelta(milliseconds=check.timeout_millis),
        interval=timedelta(milliseconds=check.interval_millis),
        unhealthy_threshold=check.unhealthy_threshold,
        healthy_threshold=check.healthy_threshold,
    )


def _read_outliers(listener: Listener) -> PassiveCheck | None:
    found = listener.outlier_detection
    if found is None:
        return None
    return PassiveCheck(
        consecutive_5xx=found.max_server_errors,
        interval=found.interval.span,
        base_ejection=found.base_ejection_duration.span,
        max_ejection_percent=found.max_ejection_percent,
        always_eject_one=True,
    )


def _read_bounds(listener: Listener, entrance: GatewayListener) -> CircuitBreaker:
    """The tighter of the node's bounds and of those of the gateway's listener."""
    found = {"connections": UNBOUNDED, "pending": UNBOUNDED, "requests": UNBOUNDED}
    for pool in (listener.connection_pool, entrance.connection_pool):
        for protocol in ("tcp", "http", "http2", "grpc"):
            part = getattr(pool, protocol, None)
            for bound, field in _BOUNDS.items():
                value = getattr(part, field, None)
                if value is not None:
                    found[bound] = min(found[bound], value)
    return CircuitBreaker(
        connections=found["connections"], pending=found["pending"], requests=found["requests"], retries=UNBOUNDED
    )


_BOUNDS = {"connections": "max_connections", "pending": "max_pending_requests", "requests": "max_requests"}
