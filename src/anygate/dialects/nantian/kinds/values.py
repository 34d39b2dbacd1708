"""What kinds of this dialect share."""

from anygate.manifests.fields import ObjectName
from anygate.manifests.kind import Node

GROUP = "gateway.nantian.dev"
VERSIONS = ("v1alpha1",)


class TargetReference(Node):
    """An object that a policy or a plugin is for; `section_name` is a listener of a Gateway or a rule of a route."""

    group: str = ""
    kind: str
    name: ObjectName
    # Only the namespace of the object itself is allowed, which some tools write all the same.
    namespace: str | None = None
    section_name: str | None = None
