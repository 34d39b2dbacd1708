"""What calls a workload, by way of its sidecar: a listener in front of each of the node's own."""

from datetime import timedelta
from typing import Any

from anygate.diagnostics import FieldPath
from anygate.dialects.app_mesh.backends import ingress_name, ingress_port, register_workload
from anygate.dialects.app_mesh.context import Context, Fault, Member, origin
from anygate.dialects.app_mesh.providers import DEFAULT_TIMEOUT
from anygate.dialects.app_mesh.servers import HTTP, build_servers, read_log, read_tls
from anygate.dialects.app_mesh.timeouts import TCP_IDLE
from anygate.model.listener import Listener, Server
from anygate.model.origin import Origin
from anygate.model.route import BackendTarget, Forward, HttpRoute, HttpRule, StreamRoute, Timeouts


def read_ingress(context: Context, node: Member) -> tuple[Listener, ...]:
    """The listeners in front of a workload; one whose TLS cannot be had is not served."""
    found = []
    refused: dict[int, str] = {}
    for number, listener in enumerate(node.spec.listeners):
        made = _read_listener(context, node, number)
        if isinstance(made, Fault):
            context.add(made, node.kind, ("spec", "listeners", number, "tls"))
            refused[listener.port_mapping.port] = made.message
        else:
            found.append(made)
    context.conditions.judge_listeners(node.ref, [one.port for one in found], refused)
    return tuple(found)


def _read_listener(context: Context, node: Member, number: int) -> Listener | Fault:
    listener = node.spec.listeners[number]
    path: FieldPath = ("spec", "listeners", number)
    port, protocol = listener.port_mapping.port, listener.port_mapping.protocol
    tls = read_tls(context, node.kind, listener.tls, path, protocol)
    if isinstance(tls, Fault):
        return tls
    here = origin(node.kind, path)
    target = BackendTarget(origin=here, backend=register_workload(context, node, number))
    timeout = getattr(listener.timeout, protocol, None)
    build = _build_stream if protocol == "tcp" else _build_http
    server = build(here, node, target, timeout)
    return Listener(
        origin=here,
        name=ingress_name(node, number),
        port=port,
        transport="tcp",
        servers=build_servers(server, tls, listener.tls),
        local_port=ingress_port(number),
    )


def _build_http(here: Origin, node: Member, target: BackendTarget, timeout: Any) -> Server:
    per_request, idle = _span(timeout, "per_request"), _span(timeout, "idle")
    rule = HttpRule(
        origin=here,
        name="workload",
        action=Forward(origin=here, targets=(target,)),
        timeouts=Timeouts(request=DEFAULT_TIMEOUT if per_request is None else per_request, stream_idle=idle),
    )
    route = HttpRoute(origin=here, name=node.aws_name, kind="VirtualNode", rules=(rule,))
    log = read_log(node.spec.logging)
    return Server(origin=here, name="http", protocol="http", http=HTTP, routes=(route,), access_log=log)


def _build_stream(here: Origin, node: Member, target: BackendTarget, timeout: Any) -> Server:
    idle = _span(timeout, "idle")
    stream = StreamRoute(
        origin=here,
        name=node.aws_name,
        kind="VirtualNode",
        targets=(target,),
        idle_timeout=TCP_IDLE if idle is None else idle,
    )
    return Server(origin=here, name="tcp", protocol="tcp", streams=(stream,), access_log=read_log(node.spec.logging))


def _span(timeout: Any, name: str) -> timedelta | None:
    limit = getattr(timeout, name, None)
    return None if limit is None else limit.span
