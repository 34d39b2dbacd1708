"""ReferenceGrant: who may refer to an object in another namespace."""

from typing import ClassVar

from pydantic import Field

from anygate.manifests.fields import Many, ObjectName
from anygate.manifests.fields import Namespace as NamespaceName
from anygate.manifests.index import Index
from anygate.manifests.kind import Kind, Node

GROUP = "gateway.networking.k8s.io"


class GrantFrom(Node):
    """Objects that may refer: a kind in a namespace."""

    group: str
    kind: str
    namespace: NamespaceName


class GrantTo(Node):
    """Objects that may be referred to: a kind in the grant's namespace, all of it or one name."""

    group: str
    kind: str
    name: ObjectName | None = None


class ReferenceGrantSpec(Node):
    """From whom, to what."""

    sources: Many[GrantFrom] = Field(alias="from", min_length=1, max_length=16)
    targets: Many[GrantTo] = Field(alias="to", min_length=1, max_length=16)


class ReferenceGrant(Kind):
    """Lets objects of other namespaces refer to objects of its own namespace."""

    GROUP: ClassVar[str] = GROUP
    KIND: ClassVar[str] = "ReferenceGrant"

    spec: ReferenceGrantSpec


GRANT_KINDS: dict[tuple[str, str], type[Kind]] = {
    (f"{GROUP}/{version}", "ReferenceGrant"): ReferenceGrant for version in ("v1", "v1beta1", "v1alpha2")
}
"""ReferenceGrant by apiVersion and kind."""


def is_granted(
    index: Index,
    from_group: str,
    from_kind: str,
    from_namespace: str,
    to_group: str,
    to_kind: str,
    to_namespace: str,
    to_name: str,
) -> bool:
    """Whether an object may refer to another; always within one namespace, else when a grant says so."""
    if from_namespace == to_namespace:
        return True
    source = (from_group, from_kind, from_namespace)
    return any(
        any((known.group, known.kind, known.namespace) == source for known in grant.spec.sources)
        and any(
            (known.group, known.kind) == (to_group, to_kind) and known.name in (None, "", to_name)
            for known in grant.spec.targets
        )
        for grant in index.every(ReferenceGrant)
        if grant.namespace == to_namespace
    )
