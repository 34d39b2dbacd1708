"""The services that a workload may call: its backends, and the members of its backend groups."""

from collections.abc import Iterator
from typing import NamedTuple

from anygate.diagnostics import FieldPath
from anygate.dialects.app_mesh.callers import Caller, sidecar_caller
from anygate.dialects.app_mesh.context import Context, Fault, Member
from anygate.dialects.app_mesh.references import find_placed, find_service

_EVERY = "*"


class Wanted(NamedTuple):
    """A service that a node calls, how it does, and where the node says so."""

    service: Member
    caller: Caller
    path: FieldPath


def list_wanted(context: Context, node: Member) -> list[Wanted]:
    """The services that a node calls, each once, in the order in which they are written; those of groups come last and
    are called as the node's defaults say. What cannot be found is reported and left out."""
    found: dict[int, Wanted] = {}
    for wanted in (*_list_backends(context, node), *_list_grouped(context, node)):
        found.setdefault(id(wanted.service), wanted)
    return list(found.values())


def _list_backends(context: Context, node: Member) -> Iterator[Wanted]:
    mesh = context.meshes[node.ref]
    for number, entry in enumerate(node.spec.backends):
        path: FieldPath = ("spec", "backends", number, "virtualService")
        service = find_service(context, node, mesh, entry.virtual_service, path)
        if isinstance(service, Fault):
            context.add(service, node.kind, path)
        else:
            yield Wanted(service, sidecar_caller(node, service, number, entry.virtual_service.client_policy), path)


def _list_grouped(context: Context, node: Member) -> Iterator[Wanted]:
    for number, reference in enumerate(node.spec.backend_groups):
        path: FieldPath = ("spec", "backendGroups", number)
        if reference.name == _EVERY:
            services = _list_placed(context, node, reference.namespace or node.namespace)
        else:
            group = find_placed(context, node, context.meshes[node.ref], "BackendGroup", reference, path)
            if isinstance(group, Fault):
                context.add(group, node.kind, path)
                continue
            services = _list_members(context, node, group)
        for service in services:
            yield Wanted(service, sidecar_caller(node, service, 0, None), path)


def _list_placed(context: Context, node: Member, namespace: str) -> Iterator[Member]:
    """Every service of a namespace that is in the node's mesh."""
    mesh = context.meshes[node.ref]
    for service in sorted(context.all("VirtualService"), key=lambda one: one.name):
        if service.namespace == namespace and context.meshes[service.ref] is mesh:
            yield service


def _list_members(context: Context, node: Member, group: Member) -> Iterator[Member]:
    context.used_groups.add(group.ref)
    lower = len(group.spec.virtualservices)
    for number, reference in enumerate(group.spec.members):
        path: FieldPath = ("spec", "virtualservices", number)
        if number >= lower:
            path = ("spec", "virtualServices", number - lower)
        service = find_placed(context, group, context.meshes[node.ref], "VirtualService", reference, path)
        if isinstance(service, Fault):
            context.add(service, group.kind, path)
        else:
            yield service
