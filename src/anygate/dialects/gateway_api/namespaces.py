"""Which namespaces a Gateway or listener lets in."""

from typing import Protocol

from anygate.manifests.index import Index
from anygate.manifests.selector import LabelSelector


class NamespaceChoice(Protocol):
    """Which namespaces: All, Same, None, or those that a selector selects."""

    @property
    def from_(self) -> str:
        """How they are chosen."""

    @property
    def selector(self) -> LabelSelector | None:
        """The labels that choose them; without any nothing is chosen."""


def allows_namespace(index: Index, wanted: NamespaceChoice, own: str, namespace: str) -> bool:
    """Whether `namespace` is let in by something that lives in namespace `own`."""
    if wanted.from_ == "All":
        return True
    if wanted.from_ == "Same":
        return namespace == own
    if wanted.from_ == "None" or wanted.selector is None:
        return False
    return index.namespace_matches(namespace, wanted.selector)
