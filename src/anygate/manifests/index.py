"""Finds parsed objects by identity, kind and label."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TypeVar

from anygate.diagnostics import ObjectRef
from anygate.manifests.core import ConfigMap, Endpoints, EndpointSlice, Namespace, Secret, Service
from anygate.manifests.discovery import Documents
from anygate.manifests.kind import Kind
from anygate.manifests.object import Manifest
from anygate.manifests.selector import Selector, selects

K = TypeVar("K", bound=Kind)

NAMESPACE_LABEL = "kubernetes.io/metadata.name"
"""The label that every namespace carries by itself."""


class Index:
    """Parsed objects of any kinds, ordered by namespace and name whatever the order they came in.

    `broken` are objects of known kinds that could not be read: a policy that is not valid still has a target.
    Of those that are not even an object only the kind may be known. `documents` are what OpenID providers said.
    """

    def __init__(
        self,
        kinds: Iterable[Kind],
        broken: Iterable[Manifest] = (),
        stand_ins: Mapping[ObjectRef, Kind] | None = None,
        documents: Documents | None = None,
    ) -> None:
        self.documents = documents or Documents()
        found = {kind.ref: kind for kind in kinds}
        # A reference equals the tuple of its parts.
        self._by_ref: dict[tuple[str, str, str, str], Kind] = {ref: found[ref] for ref in sorted(found)}
        self._by_kind: dict[tuple[str, str], list[Kind]] = {}
        for ref, kind in self._by_ref.items():
            self._by_kind.setdefault(ref[:2], []).append(kind)
        self._broken = sorted(broken, key=lambda manifest: manifest.ref)
        self._stand_ins = dict(stand_ins or {})
        self._namespaces = self._collect_namespaces()
        self._slices: dict[tuple[str, str], list[EndpointSlice]] = {}
        for part in self.every(EndpointSlice):
            self._slices.setdefault((part.namespace, part.service_name), []).append(part)

    def extended(self, kinds: Iterable[Kind], stand_ins: Mapping[ObjectRef, Kind] | None = None) -> "Index":
        """An index that has these objects too. `stand_ins` are found by the identity of what they stand in for."""
        stand_ins = {**self._stand_ins, **(stand_ins or {})}
        return Index([*self._by_ref.values(), *kinds], self._broken, stand_ins, self.documents)

    def stand_in(self, ref: ObjectRef) -> Kind | None:
        """What one dialect put in the place of an object of its own for another one to use."""
        return self._stand_ins.get(ref)

    def get(self, group: str, kind: str, namespace: str, name: str) -> Kind | None:
        """The object with an identity."""
        return self._by_ref.get((group, kind, namespace, name))

    def all(self, group: str, kind: str) -> tuple[Kind, ...]:
        """All objects of a kind."""
        return tuple(self._by_kind.get((group, kind), ()))

    def names(self, group: str, kind: str, namespace: str) -> tuple[str, ...]:
        """The names of all objects of a kind in a namespace."""
        return tuple(found.name for found in self.all(group, kind) if found.namespace == namespace)

    def broken(self, kind: str) -> tuple[Manifest, ...]:
        """The objects of a kind that could not be read."""
        return tuple(manifest for manifest in self._broken if manifest.kind == kind)

    def find(self, model: type[K], namespace: str, name: str) -> K | None:
        """The object of a kind that says its GROUP and KIND."""
        found = self.get(model.GROUP, model.KIND, namespace, name)
        return found if isinstance(found, model) else None

    def every(self, model: type[K]) -> tuple[K, ...]:
        """All objects of a kind that says its GROUP and KIND."""
        return tuple(found for found in self.all(model.GROUP, model.KIND) if isinstance(found, model))

    def service(self, namespace: str, name: str) -> Service | None:
        """A Service."""
        return self.find(Service, namespace, name)

    def secret(self, namespace: str, name: str) -> Secret | None:
        """A Secret."""
        return self.find(Secret, namespace, name)

    def config_map(self, namespace: str, name: str) -> ConfigMap | None:
        """A ConfigMap."""
        return self.find(ConfigMap, namespace, name)

    def endpoints(self, namespace: str, name: str) -> Endpoints | None:
        """The Endpoints of a Service."""
        return self.find(Endpoints, namespace, name)

    def endpoint_slices(self, namespace: str, service: str) -> tuple[EndpointSlice, ...]:
        """The EndpointSlices of a Service."""
        return tuple(self._slices.get((namespace, service), ()))

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Every namespace that is declared or that an object stands in."""
        return tuple(self._namespaces)

    def namespace_labels(self, namespace: str) -> Mapping[str, str]:
        """A namespace's labels; one that nothing declares has the label that Kubernetes gives it."""
        return self._namespaces.get(namespace) or MappingProxyType({NAMESPACE_LABEL: namespace})

    def selects(self, selector: Selector, labels: Mapping[str, str]) -> bool:
        """Whether a label selector selects an object with these labels."""
        return selects(selector, labels)

    def namespace_matches(self, namespace: str, selector: Selector) -> bool:
        """Whether a label selector selects a namespace by its labels."""
        return selects(selector, self.namespace_labels(namespace))

    def _collect_namespaces(self) -> dict[str, Mapping[str, str]]:
        names = {ref[2] for ref in self._by_ref if ref[2]}
        declared = {kind.name: {**kind.manifest.labels, NAMESPACE_LABEL: kind.name} for kind in self.every(Namespace)}
        return {
            name: MappingProxyType(declared.get(name) or {NAMESPACE_LABEL: name})
            for name in sorted(names | declared.keys())
        }
