"""References resolved to members of the same mesh, with the nearest name where there is none."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from anygate.diagnostics import FieldPath
from anygate.dialects.app_mesh.context import Context, Fault, Member
from anygate.dialects.app_mesh.findings import DEPENDS, NOT_FOUND
from anygate.dialects.app_mesh.kinds.references import NodeReference, ObjectReference, RouterReference, ServiceReference
from anygate.dialects.app_mesh.kinds.values import GROUP
from anygate.dialects.app_mesh.kinds.virtualservice import VirtualServiceSpec
from anygate.dialects.app_mesh.shape_findings import MADE_SERVICE
from anygate.manifests.names import suggest_word
from anygate.manifests.object import Manifest

_CLUSTER_SUFFIXES = (".svc.cluster.local", ".svc", "")


def find_node(context: Context, owner: Member, reference: NodeReference, path: FieldPath) -> Member | Fault:
    """The VirtualNode that a reference of `owner` means."""
    name = reference.virtual_node or reference.virtual_node_name
    wanted = _Wanted(context, owner, "VirtualNode", "virtualNode", path)
    field = "virtualNode" if reference.virtual_node else "virtualNodeName"
    return wanted.find(reference.virtual_node_ref, reference.virtual_node_arn, name, field)


def find_router(context: Context, owner: Member, reference: RouterReference, path: FieldPath) -> Member | Fault:
    """The VirtualRouter that a reference of `owner` means."""
    wanted = _Wanted(context, owner, "VirtualRouter", "virtualRouter", path)
    name = reference.virtual_router_name
    return wanted.find(reference.virtual_router_ref, reference.virtual_router_arn, name, "virtualRouterName")


def find_service(
    context: Context, owner: Member, mesh: Member, reference: ServiceReference, path: FieldPath
) -> Member | Fault:
    """The VirtualService that a gateway route means; a name that only a node has makes one."""
    name = reference.virtual_service_name
    wanted = _Wanted(context, owner, "VirtualService", "virtualService", path, mesh)
    found = wanted.find(reference.virtual_service_ref, reference.virtual_service_arn, name, "virtualServiceName")
    if not isinstance(found, Fault) or found.rule is not NOT_FOUND or not name or context.settings.strict:
        return found
    nodes = [one for one in context.all("VirtualNode") if context.meshes[one.ref] is mesh and _answers_to(one, name)]
    if len(nodes) != 1:
        several = " and ".join(f"VirtualNode {one.name}" for one in nodes)
        text = f"{found.message}, and {several} have that name"
        return Fault(NOT_FOUND, text, path=found.path) if nodes else found
    node = nodes[0]
    text = f"no VirtualService is called {name}; one is made for VirtualNode {node.namespace}/{node.name}"
    context.note(MADE_SERVICE, text, owner.kind, (*path, "virtualServiceName"))
    provider = {"provider": {"virtualNode": {"virtualNodeRef": {"namespace": node.namespace, "name": node.name}}}}
    spec = VirtualServiceSpec.model_validate(provider)
    made = Member(owner.kind, spec, "VirtualService", node.namespace, name, name)
    context.meshes[made.ref] = mesh
    return made


def _called(broken: Manifest) -> Iterator[str]:
    """The bare names by which others may mean an object that could not be read."""
    kind, spec = broken.kind, broken.value.get("spec")
    if isinstance(spec, dict):
        yield from (str(spec.get(field)) for field in ("awsName", f"{kind[:1].lower()}{kind[1:]}Name"))
    yield from (f"{broken.name}.{broken.namespace}{suffix}" for suffix in _CLUSTER_SUFFIXES)


def _answers_to(node: Member, name: str) -> bool:
    discovery = node.spec.service_discovery
    dns = discovery.dns.name if discovery is not None and discovery.dns is not None else ""
    return name in (dns, node.aws_name, node.name)


def find_placed(
    context: Context, owner: Member, mesh: Member, kind: str, reference: ObjectReference, path: FieldPath
) -> Member | Fault:
    """The object of a kind that a plain reference means: by its name, in the owner's namespace unless it has one."""
    return _Wanted(context, owner, kind, "", path, mesh).find_placed(reference)


class _Wanted:
    """One reference: who makes it, to which kind, and where it stands."""

    def __init__(
        self, context: Context, owner: Member, kind: str, field: str, path: FieldPath, mesh: Member | None = None
    ) -> None:
        self._context = context
        self._owner = owner
        self._mesh = mesh or context.meshes[owner.ref]
        self._kind = kind
        self._field = field
        self._path = path

    def find(self, ref: Any, arn: str | None, name: str | None, field: str) -> Member | Fault:
        """The ARN counts first, as in the controller, then the reference, then a bare name."""
        if arn is not None:
            return self._find_arn(arn)
        if ref is not None:
            namespace = ref.namespace or self._owner.namespace
            at = (*self._path, f"{self._field}Ref", "name")
            return self._pick(self._placed(namespace, ref.name), ref.name, namespace, at)
        assert name is not None
        at = (*self._path, field)
        for candidates in self._meanings(name):
            found = self._pick(candidates, name, self._owner.namespace, at)
            if isinstance(found, Member) or found.rule is DEPENDS:
                return found
        return found

    def find_placed(self, reference: ObjectReference) -> Member | Fault:
        """Follow a reference that has nothing but a name and maybe a namespace."""
        namespace = reference.namespace or self._owner.namespace
        at = (*self._path, "name")
        return self._pick(self._placed(namespace, reference.name), reference.name, namespace, at)

    def _meanings(self, name: str) -> Iterator[Sequence[Member]]:
        """What a bare name may mean, the likeliest first."""
        yield self._named(name)
        yield self._placed(self._owner.namespace, name)
        for suffix in _CLUSTER_SUFFIXES:
            first, dot, namespace = name.removesuffix(suffix).partition(".")
            if name.endswith(suffix) and dot and "." not in namespace:
                yield self._placed(namespace, first)

    def _placed(self, namespace: str, name: str) -> Sequence[Member]:
        found = self._context.places.get((self._kind, namespace, name))
        return () if found is None else (found,)

    def _named(self, name: str) -> Sequence[Member]:
        return self._context.aws_names.get((self._kind, name), ())

    def _find_arn(self, arn: str) -> Member | Fault:
        at = (*self._path, f"{self._field}ARN")
        read = re.fullmatch(rf"arn:.*:mesh/[^/]+/{self._field}/(?P<name>[^/]+)", arn)
        if read is None:
            hint = f"one ends in :mesh/MESH/{self._field}/NAME"
            return Fault(NOT_FOUND, f"this is not the ARN of a {self._kind}", hint, at)
        name = read["name"]
        found = self._pick(self._named(name), name, "", at)
        if isinstance(found, Fault) and found.rule is NOT_FOUND:
            return Fault(NOT_FOUND, f"the ARN leads nowhere: {found.message}", found.hint, at)
        return found

    def _pick(self, candidates: Sequence[Member], name: str, namespace: str, at: FieldPath) -> Member | Fault:
        context, kind = self._context, self._kind
        for member in candidates:
            if context.meshes.get(member.ref) in (self._mesh, None):
                if context.conditions.is_refused(member.ref):
                    return Fault(DEPENDS, f"{kind} {member.namespace}/{member.name} was refused", path=at)
                return member
        for broken in context.index.broken(kind):
            if (broken.namespace, broken.name) == (namespace, name) or name in _called(broken):
                return Fault(DEPENDS, f"{kind} {broken.namespace}/{broken.name} was refused", path=at)
        written = context.index.get(GROUP, kind, namespace, name)
        if written is not None and context.conditions.is_refused(written.ref):
            return Fault(DEPENDS, f"{kind} {namespace}/{name} was refused", path=at)
        mine = [one for one in context.members[kind] if context.meshes.get(one.ref, self._mesh) is self._mesh]
        elsewhere = next((one for one in mine if one.name == name), None)
        hint = suggest_word(name, [text for one in mine for text in (one.name, one.aws_name)])
        if elsewhere is not None:
            hint = f"there is one in the namespace {elsewhere.namespace}"
        place = f" in the namespace {namespace}" if at[-1] == "name" else ""
        return Fault(NOT_FOUND, f"there is no {kind} {name}{place} in Mesh {self._mesh.name}", hint, at)
