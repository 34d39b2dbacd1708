"""What the passes of this dialect share while they read: inputs, the report, and what they collect."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from anygate.diagnostics import Diagnostic, FieldPath, ObjectRef, Report, Rule
from anygate.dialects.app_mesh.findings import NAME_TAKEN
from anygate.dialects.app_mesh.kinds import KINDS
from anygate.dialects.app_mesh.kinds.values import GROUP, LEGACY_VERSIONS
from anygate.dialects.app_mesh.normalise import is_refused, normalise
from anygate.dialects.app_mesh.settings import Settings
from anygate.dialects.app_mesh.status import Conditions
from anygate.dialects.dialect import ReadCache
from anygate.dialects.origins import origins_of
from anygate.manifests.index import Index
from anygate.manifests.kind import Kind
from anygate.model.backend import Backend
from anygate.model.origin import Origin
from anygate.model.tls import Secret


@dataclass(frozen=True, eq=False)
class Member:
    """An object of a mesh, or one that was made for what another asks for: then `kind` is that one."""

    kind: Kind
    spec: Any
    kind_name: str
    namespace: str
    name: str
    aws_name: str

    @property
    def ref(self) -> ObjectRef:
        """The identity of the object as if it had been written."""
        return ObjectRef(GROUP, self.kind_name, self.namespace, self.name)

    @property
    def legacy(self) -> bool:
        """Whether it is of the first controller's API."""
        return self.kind.manifest.version in LEGACY_VERSIONS


@dataclass(frozen=True)
class Fault:
    """Why something cannot be had: a rule, a sentence, and the field that is to blame if it is another."""

    rule: Rule
    message: str
    hint: str = ""
    path: FieldPath | None = None


@dataclass
class Context:
    """Inputs and collections of one reading. Passes append; nothing is taken back."""

    index: Index
    report: Report
    cache: ReadCache
    settings: Settings = field(default_factory=Settings)
    conditions: Conditions = field(default_factory=Conditions)
    backends: dict[str, Backend] = field(default_factory=dict)
    secrets: dict[str, Secret] = field(default_factory=dict)
    members: dict[str, list[Member]] = field(default_factory=dict)
    places: dict[tuple[str, str, str], Member] = field(default_factory=dict)
    """The members by kind, namespace and name."""
    aws_names: dict[tuple[str, str], list[Member]] = field(default_factory=dict)
    """The members by kind and AWS name, which is one member's only within a mesh."""
    meshes: dict[ObjectRef, Member] = field(default_factory=dict)
    """The mesh of each member."""
    sidecars: dict[ObjectRef, Member] = field(default_factory=dict)
    """The nodes whose sidecars run."""
    used_groups: set[ObjectRef] = field(default_factory=set)
    """The backend groups that some sidecar has."""

    def __post_init__(self) -> None:
        for group, kind in KINDS:
            if group != GROUP:
                continue
            self.members[kind] = []
            for item in self.index.all(GROUP, kind):
                remarks = self._normalise(item)
                self.report.extend(remarks)
                if is_refused(remarks):
                    self.conditions.refuse(item.ref, "it is written in a way that App Mesh does not have")
                    continue
                name = self._aws_name(item)
                if name is not None:
                    member = Member(item, item.spec, kind, item.namespace, item.name, name)
                    self.members[kind].append(member)
                    self.places[kind, item.namespace, item.name] = member
                    self.aws_names.setdefault((kind, name), []).append(member)

    def _normalise(self, item: Kind) -> tuple[Diagnostic, ...]:
        key = ("mesh-normal", id(item), self.settings.strict)
        found = self.cache.get(key)
        if found is None:
            # The item is stored too, so that its id stays taken.
            found = (normalise(item, self.settings.strict), item)
            self.cache.put(key, found)
        remarks: tuple[Diagnostic, ...] = found[0]
        return remarks

    def _aws_name(self, item: Kind) -> str | None:
        own, other = getattr(item.spec, "aws_name", ""), getattr(item.spec, _OTHER.get(item.manifest.kind, ""), None)
        if own and other and own != other:
            fault = Fault(NAME_TAKEN, f"it has two AWS names, {own} and {other}", "keep awsName")
            self.add(fault, item, ("spec", "awsName"))
            self.conditions.refuse(item.ref, fault.message)
            return None
        return own or other or _default_name(item)

    def all(self, kind: str) -> Iterator[Member]:
        """The members of a kind that were not refused so far."""
        return (one for one in self.members[kind] if not self.conditions.is_refused(one.ref))

    def add(self, fault: Fault, item: Kind, path: FieldPath = ()) -> None:
        """Report a finding at a field of an object."""
        at = path if fault.path is None else fault.path
        manifest = item.manifest
        span = manifest.span(at) if at else manifest.where
        self.report.add(fault.rule, fault.message, span, path=at, object=manifest.ref, hint=fault.hint)

    def note(self, rule: Rule, message: str, item: Kind, path: FieldPath = (), hint: str = "") -> None:
        """Report a finding that refuses nothing."""
        self.add(Fault(rule, message, hint), item, path)

    def refuse(self, member: Member, fault: Fault, path: FieldPath = ()) -> None:
        """Leave a member out, and say why at the field that caused it."""
        self.add(fault, member.kind, path)
        self.conditions.refuse(member.ref, fault.message)

    def list_refs(self) -> list[ObjectRef]:
        """Every object of this dialect."""
        return [item.ref for group, kind in KINDS if group == GROUP for item in self.index.all(group, kind)]


_OTHER = {
    "Mesh": "mesh_name",
    "VirtualNode": "virtual_node_name",
    "VirtualService": "virtual_service_name",
    "VirtualRouter": "virtual_router_name",
    "VirtualGateway": "virtual_gateway_name",
    "GatewayRoute": "gateway_route_name",
    "Route": "route_name",
}
"""The fields in which other APIs have the AWS name."""


def _default_name(item: Kind) -> str:
    kind, legacy = item.manifest.kind, item.manifest.version in LEGACY_VERSIONS
    if kind in ("Mesh", "Route") or (kind == "VirtualService" and legacy):
        return item.name
    if legacy:
        return f"{item.name}-{item.namespace}"
    return f"{item.name}.{item.namespace}" if kind == "VirtualService" else f"{item.name}_{item.namespace}"


def origin(item: Kind, path: FieldPath = ()) -> Origin:
    """The origin of a node read from a field of an object."""
    return origins_of(item.manifest).at(path)
