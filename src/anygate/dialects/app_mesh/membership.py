"""Which mesh an object belongs to, and which gateway a gateway route belongs to."""

from collections.abc import Iterable, Sequence
from typing import Any

from anygate.diagnostics import FieldPath
from anygate.dialects.app_mesh.context import Context, Fault, Member
from anygate.dialects.app_mesh.findings import DEPENDS, NAME_TAKEN, NO_OWNER, NOT_FOUND, OWNER_EXCLUDES
from anygate.dialects.app_mesh.shape_findings import ASSUMED_OWNER
from anygate.manifests.core import Namespace
from anygate.manifests.names import suggest_word
from anygate.manifests.selector import selects

MEMBER_KINDS = ("VirtualNode", "VirtualService", "VirtualRouter", "VirtualGateway")
"""The kinds whose namespace, or word, says which mesh they belong to. A gateway route is in its gateway's."""


def assign_meshes(context: Context) -> None:
    """Find the mesh of every member; one without is refused, and so is one whose name in the mesh is taken."""
    taken: dict[tuple[str, str, str], Member] = {}
    _refuse_taken(context, [*context.members["Mesh"]], taken, "")
    for kind in MEMBER_KINDS:
        for member in [*context.members[kind]]:
            found = _find_mesh(context, member)
            if isinstance(found, Fault):
                context.refuse(member, found)
                continue
            context.meshes[member.ref] = found
            _refuse_taken(context, [member], taken, found.aws_name)


def _refuse_taken(
    context: Context, members: Iterable[Member], taken: dict[tuple[str, str, str], Member], mesh: str
) -> None:
    for member in members:
        first = taken.setdefault((member.kind_name, mesh, member.aws_name), member)
        if first is not member:
            context.refuse(member, Fault(NAME_TAKEN, f"{first.ref} has the AWS name {member.aws_name} already"))


def list_meshes(context: Context, member: Member) -> list[Member] | Fault:
    """The meshes that a member may be in by what it says itself: the one that it names, else any, never none."""
    path, named = _named_mesh(member)
    candidates = [*context.all("Mesh")]
    found = [one for one in candidates if not named or named in (one.name, one.aws_name)]
    if found:
        return found
    if named:
        return _missing(context, "Mesh", "", named, [one.name for one in candidates], path)
    return _none_left(context, "Mesh")


def _named_mesh(member: Member) -> tuple[FieldPath, str]:
    """The mesh that a member says it is in, and where; no name if it says none."""
    spec = member.spec
    if spec.mesh_ref is not None:
        return ("spec", "meshRef", "name"), spec.mesh_ref.name
    return ("spec", "meshName"), spec.mesh_name or ""


def _find_mesh(context: Context, member: Member) -> Member | Fault:
    candidates = list_meshes(context, member)
    if isinstance(candidates, Fault):
        return candidates
    path, named = _named_mesh(member)
    every = context.all("Mesh")
    selecting = [one for one in every if _selects(context, one.spec.namespace_selector, member.namespace)]
    if named:
        found = candidates[0]
        if selecting and found not in selecting:
            text = f"Mesh {selecting[0].name} selects the namespace {member.namespace}, not Mesh {found.name}"
            return Fault(NO_OWNER, text, path=path)
        return found
    if len(selecting) == 1:
        return selecting[0]
    if len(selecting) > 1:
        names = ", ".join(one.name for one in selecting)
        return Fault(NO_OWNER, f"several meshes select the namespace {member.namespace}: {names}")
    known = _is_known(context, member.namespace)
    possible = [one for one in candidates if not known or one.spec.namespace_selector is None]
    if len(possible) == 1 and not context.settings.strict:
        text = f"it is taken to belong to Mesh {possible[0].name}, the only one"
        context.note(ASSUMED_OWNER, text, member.kind)
        return possible[0]
    text = f"no Mesh selects the namespace {member.namespace}"
    return Fault(NO_OWNER, text, "give the Mesh a namespaceSelector; an empty one selects every namespace")


def find_gateway(context: Context, member: Member) -> Member | Fault:
    """The gateway of a gateway route."""
    spec, gateways = member.spec, [*context.all("VirtualGateway")]
    if spec.virtual_gateway_ref is not None or spec.virtual_gateway_name:
        return _find_named_gateway(context, member, gateways)
    selecting = [one for one in gateways if selects_route(context, one, member)]
    if len(selecting) == 1:
        return selecting[0]
    if len(selecting) > 1:
        names = ", ".join(f"{one.namespace}/{one.name}" for one in selecting)
        return Fault(NO_OWNER, f"several gateways select it: {names}")
    if not gateways:
        return _none_left(context, "VirtualGateway")
    known = _is_known(context, member.namespace)
    possible = [one for one in gateways if not known or one.spec.namespace_selector is None]
    possible = [one for one in possible if _selects_labels(one, member)]
    if len(possible) == 1 and not context.settings.strict:
        text = f"it is taken to belong to VirtualGateway {possible[0].name}, the only one"
        context.note(ASSUMED_OWNER, text, member.kind)
        return possible[0]
    hint = "give the VirtualGateway a namespaceSelector; an empty one selects every namespace"
    return Fault(NO_OWNER, "no VirtualGateway selects it", hint)


def _find_named_gateway(context: Context, member: Member, gateways: Sequence[Member]) -> Member | Fault:
    ref = member.spec.virtual_gateway_ref
    name = ref.name if ref is not None else member.spec.virtual_gateway_name
    namespace = (ref.namespace if ref is not None else None) or member.namespace
    path = ("spec", "virtualGatewayRef", "name") if ref is not None else ("spec", "virtualGatewayName")
    found = next((one for one in gateways if (one.namespace, one.name) == (namespace, name)), None)
    found = found or next((one for one in gateways if one.aws_name == name), None)
    if found is None:
        return _missing(context, "VirtualGateway", namespace, name, [one.name for one in gateways], path)
    excluded = found.spec.namespace_selector is not None and _is_known(context, member.namespace)
    if not _selects_labels(found, member) or (excluded and not selects_route(context, found, member)):
        text = f"the selectors of VirtualGateway {found.name} do not select it"
        context.note(OWNER_EXCLUDES, text, member.kind, path)
    return found


def selects_route(context: Context, gateway: Member, route: Member) -> bool:
    """Whether a gateway's selectors both select a gateway route."""
    return _selects(context, gateway.spec.namespace_selector, route.namespace) and _selects_labels(gateway, route)


def _selects_labels(gateway: Member, route: Member) -> bool:
    selector = gateway.spec.gateway_route_selector
    return selector is None or selects(selector, route.kind.manifest.labels)


def _selects(context: Context, selector: Any, namespace: str) -> bool:
    """Whether a selector of namespaces selects one: an absent one none, an empty one every."""
    return selector is not None and context.index.namespace_matches(namespace, selector)


def _is_known(context: Context, namespace: str) -> bool:
    """Whether the labels of a namespace are known: it is among the manifests."""
    return context.index.find(Namespace, "", namespace) is not None


def _none_left(context: Context, kind: str) -> Fault:
    """Nobody of a kind that could own anything."""
    if context.members[kind] or context.index.broken(kind):
        return Fault(DEPENDS, f"every {kind} was refused")
    return Fault(NO_OWNER, f"there is no {kind}", f"anygate new {kind.lower()} NAME prints one to start from")


def _missing(context: Context, kind: str, namespace: str, name: str, names: Iterable[str], path: FieldPath) -> Fault:
    refused = [one for one in context.members[kind] if one.name == name]
    if refused or any(one.name == name for one in context.index.broken(kind)):
        return Fault(DEPENDS, f"{kind} {name} was refused", path=path)
    place = f" in the namespace {namespace}" if namespace else ""
    return Fault(NOT_FOUND, f"there is no {kind} {name}{place}", suggest_word(name, names), path=path)
