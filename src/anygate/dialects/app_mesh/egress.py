"""What a workload calls, by way of its sidecar: a listener for each port at which it asks for services.

App Mesh redirected all that left a workload; here nothing does, so that workloads ask their sidecar themselves: by
the services' names at its own ports, on loopback.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

import msgspec

from anygate.dialects.app_mesh.context import Context, Fault, Member, origin
from anygate.dialects.app_mesh.findings import DEAD
from anygate.dialects.app_mesh.kinds.values import PortMapping
from anygate.dialects.app_mesh.node_backends import Wanted, list_wanted
from anygate.dialects.app_mesh.providers import Plan, Provider, Providers
from anygate.dialects.app_mesh.servers import HTTP, read_log
from anygate.dialects.app_mesh.service_routes import build_service_route, build_targets
from anygate.dialects.app_mesh.sidecar_findings import EGRESS_PORT_TAKEN, PASSED_ON
from anygate.dialects.app_mesh.timeouts import TCP_IDLE, read_timeouts
from anygate.model.backend import Backend, Connection
from anygate.model.edit import Respond
from anygate.model.listener import Listener, Server
from anygate.model.route import BackendTarget, Forward, HttpRoute, HttpRule, StreamRoute, Timeouts

EGRESS_PORT = 15001
"""Where a sidecar takes what its workload asks for at the first of its backends' ports, as App Mesh's does; the next
ports follow in the order in which backends need them."""

_REFUSED = 500
_THIS_MACHINE = ("localhost", "127.0.0.1", "[::1]")


@dataclass
class _Door:
    """What a workload may ask for at one port: services by host, or one service for bytes."""

    protocol: Literal["http", "tcp"]
    routes: list[HttpRoute] = field(default_factory=list)
    streams: tuple[StreamRoute, ...] = ()


def read_egress(context: Context, providers: Providers, node: Member) -> tuple[Listener, ...]:
    """The listeners through which a workload reaches its backends.

    Services that nobody provides are known at every port, and answered with 404.
    """
    doors: dict[int, _Door] = {}
    unprovided = []
    for wanted in list_wanted(context, node):
        ports = providers.list_ports(wanted.service)
        if isinstance(ports, Fault):
            _report(context, wanted, ports)
            ports = ()
        if not ports:
            unprovided.append(_build_route(context, wanted, Provider()))
        for mapping in ports:
            _open(context, providers, wanted, mapping, doors)
    others = (*unprovided, *_list_others(context, node, doors))
    return tuple(
        _build_listener(node, port, EGRESS_PORT + number, door, others)
        for number, (port, door) in enumerate(doors.items())
    )


def _open(
    context: Context, providers: Providers, wanted: Wanted, mapping: PortMapping, doors: dict[int, _Door]
) -> None:
    """Make a service known at one of its ports. Bytes have no host by which services could be told apart."""
    port, is_stream = mapping.port, mapping.protocol == "tcp"
    provider = providers.find(wanted.service, port)
    if isinstance(provider, Fault):
        _report(context, wanted, provider)
        return
    if port in doors and (is_stream or doors[port].protocol == "tcp"):
        text = f"another backend has port {port}, and one of both speaks TCP there"
        _report(context, wanted, Fault(EGRESS_PORT_TAKEN, text))
        return
    if is_stream:
        for plan in provider.plans[1:]:
            text = f"route {plan.name} never takes a connection: {provider.plans[0].name} takes them all"
            context.note(DEAD, text, plan.item, plan.path)
        doors[port] = _Door("tcp", streams=tuple(_build_stream(context, wanted, plan) for plan in provider.plans[:1]))
    else:
        doors.setdefault(port, _Door("http")).routes.append(_build_route(context, wanted, provider))


def _build_route(context: Context, wanted: Wanted, provider: Provider) -> HttpRoute:
    """A service by its host; what cannot be called as it has to be is not called at all."""
    service = wanted.service
    route = build_service_route(context, wanted.caller, service, provider)
    if isinstance(route, Fault):
        _report(context, wanted, route)
        here = origin(service.kind)
        refusal = HttpRule(
            origin=here, name="refused", action=Respond(origin=here, status=_REFUSED, reason=route.message)
        )
        route = HttpRoute(origin=here, name=service.aws_name, kind="VirtualService", rules=(refusal,))
    return msgspec.structs.replace(route, hostnames=(service.aws_name.lower(),))


def _build_stream(context: Context, wanted: Wanted, plan: Plan) -> StreamRoute:
    targets = build_targets(context, wanted.caller, plan)
    if isinstance(targets, Fault):
        _report(context, wanted, targets)
        targets = ()
    idle = read_timeouts(context, plan).stream_idle
    return StreamRoute(
        origin=origin(plan.item, plan.path),
        name=wanted.service.aws_name,
        kind="VirtualService",
        targets=targets,
        idle_timeout=TCP_IDLE if idle is None else idle,
    )


def _report(context: Context, wanted: Wanted, fault: Fault) -> None:
    """Report what is wrong with a backend where the node names it, or in its policy; the rest of the sidecar runs."""
    node, policy = wanted.caller.member, wanted.caller.path
    at = fault.path if policy and fault.path is not None and fault.path[: len(policy)] == policy else wanted.path
    context.add(Fault(fault.rule, fault.message, fault.hint), node.kind, at)


def _list_others(context: Context, node: Member, doors: dict[int, _Door]) -> Sequence[HttpRoute]:
    """What becomes of hosts that are no backend's: nothing, or they are reached as they would be without a sidecar.

    Requests for this machine never leave it, and would come back here.
    """
    mesh = context.meshes[node.ref]
    egress = mesh.spec.egress_filter
    if egress is None or egress.type == "DROP_ALL":
        return ()
    path = ("spec", "egressFilter")
    text = "requests for hosts that are no backend's are sent to these hosts, if they come to a sidecar at all"
    context.note(PASSED_ON, text, mesh.kind, path)
    if all(door.protocol == "tcp" for door in doors.values()):
        return ()
    here, name = origin(mesh.kind, path), f"cds_egress_{mesh.aws_name}_anywhere"
    context.backends[name] = Backend(
        origin=here,
        name=name,
        service="anywhere",
        connection=Connection(use_client_protocol=True),
        dynamic=True,
    )
    rule = HttpRule(
        origin=here,
        name="anywhere",
        action=Forward(origin=here, targets=(BackendTarget(origin=here, backend=name),)),
        timeouts=Timeouts(request=timedelta(0)),
    )
    return (
        HttpRoute(origin=here, name="anywhere", kind="Mesh", rules=(rule,)),
        HttpRoute(origin=here, name="this-machine", kind="Mesh", hostnames=_THIS_MACHINE),
    )


def _build_listener(node: Member, port: int, local: int, door: _Door, others: Sequence[HttpRoute]) -> Listener:
    here, log = origin(node.kind, ("spec", "backends")), read_log(node.spec.logging)
    if door.protocol == "tcp":
        server = Server(origin=here, name="tcp", protocol="tcp", streams=door.streams, access_log=log)
    else:
        server = Server(
            origin=here,
            name="http",
            protocol="http",
            http=HTTP,
            routes=(*door.routes, *others),
            host_fallback=False,
            access_log=log,
        )
    return Listener(
        origin=here,
        # As of what comes in, the name has the port that is bound.
        name=f"{node.kind_name}/{node.namespace}/{node.name}/egress/{local}",
        port=port,
        transport="tcp",
        servers=(server,),
        local_port=local,
        loopback=True,
    )
