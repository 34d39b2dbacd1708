"""What the passes of this dialect share while they read: inputs, the report, and what they collect."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from anygate.diagnostics import Diagnostic, FieldPath, ObjectRef, Related, Report, Rule
from anygate.dialects.dialect import ReadCache
from anygate.dialects.gateway_api.status import Section, StatusBook, note
from anygate.dialects.origins import origins_of
from anygate.manifests.index import Index
from anygate.manifests.object import Manifest
from anygate.model.backend import Backend
from anygate.model.origin import Origin
from anygate.model.tls import Secret

GATEWAY_API = "gateway.networking.k8s.io"
GATEWAY_API_X = "gateway.networking.x-k8s.io"
ENVOY_GATEWAY = "gateway.envoyproxy.io"


@dataclass(frozen=True)
class Fault:
    """Why a reference or a setting could not be honoured: a rule, a condition's reason, and a sentence."""

    rule: Rule
    reason: str
    message: str
    hint: str = ""


@dataclass
class Context:
    """Inputs and collections of one reading. Passes append; nothing is taken back."""

    index: Index
    report: Report
    cache: ReadCache
    status: StatusBook = field(default_factory=StatusBook)
    backends: dict[str, Backend] = field(default_factory=dict)
    secrets: dict[str, Secret] = field(default_factory=dict)
    reached_by: dict[ObjectRef, dict[ObjectRef, None]] = field(default_factory=dict)
    """The Gateways through which requests come to a route or a backend; policies report to them."""

    @property
    def tracks_backends(self) -> bool:
        """Whether a policy may want to know through which Gateways a backend is reached."""
        return self._tracks_backends

    def __post_init__(self) -> None:
        policies = (
            (GATEWAY_API, "BackendTLSPolicy"),
            (GATEWAY_API, "BackendLBPolicy"),
            (GATEWAY_API_X, "XBackendTrafficPolicy"),
        )
        self._tracks_backends = any(self.index.all(*kind) for kind in policies)

    def note_reach(self, source: ObjectRef, target: ObjectRef) -> None:
        """Note that whatever reaches `source` reaches `target` through it."""
        self.reached_by.setdefault(target, {}).update(self.reached_by.get(source, {}))

    @property
    def fallbacks(self) -> bool:
        """Whether any backend waits until others fail."""
        return any(backend.fallback for backend in self.backends.values())

    def add(
        self,
        rule: Rule,
        message: str,
        manifest: Manifest,
        path: FieldPath = (),
        *,
        hint: str = "",
        related: Sequence[Related] = (),
    ) -> Diagnostic:
        """Report a finding at a field of an object."""
        return self.report.add(
            rule,
            message,
            manifest.span(path),
            path=manifest.written_path(path),
            object=manifest.written,
            hint=hint,
            related=related,
        )

    def refuse(self, section: Section, condition: str, fault: Fault, manifest: Manifest, path: FieldPath = ()) -> None:
        """Note a condition as False and say why at the field that caused it."""
        note(section, condition, False, fault.reason, fault.message)
        self.add(fault.rule, fault.message, manifest, path, hint=fault.hint)


def origin(manifest: Manifest, path: FieldPath = ()) -> Origin:
    """The origin of a node read from a field of an object."""
    return origins_of(manifest).at(path)


def ref_of(value: Any, namespace: str, group: str = "", kind: str = "") -> ObjectRef:
    """The object that a reference names, with the reference's own defaults filled in."""
    own = getattr(value, "group", None)
    return ObjectRef(
        group if own is None else own,
        getattr(value, "kind", None) or kind,
        getattr(value, "namespace", None) or namespace,
        value.name,
    )
