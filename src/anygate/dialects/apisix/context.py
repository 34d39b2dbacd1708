"""What the passes of this dialect share while they read: inputs, the report, and what they collect."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from anygate.diagnostics import Diagnostic, FieldPath, ObjectRef, Report, Rule
from anygate.dialects.apisix.findings import OTHER_CLASS
from anygate.dialects.apisix.kinds import KINDS
from anygate.dialects.apisix.kinds.plugins import APISIX_GROUP
from anygate.dialects.apisix.settings import Settings
from anygate.dialects.apisix.status import Conditions
from anygate.dialects.dialect import ReadCache
from anygate.dialects.origins import origins_of
from anygate.manifests.index import Index
from anygate.manifests.kind import Kind
from anygate.model.backend import Backend
from anygate.model.listener import Stage
from anygate.model.origin import Origin
from anygate.model.tls import Secret

K = TypeVar("K", bound=Kind)

CLASS_ANNOTATIONS = ("k8s.apisix.apache.org/ingress-class", "kubernetes.io/ingress.class")


@dataclass(frozen=True)
class Fault:
    """Why something cannot be had: a rule, a sentence, and the field of the object that is to blame."""

    rule: Rule
    message: str
    path: FieldPath = ()
    hint: str = ""


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
    copies: dict[str, Stage] = field(default_factory=dict)
    """Stages that copies of requests pass, by their names."""
    _ignored: set[ObjectRef] = field(default_factory=set)

    def __post_init__(self) -> None:
        for group, kind in KINDS:
            for item in self.index.all(group, kind) if group == APISIX_GROUP else ():
                self._check_class(item)

    def _check_class(self, item: Kind) -> None:
        written = item.spec.ingress_class_name
        path: FieldPath = ("spec", "ingressClassName")
        for name in CLASS_ANNOTATIONS:
            if not written and name in item.manifest.annotations:
                written, path = item.manifest.annotations[name], ("metadata", "annotations", name)
        if written and written not in self.settings.classes:
            known = " or ".join(self.settings.classes)
            text = f"it is ignored: its class is {written}, and those of the class {known} are read"
            self.note(OTHER_CLASS, text, item, path, "list the class in ingressClasses of an ApisixSettings")
            self._ignored.add(item.ref)
            self.conditions.ignore(item.ref)

    def all(self, model: type[K]) -> Iterator[K]:
        """The objects of a kind that are of our class and were not refused so far."""
        return (one for one in self.index.every(model) if self._is_usable(one))

    def find(self, model: type[K], namespace: str, name: str) -> K | None:
        """An object of our class that was not refused so far."""
        found = self.index.find(model, namespace, name)
        return found if found is not None and self._is_usable(found) else None

    def _is_usable(self, item: Kind) -> bool:
        return item.ref not in self._ignored and not self.conditions.is_refused(item.ref)

    def add(self, fault: Fault, item: Kind) -> Diagnostic:
        """Report a finding at a field of an object."""
        manifest = item.manifest
        span = manifest.span(fault.path) if fault.path else manifest.where
        path = manifest.written_path(fault.path)
        return self.report.add(fault.rule, fault.message, span, path=path, object=manifest.written, hint=fault.hint)

    def note(self, rule: Rule, message: str, item: Kind, path: FieldPath = (), hint: str = "") -> None:
        """Report a finding that refuses nothing."""
        self.add(Fault(rule, message, path, hint), item)

    def refuse(self, item: Kind, fault: Fault) -> None:
        """Leave an object out, and say why at the field that caused it."""
        self.add(fault, item)
        self.conditions.refuse(item.ref, fault.message)

    def refuse_part(self, item: Kind, fault: Fault) -> None:
        """Leave a rule of an object out or close it, and say why at the field that caused it."""
        self.add(fault, item)
        self.conditions.refuse_part(item.ref, fault.message)

    def list_refs(self) -> list[ObjectRef]:
        """Every object of this dialect that has conditions."""
        return [item.ref for group, kind in KINDS if group == APISIX_GROUP for item in self.index.all(group, kind)]


def origin(item: Kind, path: FieldPath = ()) -> Origin:
    """The origin of a node read from a field of an object."""
    return origins_of(item.manifest).at(path)
