"""Which policy holds for which backend or pool; either side may name the other."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from anygate.diagnostics import Diagnostic, FieldPath, ObjectRef, Related, Report
from anygate.dialects.envoy_ai import findings
from anygate.dialects.envoy_ai.kinds.backendsecuritypolicy import BackendSecurityPolicySpec
from anygate.dialects.envoy_ai.kinds.groups import AI_GATEWAY_GROUP
from anygate.dialects.envoy_ai.normalise import Normal, NormalBackend
from anygate.manifests.kind import Kind


@dataclass(frozen=True)
class Attachment:
    """A policy of a backend, and the reference that attaches it: in the policy, or in the backend."""

    policy: Normal[BackendSecurityPolicySpec]
    kind: Kind
    path: FieldPath


@dataclass(frozen=True)
class Attachments:
    """The policy of each backend and pool, and those that have several and so get none."""

    policies: Mapping[ObjectRef, Attachment]
    conflicts: Mapping[ObjectRef, tuple[Attachment, ...]]
    remarks: tuple[Diagnostic, ...]


def attach_policies(
    backends: Iterable[NormalBackend], policies: Iterable[Normal[BackendSecurityPolicySpec]]
) -> Attachments:
    """The policy of each backend and pool, whichever side names the other.

    A policy that a backend names and that does not exist attaches nothing: compare `NormalBackend.policy_name`.
    """
    known = {(policy.ref.namespace, policy.ref.name): policy for policy in policies}
    found: dict[ObjectRef, dict[str, Attachment]] = {}
    for (namespace, name), policy in sorted(known.items()):
        for index, target in enumerate(policy.spec.target_refs):
            ref = ObjectRef(target.group, target.kind, namespace, target.name)
            place = Attachment(policy, policy.kind, ("spec", "targetRefs", index))
            found.setdefault(ref, {}).setdefault(name, place)
    for backend in sorted(backends, key=lambda one: one.ref):
        named = known.get((backend.ref.namespace, backend.policy_name or ""))
        if named is not None:
            ref = ObjectRef(AI_GATEWAY_GROUP, "AIServiceBackend", backend.ref.namespace, backend.ref.name)
            place = Attachment(named, backend.kind, ("spec", "backendSecurityPolicyRef"))
            found.setdefault(ref, {}).setdefault(named.ref.name, place)
    report = Report()
    for ref, attached in found.items():
        if len(attached) > 1:
            _report_conflict(ref, attached, report)
    return Attachments(
        policies={ref: next(iter(attached.values())) for ref, attached in found.items() if len(attached) == 1},
        conflicts={ref: tuple(attached.values()) for ref, attached in found.items() if len(attached) > 1},
        remarks=report.diagnostics,
    )


def _report_conflict(ref: ObjectRef, attached: Mapping[str, Attachment], report: Report) -> None:
    """Report at each of the references."""
    message = f"multiple BackendSecurityPolicies found for {ref.kind} {ref.name}: [{' '.join(sorted(attached))}]"
    for name, one in attached.items():
        report.add(
            findings.POLICY_CONFLICT,
            message,
            one.kind.span(one.path),
            path=one.path,
            object=one.kind.ref,
            related=[
                Related(f"also named for {other}", place.kind.span(place.path))
                for other, place in attached.items()
                if other != name
            ],
        )
