"""What a policy names as its targets: by name, or by label in its own or in other namespaces."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from anygate.diagnostics import FieldPath, ObjectRef
from anygate.dialects.gateway_api.context import ENVOY_GATEWAY, GATEWAY_API, Context
from anygate.dialects.gateway_api.findings import NOT_HONOURED, POLICY_TARGET_NOT_FOUND
from anygate.dialects.gateway_api.kinds.envoy_gateway.targets import ALIASES, PolicyTargets, TargetSelector
from anygate.dialects.gateway_api.namespaces import allows_namespace
from anygate.manifests.grants import is_granted
from anygate.manifests.kind import Kind

ROUTE_KINDS = ("HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute")


class PolicyTarget(NamedTuple):
    """An object, a section of it (empty: all of it), and where the policy says so."""

    ref: ObjectRef
    section: str
    path: FieldPath


def find_targets(context: Context, item: Kind) -> Iterator[PolicyTarget]:
    """Every target of an Envoy Gateway policy, whether or not there is such an object."""
    spec: PolicyTargets = item.spec
    namespace = item.namespace
    if spec.target_ref is not None:
        one = spec.target_ref
        ref = find_alias(ObjectRef(one.group, one.kind, namespace, one.name))
        yield PolicyTarget(ref, one.section_name or "", ("spec", "targetRef"))
    for number, one in enumerate(spec.target_refs):
        ref = find_alias(ObjectRef(one.group, one.kind, namespace, one.name))
        yield PolicyTarget(ref, one.section_name or "", ("spec", "targetRefs", number))
    for number, selector in enumerate(spec.target_selectors):
        path: FieldPath = ("spec", "targetSelectors", number)
        found = [ref for ref in _selected(context, selector, namespace) if _is_open(context, item, ref, path)]
        if not found:
            text = f"no {selector.kind} that may be targeted is selected"
            context.add(POLICY_TARGET_NOT_FOUND, text, item.manifest, path)
        yield from (PolicyTarget(find_alias(ref), "", path) for ref in found)


def find_alias(ref: ObjectRef) -> ObjectRef:
    """The object that takes a target's place: the HTTPRoute that a route of another kind becomes, or the target."""
    kind = ALIASES.get((ref.group, ref.kind))
    return ObjectRef(GATEWAY_API, kind, ref.namespace, ref.name) if kind else ref


def _selected(context: Context, selector: TargetSelector, own: str) -> list[ObjectRef]:
    wanted = selector.namespaces
    return [
        found.ref
        for found in context.index.all(selector.group or GATEWAY_API, selector.kind)
        if (found.namespace == own or (wanted and allows_namespace(context.index, wanted, own, found.namespace)))
        and context.index.selects(selector, found.manifest.labels)
    ]


def _is_open(context: Context, item: Kind, target: ObjectRef, path: FieldPath) -> bool:
    """Whether a policy may select an object of another namespace: a ReferenceGrant there must say so."""
    if is_granted(context.index, ENVOY_GATEWAY, item.ref.kind, item.namespace, *target):
        return True
    text = f"{target} is selected but left out: no ReferenceGrant in its namespace lets {item.ref.kind} refer to it"
    context.add(NOT_HONOURED, text, item.manifest, (*path, "namespaces"))
    return False


def section_names(item: Kind) -> set[str]:
    """The names of a target's sections: listeners, or rules of a route."""
    spec = item.spec
    named: tuple[Any, ...] = getattr(spec, "listeners", None) or getattr(spec, "rules", None) or ()
    return {one.name for one in named if one.name}
