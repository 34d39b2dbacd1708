"""The proxies beside workloads: for each node that is asked for, a gateway with what it calls and what calls it."""

from collections.abc import Iterator

from anygate.diagnostics import FieldPath
from anygate.dialects.app_mesh.context import Context, Fault, Member, origin
from anygate.dialects.app_mesh.egress import read_egress
from anygate.dialects.app_mesh.findings import DEPENDS, NOT_FOUND
from anygate.dialects.app_mesh.ingress import read_ingress
from anygate.dialects.app_mesh.kinds.settings import AppMeshSettings, NodeChoice
from anygate.dialects.app_mesh.providers import Providers
from anygate.manifests.index import Index
from anygate.manifests.kind import Kind
from anygate.manifests.names import suggest_word
from anygate.model.listener import Gateway


def list_choices(index: Index) -> Iterator[tuple[Kind, FieldPath, NodeChoice]]:
    """The nodes whose sidecars are asked for, and where."""
    for item in index.every(AppMeshSettings):
        for number, choice in enumerate(item.spec.nodes):
            yield item, ("spec", "nodes", number, "name"), choice


def choose_sidecars(context: Context) -> None:
    """Find the nodes that are asked for; one that is not there is reported where it is asked for."""
    for item, path, choice in list_choices(context.index):
        found = _find_node(context, choice)
        if isinstance(found, Fault):
            context.add(found, item, path)
        else:
            context.sidecars[found.ref] = found


def _find_node(context: Context, choice: NodeChoice) -> Member | Fault:
    named = [one for one in context.members["VirtualNode"] if one.name == choice.name]
    found = [one for one in named if choice.namespace in (None, one.namespace)]
    if len(found) > 1:
        places = " and ".join(f"{one.namespace}/{one.name}" for one in found)
        return Fault(NOT_FOUND, f"several nodes are called {choice.name}: {places}", "name its namespace too")
    if not found:
        if any(one.name == choice.name for one in context.index.broken("VirtualNode")):
            return Fault(DEPENDS, f"VirtualNode {choice.name} was refused")
        place = f" in the namespace {choice.namespace}" if choice.namespace else ""
        hint = suggest_word(choice.name, [one.name for one in context.members["VirtualNode"]])
        if named:
            hint = f"there is one in the namespace {named[0].namespace}"
        return Fault(NOT_FOUND, f"there is no VirtualNode {choice.name}{place}", hint)
    if context.conditions.is_refused(found[0].ref):
        return Fault(DEPENDS, f"VirtualNode {choice.name} was refused")
    return found[0]


def read_sidecars(context: Context, providers: Providers) -> tuple[Gateway, ...]:
    """The sidecar of each node that is asked for, in the order of their names.

    What is served comes last: a node whose certificate cannot be had is refused, and is still called by others.
    """
    nodes = sorted(context.sidecars.values(), key=lambda one: (one.namespace, one.name))
    called = [read_egress(context, providers, node) for node in nodes]
    return tuple(
        Gateway(
            origin=origin(node.kind),
            name=f"{node.kind_name}/{node.namespace}/{node.name}",
            listeners=(*read_ingress(context, node), *egress),
        )
        for node, egress in zip(nodes, called, strict=True)
    )
