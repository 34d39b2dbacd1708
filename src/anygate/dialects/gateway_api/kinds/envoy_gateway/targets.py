"""What a policy applies to: objects by name, or by label."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from anygate.dialects.gateway_api.kinds.references import (
    GATEWAY_API_GROUP,
    Group,
    KindName,
    LocalPolicyTargetReferenceWithSectionName,
)
from anygate.dialects.gateway_api.kinds.violations import Violations
from anygate.manifests.fields import Many
from anygate.manifests.kind import Node
from anygate.manifests.selector import LabelSelector

ALIASES = {("aigateway.envoyproxy.io", "AIGatewayRoute"): "HTTPRoute"}
"""Kinds that a policy may name instead of the HTTPRoute of the same name that they become."""


class TargetSelectorNamespaces(Node):
    """Namespaces to look for targets in; other namespaces need a ReferenceGrant."""

    from_: Literal["Same", "All", "Selector"] = Field(default="Same", alias="from")
    selector: LabelSelector | None = None


class TargetSelector(LabelSelector):
    """Targets of one kind by label; without namespaces only those beside the policy."""

    group: Group = GATEWAY_API_GROUP
    kind: KindName
    namespaces: TargetSelectorNamespaces | None = None


class PolicyTargets(Node):
    """The targets of a policy."""

    target_kinds: ClassVar[tuple[str, ...]] = ()

    # Deprecated form of a single target.
    target_ref: LocalPolicyTargetReferenceWithSectionName | None = None
    target_refs: Many[LocalPolicyTargetReferenceWithSectionName] = ()
    target_selectors: Many[TargetSelector] = ()

    @property
    def targets(self) -> tuple[LocalPolicyTargetReferenceWithSectionName, ...]:
        """All targets that are named, whichever field names them."""
        single = (self.target_ref,) if self.target_ref is not None else ()
        return single + self.target_refs

    @model_validator(mode="after")
    def _check_targets(self) -> Self:
        found = Violations()
        if not self.target_selectors:
            if self.target_ref is None and not self.target_refs:
                found.add("targetRefs or targetSelectors is required", "targetRefs", code="required")
            if self.target_ref is not None and self.target_refs:
                found.add("targetRef cannot be combined with targetRefs", "targetRef", code="forbidden")
        if self.target_ref is not None:
            self._check_target(found, self.target_ref.group, self.target_ref.kind, "targetRef")
        for index, target in enumerate(self.target_refs):
            self._check_target(found, target.group, target.kind, "targetRefs", index)
        for index, selector in enumerate(self.target_selectors):
            self._check_target(found, selector.group, selector.kind, "targetSelectors", index)
        found.refuse()
        return self

    def _check_target(self, found: Violations, group: str, kind: str, *at: str | int) -> None:
        if ALIASES.get((group, kind)) in self.target_kinds:
            return
        if group != GATEWAY_API_GROUP:
            found.add(f"must be {GATEWAY_API_GROUP}", *at, "group")
        elif kind not in self.target_kinds:
            found.add(f"must be one of {', '.join(self.target_kinds)}", *at, "kind")
