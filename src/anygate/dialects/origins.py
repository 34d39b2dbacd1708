"""Where the nodes of an object stand, found in one walk: a route alone asks for dozens of positions."""

from functools import lru_cache
from typing import Any, NamedTuple

from anygate.diagnostics import FieldPath, render_path
from anygate.manifests.object import Manifest
from anygate.manifests.tree import subtree_size
from anygate.model.origin import Origin


class _Place(NamedTuple):
    value: Any
    slot: int


class Origins:
    """The origins of one object's fields. The children of each mapping or list are found together."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        tree = manifest.tree
        self._known: dict[FieldPath, _Place] = {(): _Place(tree.value, tree.at)}
        self._listed: set[FieldPath] = set()

    def at(self, path: FieldPath) -> Origin:
        """The origin of a field; one that was not written stands where its nearest parent does."""
        manifest = self._manifest
        tree = manifest.tree
        line, column = tree.file.position(tree.offset + (tree.slots[self._find(path).slot] >> 32))
        ref = manifest.ref
        return Origin(ref.kind, ref.namespace, ref.name, render_path(path), tree.file.name, line, column)

    def _find(self, path: FieldPath) -> _Place:
        found = self._known.get(path)
        if found is not None:
            return found
        above = path[:-1]
        parent = self._find(above)
        if above not in self._listed:
            self._listed.add(above)
            self._list_children(above, parent)
        return self._known.get(path, parent)

    def _list_children(self, above: FieldPath, parent: _Place) -> None:
        value, known, slots = parent.value, self._known, self._manifest.tree.slots
        slot = parent.slot + 2
        if isinstance(value, dict):
            for key, child in value.items():
                # What was added to an object after it was read stands last and has no position.
                if slot + 1 >= len(slots):
                    return
                known[*above, key] = _Place(child, slot + 1)
                slot += 1 + subtree_size(child, slots, slot + 1)
        elif isinstance(value, list):
            for index, child in enumerate(value):
                known[*above, index] = _Place(child, slot)
                slot += subtree_size(child, slots, slot)


@lru_cache(maxsize=2)
def origins_of(manifest: Manifest) -> Origins:
    """The origins of an object; whoever asks for one field tends to ask for its neighbours next."""
    return Origins(manifest)
