"""Who provides a service: the routes of a router in the order in which they are asked, or a node."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NamedTuple

from anygate.diagnostics import FieldPath, ObjectRef
from anygate.dialects.app_mesh.conditions import Conditions, find_shadowed, rank_of, read_grpc, read_http
from anygate.dialects.app_mesh.context import Context, Fault, Member, origin
from anygate.dialects.app_mesh.findings import (
    NAME_TAKEN,
    NO_DISCOVERY,
    NO_WEIGHT,
    PORT,
    ROUTE_TYPE,
    SHADOWED,
    TIE,
    WEIGHT_SUM,
)
from anygate.dialects.app_mesh.kinds.references import RouterReference
from anygate.dialects.app_mesh.kinds.values import PortMapping
from anygate.dialects.app_mesh.kinds.virtualrouter import RouteFields, RouterListener
from anygate.dialects.app_mesh.membership import list_meshes
from anygate.dialects.app_mesh.references import find_node, find_router
from anygate.dialects.app_mesh.retries import read_retry
from anygate.manifests.kind import Kind
from anygate.model.origin import Origin
from anygate.model.retry import Retry

DEFAULT_TIMEOUT = timedelta(seconds=15)
"""How long an exchange may take unless a route says otherwise."""


@dataclass(frozen=True)
class Target:
    """A listener of a node and its share of the requests."""

    node: Member
    number: int
    weight: int
    origin: Origin


@dataclass(frozen=True)
class Plan:
    """One route of a provider with everything it refers to."""

    name: str
    item: Kind
    path: FieldPath
    protocol: str
    conditions: Conditions
    rank: tuple[int, ...]
    targets: tuple[Target, ...]
    request: timedelta
    idle: timedelta | None
    attempt: timedelta | None
    retry: Retry | None


@dataclass(frozen=True)
class Provider:
    """The routes of a service in their order; none where nobody provides it."""

    plans: tuple[Plan, ...] = ()


class _Source(NamedTuple):
    """A route where it was written. `owner` is whose references those of the route are."""

    owner: Member
    route: RouteFields
    name: str
    path: FieldPath


@dataclass
class _Router:
    """A router with its routes before they are read."""

    member: Member
    listeners: tuple[RouterListener, ...]
    sources: list[_Source] = field(default_factory=list)


class Providers:
    """Reads routers once each, and finds who provides a service."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._routers = {one.member.ref: one for one in self._gather()}
        self._take_routes()
        self._plans: dict[ObjectRef, tuple[Plan, ...]] = {}
        for ref, router in self._routers.items():
            plans = self._read_router(router)
            if isinstance(plans, Fault):
                context.conditions.refuse(ref, plans.message)
                context.conditions.refuse(router.member.kind.ref, plans.message)
            else:
                self._plans[ref] = plans
        self._check_services()

    def find(self, service: Member, port: int | None) -> Provider | Fault:
        """The provider of a service, asked at a port if one is given; a fault is the asker's."""
        found = self._find(service)
        if found is None:
            return Provider()
        if isinstance(found, Fault):
            return found
        router = self._routers.get(found.ref)
        return self._at_port(router, port) if router else self._read_node(service, found, port)

    def list_ports(self, service: Member) -> tuple[PortMapping, ...] | Fault:
        """Where clients ask for a service: at the listeners of its router, else of the node that requests go to first;
        nowhere if nobody provides it."""
        found = self._find(service)
        if found is None:
            return ()
        if isinstance(found, Fault):
            return found
        if found.ref in self._routers:
            return self._list_router_ports(found.ref)
        if not found.spec.listeners:
            return Fault(NO_DISCOVERY, f"VirtualNode {found.name} has no listener")
        return tuple(one.port_mapping for one in found.spec.listeners)

    def _find(self, service: Member) -> Member | Fault | None:
        """The router or node that provides a service, if any does."""
        if _holds_router(service):
            return self._routers[_held_router(service)].member
        provider, path = service.spec.provider, ("spec", "provider")
        if provider is not None and provider.virtual_router is not None:
            return find_router(self._context, service, provider.virtual_router, (*path, "virtualRouter"))
        if provider is not None and provider.virtual_node is not None:
            return find_node(self._context, service, provider.virtual_node, (*path, "virtualNode"))
        return None

    def _list_router_ports(self, ref: ObjectRef) -> tuple[PortMapping, ...]:
        listeners = self._routers[ref].listeners
        if listeners:
            return tuple(one.port_mapping for one in listeners)
        # A router of v1beta1 may leave its listener to its first target.
        first = [plan.targets[0] for plan in self._plans[ref]][:1]
        return tuple(target.node.spec.listeners[target.number].port_mapping for target in first)

    def _gather(self) -> Iterator[_Router]:
        for member in self._context.all("VirtualRouter"):
            router = _Router(member, member.spec.listeners or ())
            for index, route in enumerate(member.spec.routes):
                router.sources.append(_Source(member, route, route.name, ("spec", "routes", index)))
            yield router
        for member in self._context.all("VirtualService"):
            if not _holds_router(member):
                continue
            held = member.spec.virtual_router
            name = _held_router(member).name
            made = Member(member.kind, member.spec, "VirtualRouter", member.namespace, name, member.aws_name)
            self._context.meshes[made.ref] = self._context.meshes[member.ref]
            router = _Router(made, held.listeners if held else ())
            for index, route in enumerate(member.spec.routes or ()):
                router.sources.append(_Source(member, route, route.name, ("spec", "routes", index)))
            yield router

    def _take_routes(self) -> None:
        """Put routes that are objects of their own into their routers."""
        for member in [*self._context.all("Route")]:
            fault = self._take_route(member)
            if fault is not None:
                self._context.refuse(member, fault)

    def _take_route(self, member: Member) -> Fault | None:
        spec = member.spec
        meshes = list_meshes(self._context, member)
        if isinstance(meshes, Fault):
            return meshes
        fault: Fault | None = None
        for mesh in meshes:
            self._context.meshes[member.ref] = mesh
            ref = spec.virtual_router_ref
            reference = RouterReference.model_construct(
                virtual_router_ref=ref, virtual_router_name=spec.virtual_router_name if ref is None else None
            )
            found = find_router(self._context, member, reference, ("spec",))
            if isinstance(found, Fault) and ref is not None:
                # Some write the AWS name into the reference.
                same = (one for one in self._context.all("VirtualRouter") if one.aws_name == ref.name)
                found = next((one for one in same if self._context.meshes[one.ref] is mesh), found)
            if isinstance(found, Fault):
                fault = found
                continue
            router = self._routers[found.ref]
            if any(one.name == member.aws_name for one in router.sources):
                return Fault(NAME_TAKEN, f"VirtualRouter {found.name} has a route {member.aws_name} already")
            router.sources.append(_Source(member, spec, member.aws_name, ("spec",)))
            return None
        return fault

    def _check_services(self) -> None:
        """Refuse every service whose provider cannot be had, whether anything asks for it or not."""
        for service in [*self._context.all("VirtualService")]:
            if _holds_router(service):
                if _held_router(service) not in self._plans:
                    self._context.conditions.refuse(service.ref, "its routes were refused")
                continue
            found = self._find(service)
            if isinstance(found, Fault):
                self._context.refuse(service, found)

    def _read_router(self, router: _Router) -> tuple[Plan, ...] | Fault:
        """The routes of a router in their order; the first fault refuses it, every one is reported."""
        faults: list[Fault] = []
        plans = []
        for source in router.sources:
            plan = self._read_route(router, source)
            if not isinstance(plan, Fault):
                plans.append(plan)
                continue
            self._context.add(plan, source.owner.kind, source.path)
            if source.owner.kind_name == "Route":
                # An object of its own takes nothing else down.
                self._context.conditions.refuse(source.owner.ref, plan.message)
            else:
                faults.append(plan)
        if faults:
            return faults[0]
        plans.sort(key=lambda plan: (*(-one for one in plan.rank), plan.name))
        self._note_order(plans)
        return tuple(plans)

    def _note_order(self, plans: list[Plan]) -> None:
        """Say which routes get nothing, and where only names settle which of two is asked first."""
        for plan, first in find_shadowed((one.conditions, one) for one in plans):
            if plan.rank != first.rank:
                text = f"it gets no requests: route {first.name} is asked before it and takes them all"
                self._context.note(SHADOWED, text, plan.item, plan.path, "give it the lower priority number of both")
        known: dict[Any, Plan] = {}
        for plan in plans:
            first = known.setdefault((plan.rank, plan.conditions), plan)
            if first is not plan:
                text = f"it takes the same requests as route {first.name}, whose name comes first"
                self._context.note(TIE, text, plan.item, plan.path, "give one of them a priority")

    def _read_route(self, router: _Router, source: _Source) -> Plan | Fault:
        protocol, name, part = source.route.body
        path = (*source.path, name)
        if protocol == "tcp":
            conditions = Conditions(port=part.match.port if part.match is not None else 0)
        else:
            conditions = read_grpc(part.match) if protocol == "grpc" else read_http(part.match)
        fault = _check_listener(router, protocol, conditions.port, path)
        if fault is not None:
            return fault
        targets = self._read_targets(source, part, path)
        if isinstance(targets, Fault):
            return targets
        timeout, policy = part.timeout, getattr(part, "retry_policy", None)
        per_request = getattr(timeout, "per_request", None)
        retry, attempt = read_retry(self._context, source.owner.kind, policy, (*path, "retryPolicy"))
        return Plan(
            name=source.name,
            item=source.owner.kind,
            path=source.path,
            protocol=protocol,
            conditions=conditions,
            rank=rank_of(source.route.priority, conditions),
            targets=targets,
            request=per_request.span if per_request is not None else DEFAULT_TIMEOUT,
            idle=timeout.idle.span if timeout is not None and timeout.idle is not None else None,
            attempt=attempt,
            retry=retry,
        )

    def _read_targets(self, source: _Source, part: Any, path: FieldPath) -> tuple[Target, ...] | Fault:
        path = (*path, "action", "weightedTargets")
        targets = []
        for index, wanted in enumerate(part.action.weighted_targets):
            at = (*path, index)
            node = find_node(self._context, source.owner, wanted, at)
            if isinstance(node, Fault):
                return node
            number = _pick_listener(node, wanted.port, (*at, "port") if wanted.port else at)
            if isinstance(number, Fault):
                return number
            targets.append(Target(node, number, wanted.weight, origin(source.owner.kind, at)))
        total = sum(one.weight for one in targets)
        if total == 0:
            return Fault(NO_WEIGHT, "all targets have the weight 0", path=path)
        if total > 100:
            self._context.note(WEIGHT_SUM, f"the weights add up to {total}", source.owner.kind, path)
        return tuple(targets)

    def _at_port(self, router: _Router, port: int | None) -> Provider | Fault:
        """The routes of a router for one of its listeners."""
        ports = [one.port_mapping.port for one in router.listeners]
        if port is not None and ports and port not in ports:
            return Fault(PORT, f"VirtualRouter {router.member.name} has no listener at port {port}", _list_ports(ports))
        if port is None and len(ports) > 1:
            text = f"VirtualRouter {router.member.name} has several listeners, so a port has to be named"
            return Fault(PORT, text, _list_ports(ports))
        wanted = port or (ports[0] if ports else 0)
        plans = self._plans[router.member.ref]
        return Provider(tuple(one for one in plans if one.conditions.port in (0, wanted)))

    def _read_node(self, service: Member, node: Member, port: int | None) -> Provider | Fault:
        path: FieldPath = ("spec", "provider", "virtualNode")
        number = _pick_listener(node, port, None)
        if isinstance(number, Fault):
            return number
        if service.kind.manifest.kind == "GatewayRoute":
            # The service was made for what this gateway route asks for.
            path = ("spec", service.kind.spec.body.name, "action", "target", "virtualService")
        target = Target(node, number, 1, origin(service.kind, path))
        conditions = Conditions()
        retry, _ = read_retry(self._context, service.kind, None, path)
        plan = Plan(
            service.aws_name,
            service.kind,
            path,
            node.spec.listeners[number].port_mapping.protocol,
            conditions,
            rank_of(None, conditions),
            (target,),
            DEFAULT_TIMEOUT,
            None,
            None,
            retry,
        )
        return Provider((plan,))


def _holds_router(service: Member) -> bool:
    """Whether the routes of a service stand in it, as in v1beta1."""
    return service.spec.routes is not None or service.spec.virtual_router is not None


def _held_router(service: Member) -> ObjectRef:
    """The identity of the router that a service of v1beta1 holds; it is named after the service."""
    held = service.spec.virtual_router
    return service.ref._replace(kind="VirtualRouter", name=(held.name if held else None) or service.name)


def _check_listener(router: _Router, protocol: str, port: int, path: FieldPath) -> Fault | None:
    """Require a route to be for a listener of its router, and of its protocol."""
    listeners = [one.port_mapping for one in router.listeners]
    if not listeners:
        return None
    ports = [one.port for one in listeners]
    if port and port not in ports:
        return Fault(PORT, f"the router has no listener at port {port}", _list_ports(ports), (*path, "match", "port"))
    if not port and len(listeners) > 1:
        return Fault(PORT, "the router has several listeners, so match.port is needed", _list_ports(ports), path)
    if not any(one.protocol == protocol for one in listeners if not port or one.port == port):
        spoken = " and ".join(sorted({one.protocol for one in listeners if not port or one.port == port}))
        return Fault(ROUTE_TYPE, f"the router's listener speaks {spoken}, not {protocol}", path=path)
    return None


def _pick_listener(node: Member, port: int | None, path: FieldPath | None) -> int | Fault:
    """The number of the listener of a node that is meant."""
    ports = [one.port_mapping.port for one in node.spec.listeners]
    if not ports:
        return Fault(NO_DISCOVERY, f"VirtualNode {node.name} has no listener", path=path)
    if port is None and len(ports) > 1:
        text = f"VirtualNode {node.name} has several listeners, so a port has to be named"
        return Fault(PORT, text, _list_ports(ports), path)
    if port is not None and port not in ports:
        return Fault(PORT, f"VirtualNode {node.name} has no listener at port {port}", _list_ports(ports), path)
    return 0 if port is None else ports.index(port)


def _list_ports(ports: list[int]) -> str:
    return f"its ports are {', '.join(map(str, ports))}" if len(ports) > 1 else f"its port is {ports[0]}"
