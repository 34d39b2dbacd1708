"""References to other objects, as routes, gateways and policies write them."""

from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import Field, model_validator

from anygate.manifests.fields import Namespace, ObjectName, Port, SectionName
from anygate.manifests.kind import Node
from anygate.manifests.violations import Violations

GATEWAY_API_GROUP = "gateway.networking.k8s.io"
EXPERIMENTAL_GROUP = "gateway.networking.x-k8s.io"
ENVOY_GATEWAY_GROUP = "gateway.envoyproxy.io"

Group = Annotated[
    str,
    Field(max_length=253, pattern=r"^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"),
]
"""API group; empty means the core group."""

KindName = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$")]


class LocalObjectReference(Node):
    """An object in the referrer's namespace."""

    group: Group = ""
    kind: KindName
    name: ObjectName


class ObjectReference(Node):
    """An object, in the referrer's namespace unless one is named."""

    group: Group = ""
    kind: KindName
    name: ObjectName
    namespace: Namespace | None = None


class SecretObjectReference(Node):
    """A Secret by default."""

    group: Group = ""
    kind: KindName = "Secret"
    name: ObjectName
    namespace: Namespace | None = None


class LocalParametersReference(Node):
    """A parameters object in the Gateway's namespace."""

    group: Group
    kind: KindName
    name: ObjectName


class ParametersReference(LocalParametersReference):
    """A parameters object of a GatewayClass; without a namespace it is cluster-scoped."""

    namespace: Namespace | None = None


class ParentReference(Node):
    """The Gateway, ListenerSet or Service that a route attaches to."""

    group: Group = GATEWAY_API_GROUP
    kind: KindName = "Gateway"
    namespace: Namespace | None = None
    name: ObjectName
    section_name: SectionName | None = None
    port: Port | None = None


class ParentGatewayReference(Node):
    """The Gateway that a ListenerSet extends."""

    group: Group = GATEWAY_API_GROUP
    kind: KindName = "Gateway"
    name: ObjectName
    namespace: Namespace | None = None


class BackendObjectReference(Node):
    """A Service by default."""

    group: Group = ""
    kind: KindName = "Service"
    name: ObjectName
    namespace: Namespace | None = None
    port: Port | None = None

    @model_validator(mode="after")
    def _check_port(self) -> Self:
        found = Violations()
        if self.group == "" and self.kind == "Service" and self.port is None:
            found.add("port is required when the backend is a Service", "port", code="required")
        found.refuse()
        return self


class BackendRef(BackendObjectReference):
    """A backend and its share of the traffic."""

    weight: int = Field(default=1, ge=0, le=1_000_000)


class LocalPolicyTargetReference(Node):
    """An object in the policy's namespace that the policy applies to."""

    group: Group
    kind: KindName
    name: ObjectName


class LocalPolicyTargetReferenceWithSectionName(LocalPolicyTargetReference):
    """As above, narrowed to a listener, a Service port or a route rule."""

    section_name: SectionName | None = None


class PolicyTargetReferenceWithSectionName(LocalPolicyTargetReferenceWithSectionName):
    """The older form, which may name another namespace."""

    namespace: Namespace | None = None


def check_parents(found: Violations, parents: Sequence[ParentReference]) -> None:
    """Require references to one parent to name different sections or ports, all in the same way."""
    earlier: dict[tuple[str, str, str | None, str], list[ParentReference]] = {}
    for index, parent in enumerate(parents):
        same = earlier.setdefault((parent.group, parent.kind, parent.namespace, parent.name), [])
        if any((one.section_name, one.port) == (parent.section_name, parent.port) for one in same):
            found.add("repeats an earlier reference to the same parent", "parentRefs", index, code="duplicate")
        elif any(_shape(one) != _shape(parent) for one in same):
            text = "references to the same parent must all name a sectionName, all a port, or all both"
            found.add(text, "parentRefs", index)
        same.append(parent)


def _shape(parent: ParentReference) -> tuple[bool, bool]:
    return parent.section_name is not None, parent.port is not None


def check_targets(found: Violations, targets: Sequence[LocalPolicyTargetReferenceWithSectionName]) -> None:
    """Require references to one target to name different sections."""
    earlier: dict[tuple[str, str, str], set[str | None]] = {}
    for index, target in enumerate(targets):
        sections = earlier.setdefault((target.group, target.kind, target.name), set())
        if target.section_name in sections:
            found.add("repeats an earlier reference to the same target", "targetRefs", index, code="duplicate")
        elif sections and (target.section_name is None) != (None in sections):
            text = "references to the same target must all name a sectionName"
            found.add(text, "targetRefs", index)
        sections.add(target.section_name)
