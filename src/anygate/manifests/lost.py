"""Objects that cannot be read, as far as their kind and namespace can still be told.

A policy that is lost to a typing mistake must not leave open what it was to protect, so it is not forgotten:
whoever reads policies asks what was lost and closes what that may have been meant for.
"""

import re
from array import array

from anygate.diagnostics import ObjectRef, SourceFile
from anygate.manifests.cluster_kinds import is_cluster_kind
from anygate.manifests.object import Manifest
from anygate.manifests.tree import Tree, Value

_DEFAULT = "default"
_KIND = re.compile(r"""\bkind["']?[ \t]*:[ \t]*["']?([A-Za-z]+)""")
_NAMESPACE = re.compile(r"""\bnamespace["']?[ \t]*:[ \t]*["']?([a-z0-9][-a-z0-9]*)""")


class Lost:
    """Collects what is lost. The name of such an object may be empty and its value incomplete."""

    def __init__(self) -> None:
        self.objects: list[Manifest] = []

    def add_document(self, tree: Tree) -> None:
        """Remember the objects in a document whose YAML is not sound."""
        self.add_object(tree, tree.value)

    def add_object(self, tree: Tree, value: Value) -> None:
        """Remember an object that is not valid, or the items of a list."""
        if not isinstance(value, dict):
            return
        if isinstance(value.get("items"), list):
            for item in tree.find(("items",)).items():
                self.add_object(item, item.value)
            return
        kind, metadata = value.get("kind"), value.get("metadata")
        if not isinstance(kind, str) or not kind:
            return
        held = metadata if isinstance(metadata, dict) else {}
        name, namespace, version = held.get("name"), held.get("namespace"), value.get("apiVersion")
        self._add(
            version if isinstance(version, str) else "",
            kind,
            namespace if isinstance(namespace, str) and namespace else _DEFAULT,
            name if isinstance(name, str) else "",
            value,
            tree,
        )

    def add_text(self, text: str, file: SourceFile, offset: int) -> None:
        """Remember every kind that a text names which is not YAML, in every namespace that it names."""
        end = len(text.rstrip())
        tree = Tree({}, file, offset, array("Q", [end, 2]))
        for kind in sorted(set(_KIND.findall(text))):
            for namespace in sorted(set(_NAMESPACE.findall(text))) or [_DEFAULT]:
                self._add("", kind, namespace, "", {}, tree)

    def _add(self, version: str, kind: str, namespace: str, name: str, value: dict[str, Value], tree: Tree) -> None:
        group = version.rpartition("/")[0]
        ref = ObjectRef(group, kind, "" if is_cluster_kind(group, kind) else namespace, name)
        self.objects.append(Manifest(version, ref, value, tree))
