"""What the passes of this dialect share while they read: inputs, the report, and what they collect."""

from dataclasses import dataclass, field

from anygate.diagnostics import FieldPath, ObjectRef, Report, Rule
from anygate.dialects.dialect import ReadCache
from anygate.dialects.nantian.kinds import KINDS
from anygate.dialects.nantian.status import Conditions
from anygate.dialects.origins import origins_of
from anygate.manifests.index import Index
from anygate.manifests.kind import Kind
from anygate.model.origin import Origin
from anygate.model.tls import Secret


@dataclass
class Context:
    """Inputs and collections of one reading."""

    index: Index
    report: Report
    cache: ReadCache
    conditions: Conditions = field(default_factory=Conditions)
    secrets: dict[str, Secret] = field(default_factory=dict)

    def add(self, rule: Rule, message: str, item: Kind, path: FieldPath = (), *, hint: str = "") -> None:
        """Report a finding at a field of an object."""
        manifest = item.manifest
        self.report.add(rule, message, manifest.span(path), path=path, object=manifest.ref, hint=hint)

    def list_refs(self) -> list[ObjectRef]:
        """Every object of this dialect."""
        return [item.ref for group, kind in KINDS for item in self.index.all(group, kind)]


def origin(item: Kind, path: FieldPath = ()) -> Origin:
    """The origin of a node read from a field of an object."""
    return origins_of(item.manifest).at(path)
