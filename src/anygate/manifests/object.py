"""One Kubernetes object: its identity, its value and where each part of it stands."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from anygate.diagnostics import FieldPath, ObjectRef, Report, SourceFile, Span
from anygate.manifests.cluster_kinds import is_cluster_kind
from anygate.manifests.field_rules import MISSING_FIELD, WRONG_TYPE
from anygate.manifests.found import describe_type, describe_value, hint_type
from anygate.manifests.shape_rules import INVALID_NAME, NOT_AN_OBJECT
from anygate.manifests.tree import Tree, Value

if TYPE_CHECKING:
    from anygate.manifests.lost import Lost

_LABEL = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_NAMESPACE = re.compile(_LABEL)
_ANY_NAME_GROUPS = ("rbac.authorization.k8s.io",)
_LIST_DEPTH = 5

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, eq=False)
class Manifest:
    """A Kubernetes object as the user wrote it.

    `value` is the parsed document; treat it as read-only, it may be shared.
    """

    api_version: str
    ref: ObjectRef
    value: dict[str, Any]
    tree: Tree

    def written_path(self, path: FieldPath) -> FieldPath:
        """The field of the written object that says what a field of this one does."""
        return path

    @property
    def written(self) -> ObjectRef:
        """The object that somebody wrote: this one, unless it was derived from another."""
        return self.ref

    @property
    def group(self) -> str:
        """The API group; empty for core kinds."""
        return self.ref.group

    @property
    def kind(self) -> str:
        """The kind."""
        return self.ref.kind

    @property
    def namespace(self) -> str:
        """The namespace; empty for cluster-wide kinds, "default" where a namespaced object names none."""
        return self.ref.namespace

    @property
    def name(self) -> str:
        """The name."""
        return self.ref.name

    @property
    def version(self) -> str:
        """The API version without its group."""
        return self.api_version.rpartition("/")[2]

    @property
    def file(self) -> SourceFile:
        """The file it stands in."""
        return self.tree.file

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels."""
        return self._said_of_itself("labels", dict) or {}

    @property
    def annotations(self) -> Mapping[str, str]:
        """Its annotations."""
        return self._said_of_itself("annotations", dict) or {}

    @property
    def creation_timestamp(self) -> str:
        """When the cluster created it, in RFC 3339; empty outside a cluster."""
        return self._said_of_itself("creationTimestamp", str) or ""

    @property
    def generation(self) -> int:
        """How often the cluster saw its spec change; 0 outside a cluster."""
        return self._said_of_itself("generation", int) or 0

    def _said_of_itself(self, name: str, kind: type[_T]) -> _T | None:
        """A field of the metadata; None where it is something else, as objects that are not valid may hold anything."""
        metadata = self.value.get("metadata")
        found = metadata.get(name) if isinstance(metadata, dict) else None
        return found if isinstance(found, kind) else None

    @property
    def where(self) -> Span:
        """Where to point when the object as a whole is meant: its name."""
        return self.tree.span(("metadata", "name"))

    def span(self, path: FieldPath = ()) -> Span:
        """Where the value at `path` stands, or its nearest existing parent."""
        return self.tree.span(path)

    def start(self, path: FieldPath = ()) -> tuple[int, int]:
        """Line and column where `span` starts, found in a fraction of the time."""
        return self.tree.start(path)

    def key_span(self, path: FieldPath) -> Span:
        """Where the key of the value at `path` stands."""
        return self.tree.key_span(path)


def read_objects(document: Tree, report: Report, lost: "Lost | None" = None) -> Iterator[Manifest]:
    """Yield the objects of a document, a List's items one by one; what is none is reported, and kept in `lost`."""
    for tree, value in _expand_lists(document, document.value, report, 0):
        found = _read_object(tree, value, report)
        if found is not None:
            yield found
        elif lost is not None:
            lost.add_object(tree, value)


def _expand_lists(tree: Tree, value: Value, report: Report, depth: int) -> Iterator[tuple[Tree, Value]]:
    if not _is_list(value) or depth == _LIST_DEPTH:
        if value is not None or depth:
            yield tree, value
        return
    assert isinstance(value, dict)
    for item in tree.find(("items",)).items():
        yield from _expand_lists(item, _complete_item(item.value, value), report, depth + 1)


def _is_list(value: Value) -> bool:
    if not isinstance(value, dict):
        return False
    kind, items = value.get("kind"), value.get("items")
    if kind == "List" and value.get("apiVersion") == "v1":
        return items is None or isinstance(items, list)
    return isinstance(kind, str) and kind.endswith("List") and isinstance(items, list)


def _complete_item(item: Value, parent: dict[str, Value]) -> Value:
    """An API server leaves out what the items of a typed list have in common."""
    kind = parent["kind"]
    if kind == "List" or not isinstance(item, dict) or ("kind" in item and "apiVersion" in item):
        return item
    assert isinstance(kind, str)
    # Appended last, so that positions of what stands in the file stay right.
    return {
        **item,
        **{
            key: filled
            for key, filled in (("apiVersion", parent.get("apiVersion")), ("kind", kind.removesuffix("List")))
            if key not in item
        },
    }


def _read_object(tree: Tree, value: Value, report: Report) -> Manifest | None:
    if not isinstance(value, dict):
        message = f"expected a Kubernetes object, found {describe_type(value)}"
        report.add(NOT_AN_OBJECT, message, tree.span())
        return None
    if not value.keys() & {"apiVersion", "kind", "metadata"}:
        hint = "an object has apiVersion, kind and metadata"
        message = "expected a Kubernetes object, found some other mapping"
        report.add(NOT_AN_OBJECT, message, tree.span(), hint=hint)
        return None
    api_version = _read_string(tree, value, ("apiVersion",), report)
    kind = _read_string(tree, value, ("kind",), report)
    metadata = value.get("metadata")
    if not isinstance(metadata, dict):
        _report_field(tree, value, ("metadata",), "a mapping", report)
        return None
    name = _read_name(tree, metadata, report)
    namespace = _read_namespace(tree, metadata, report)
    if api_version is None or kind is None or name is None or namespace is None:
        return None
    group = api_version.rpartition("/")[0]
    ref = ObjectRef(group, kind, "" if is_cluster_kind(group, kind) else namespace, name)
    manifest = Manifest(api_version, ref, value, tree)
    if not _check_metadata(manifest, metadata, report):
        return None
    if not _check_name(manifest, report):
        return None
    return manifest


def _read_string(tree: Tree, value: dict[str, Value], path: tuple[str, ...], report: Report) -> str | None:
    found = value.get(path[-1])
    if isinstance(found, str) and found:
        return found
    _report_field(tree, value, path, "a string", report)
    return None


def _read_name(tree: Tree, metadata: dict[str, Value], report: Report) -> str | None:
    if metadata.get("name") is None and metadata.get("generateName"):
        span = tree.span(("metadata", "generateName"))
        hint = "only a cluster can generate names; give it a name"
        report.add(MISSING_FIELD, 'missing field "name"', span, path=("metadata",), hint=hint)
        return None
    return _read_string(tree, metadata, ("metadata", "name"), report)


def _read_namespace(tree: Tree, metadata: dict[str, Value], report: Report) -> str | None:
    if metadata.get("namespace") in (None, ""):
        return "default"
    return _read_string(tree, metadata, ("metadata", "namespace"), report)


def _report_field(tree: Tree, parent: dict[str, Value], path: tuple[str, ...], expected: str, report: Report) -> None:
    found = parent.get(path[-1])
    if found in (None, ""):
        message = f'missing field "{path[-1]}"'
        report.add(MISSING_FIELD, message, tree.span(path[:-1]), path=path[:-1])
        return
    text = tree.text(path)
    message = f"expected {expected}, found {describe_value(found, text)}"
    hint = hint_type(expected, found, text)
    report.add(WRONG_TYPE, message, tree.span(path), path=path, hint=hint)


def _check_metadata(manifest: Manifest, metadata: dict[str, Value], report: Report) -> bool:
    """Check those parts of the metadata that anything reads."""
    sound = True
    for key in ("labels", "annotations"):
        entries = metadata.get(key)
        if entries is not None and not isinstance(entries, dict):
            sound = _refuse(manifest, ("metadata", key), entries, "a mapping", report)
            continue
        for name, entry in (entries or {}).items():
            if not isinstance(entry, str):
                sound = _refuse(manifest, ("metadata", key, name), entry, "a string", report)
    for key, kind, expected in (("creationTimestamp", str, "a string"), ("generation", int, "an integer")):
        entry = metadata.get(key)
        if entry is not None and (not isinstance(entry, kind) or isinstance(entry, bool)):
            sound = _refuse(manifest, ("metadata", key), entry, expected, report)
    return sound


def _refuse(manifest: Manifest, path: FieldPath, found: Value, expected: str, report: Report) -> bool:
    text = manifest.tree.text(path)
    message = f"expected {expected}, found {describe_value(found, text)}"
    hint = hint_type(expected, found, text)
    report.add(WRONG_TYPE, message, manifest.span(path), path=path, object=manifest.ref, hint=hint)
    return False


def _check_name(manifest: Manifest, report: Report) -> bool:
    sound = True
    name, namespace = manifest.name, manifest.namespace
    free = manifest.group in _ANY_NAME_GROUPS
    if not free and not (len(name) <= 253 and _NAME.fullmatch(name)):
        hint = 'use lower-case letters, digits, "-" and ".", starting and ending with a letter or digit'
        path: FieldPath = ("metadata", "name")
        message = f'"{_crop(name)}" is not a valid name'
        report.add(INVALID_NAME, message, manifest.where, path=path, object=manifest.ref, hint=hint)
        sound = False
    if namespace and not (len(namespace) <= 63 and _NAMESPACE.fullmatch(namespace)):
        hint = 'use at most 63 lower-case letters, digits and "-", starting and ending with a letter or digit'
        path = ("metadata", "namespace")
        message = f'"{_crop(namespace)}" is not a valid namespace'
        report.add(INVALID_NAME, message, manifest.span(path), path=path, object=manifest.ref, hint=hint)
        sound = False
    return sound


def _crop(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."
