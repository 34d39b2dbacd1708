"""Listeners of nodes as the model's backends."""

from datetime import timedelta
from typing import Any, Literal

from anygate.diagnostics import FieldPath
from anygate.dialects.app_mesh.callers import Caller
from anygate.dialects.app_mesh.certificates import read_client_tls
from anygate.dialects.app_mesh.context import Context, Fault, Member, origin
from anygate.dialects.app_mesh.discovery import read_discovery
from anygate.dialects.app_mesh.findings import POOL
from anygate.dialects.app_mesh.kinds.connections import ConnectionPool, GatewayConnectionPool, HealthCheck
from anygate.dialects.app_mesh.kinds.virtualnode import Listener
from anygate.dialects.app_mesh.shape_findings import NOT_HONOURED
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

_CONNECT, _CONNECT_LOCALLY = timedelta(seconds=1), timedelta(milliseconds=250)
_SPOKEN: dict[str, Literal["http1", "http2", "tcp"]] = {
    "http": "http1",
    "http2": "http2",
    "grpc": "http2",
    "tcp": "tcp",
}


def register_backend(context: Context, caller: Caller, node: Member, number: int) -> str | Fault:
    """The name of the backend that a listener of a node is to a caller.

    Callers with a policy or bounds of their own have backends of their own. Where the node's sidecar runs too it is
    what they reach, and it keeps the node's own bounds.
    """
    listener: Listener = node.spec.listeners[number]
    discovery = read_discovery(context, node)
    hostname = discovery.hostname
    tls = read_client_tls(context, caller, node, number, hostname)
    if isinstance(tls, Fault):
        return tls
    mesh = context.meshes[node.ref]
    port, protocol = listener.port_mapping.port, listener.port_mapping.protocol
    name = f"cds_egress_{mesh.aws_name}_{node.aws_name}_{protocol}_{port}{caller.own}"
    if name not in context.backends:
        beside = node.ref in context.sidecars
        context.backends[name] = Backend(
            origin=origin(node.kind, ("spec", "listeners", number)),
            name=name,
            service=node.name,
            namespace=node.namespace,
            port=port,
            protocol=_SPOKEN[protocol],
            groups=(EndpointGroup(endpoints=discovery.list_endpoints(port)),),
            tls=tls,
            connection=Connection(
                balancing=LoadBalancing(kind="round_robin"),
                active_check=_read_check(context, node, number, hostname),
                passive_check=_read_outliers(listener),
                circuit_breaker=_read_bounds(caller.pool, None if beside else listener.connection_pool),
                connect_timeout=_CONNECT,
                dns=Dns(family=discovery.family, one_endpoint=discovery.one_endpoint),
            ),
            behind=ingress_name(node, number) if beside else "",
        )
        if listener.connection_pool is not None and not beside:
            text = "the bounds are kept by each client, for there is no proxy beside the node here"
            context.note(POOL, text, node.kind, ("spec", "listeners", number, "connectionPool"))
    return name


def register_workload(context: Context, node: Member, number: int) -> str:
    """The name of the backend that the workload itself is to its sidecar: it listens on the same machine.

    To `--resolve` and stubs it is the service NODE-app.
    """
    listener: Listener = node.spec.listeners[number]
    mesh = context.meshes[node.ref]
    port, protocol = listener.port_mapping.port, listener.port_mapping.protocol
    name = f"cds_ingress_{mesh.aws_name}_{node.aws_name}_{protocol}_{port}"
    discovery = mesh.spec.mesh_service_discovery
    v6 = discovery is not None and discovery.ip_preference == "IPv6_ONLY"
    endpoint = Endpoint(host="::1" if v6 else "127.0.0.1", port=port)
    context.backends[name] = Backend(
        origin=origin(node.kind, ("spec", "listeners", number)),
        name=name,
        service=f"{node.name}-app",
        namespace=node.namespace,
        port=port,
        protocol=_SPOKEN[protocol],
        groups=(EndpointGroup(endpoints=(endpoint,)),),
        connection=Connection(
            balancing=LoadBalancing(kind="round_robin"),
            circuit_breaker=_read_bounds(listener.connection_pool),
            connect_timeout=_CONNECT_LOCALLY,
        ),
    )
    return name


def ingress_port(number: int) -> int:
    """Where a sidecar takes what is meant for a listener of its node: as App Mesh's does, further ones apart."""
    return 15050 + number if number else 15000


def ingress_name(node: Member, number: int) -> str:
    """The name of the listener of a node's sidecar that stands in front of a listener of the node.

    It has the port that is bound: Envoy would not let two listeners change their ports with each other.
    """
    return f"{node.kind_name}/{node.namespace}/{node.name}/ingress/{ingress_port(number)}"


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


def _read_bounds(*pools: ConnectionPool | GatewayConnectionPool | None) -> CircuitBreaker:
    """The tightest of the bounds."""
    found = {"connections": UNBOUNDED, "pending": UNBOUNDED, "requests": UNBOUNDED}
    for pool in pools:
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
