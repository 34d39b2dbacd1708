"""Where the nodes of an object stand, found in one walk: a route alone asks for dozens of positions."""

from functools import lru_cache
from typing import Any

from anygate.diagnostics import FieldPath, render_path
from anygate.manifests.object import Manifest
from anygate.manifests.tree import subtree_size
from anygate.model.origin import Origin

_render = lru_cache(maxsize=4096)(render_path)


class _Node:
    """A value with its slot, and its children once somebody asked for one of them."""

    __slots__ = ("children", "slot", "value")

    def __init__(self, value: Any, slot: int) -> None:
        self.value = value
        self.slot = slot
        self.children: dict[str | int, _Node] | None = None


class Origins:
    """The origins of one object's fields. The children of each mapping or list are found together."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._tree = manifest.tree
        self._root = _Node(self._tree.value, self._tree.at)

    def at(self, path: FieldPath) -> Origin:
        """The origin of a field; one that was not written stands where its nearest parent does."""
        node = self._root
        path = self._manifest.written_path(path)
        for step in path:
            children = node.children
            if children is None:
                children = node.children = self._list_children(node)
            found = children.get(step)
            if found is None:
                break
            node = found
        tree, ref = self._tree, self._manifest.written
        line, column = tree.file.position(tree.offset + (tree.slots[node.slot] >> 32))
        return Origin(ref.kind, ref.namespace, ref.name, _render(path), tree.file.name, line, column)

    def _list_children(self, node: _Node) -> "dict[str | int, _Node]":
        value, slots, slot = node.value, self._tree.slots, node.slot + 2
        found: dict[str | int, _Node] = {}
        if isinstance(value, dict):
            for key, child in value.items():
                # What was added to an object after it was read stands last and has no position.
                if slot + 1 >= len(slots):
                    break
                found[key] = _Node(child, slot + 1)
                slot += 1 + subtree_size(child, slots, slot + 1)
        elif isinstance(value, list):
            for index, child in enumerate(value):
                found[index] = _Node(child, slot)
                slot += subtree_size(child, slots, slot)
        return found


@lru_cache(maxsize=2)
def origins_of(manifest: Manifest) -> Origins:
    """The origins of an object; whoever asks for one field tends to ask for its neighbours next."""
    return Origins(manifest)
