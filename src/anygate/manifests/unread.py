"""Objects that nothing reads: said aloud, so that no manifest is dropped silently."""

from collections.abc import Collection

from anygate.diagnostics import Report, Rule, Severity
from anygate.manifests.names import suggest_word
from anygate.manifests.object import Manifest

KIND_NOT_USED = Rule(
    id="kind-not-used",
    severity=Severity.NOTE,
    what="The object is of a known kind that does not shape traffic, such as a Deployment.",
    why="It is left out here; a cluster would still need it.",
    wrong="""
        apiVersion: v1
        kind: ServiceAccount
        metadata:
          name: shop
    """,
    right="""
        apiVersion: v1
        kind: Service
        metadata:
          name: shop
        spec:
          ports:
          - port: 80
    """,
)

UNKNOWN_KIND = Rule(
    id="unknown-kind",
    severity=Severity.ERROR,
    what="The API group is known, but it has no such kind, or the kind has no such version.",
    why="It is most likely a typo; the object would do nothing.",
    wrong="""
        apiVersion: v1
        kind: Servce
        metadata:
          name: shop
    """,
    right="""
        apiVersion: v1
        kind: Service
        metadata:
          name: shop
        spec:
          ports:
          - port: 80
    """,
)

KIND_NOT_SUPPORTED = Rule(
    id="kind-not-supported",
    severity=Severity.WARNING,
    what="The object belongs to an API that anygate does not know.",
    why="It may shape traffic in a cluster, and does nothing here.",
    wrong="""
        apiVersion: example.com/v1
        kind: TrafficWizard
        metadata:
          name: shop
    """,
    right="""
        apiVersion: v1
        kind: Service
        metadata:
          name: shop
        spec:
          ports:
          - port: 80
    """,
)

UNUSED_GROUPS = frozenset(
    (
        "acme.cert-manager.io",
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
        "apiregistration.k8s.io",
        "apps",
        "authentication.k8s.io",
        "authorization.k8s.io",
        "autoscaling",
        "autoscaling.k8s.io",
        "batch",
        "bitnami.com",
        "cert-manager.io",
        "certificates.k8s.io",
        "coordination.k8s.io",
        "events.k8s.io",
        "external-secrets.io",
        "flowcontrol.apiserver.k8s.io",
        "helm.toolkit.fluxcd.io",
        "karpenter.sh",
        "keda.sh",
        "kustomize.config.k8s.io",
        "kustomize.toolkit.fluxcd.io",
        "metrics.k8s.io",
        "monitoring.coreos.com",
        "node.k8s.io",
        "policy",
        "rbac.authorization.k8s.io",
        "resource.k8s.io",
        "scheduling.k8s.io",
        "serving.kserve.io",
        "snapshot.storage.k8s.io",
        "source.toolkit.fluxcd.io",
        "storage.k8s.io",
    )
)
"""API groups none of whose kinds shape traffic here."""

UNUSED_KINDS = frozenset(
    (
        *(
            ("", kind)
            for kind in (
                "Binding",
                "Event",
                "LimitRange",
                "Node",
                "PersistentVolume",
                "PersistentVolumeClaim",
                "Pod",
                "PodTemplate",
                "ReplicationController",
                "ResourceQuota",
                "ServiceAccount",
            )
        ),
        # What only an endpoint picker reads.
        *(
            (group, kind)
            for group in ("inference.networking.k8s.io", "inference.networking.x-k8s.io")
            for kind in ("InferenceModel", "InferenceModelRewrite", "InferenceObjective", "InferencePoolImport")
        ),
        ("networking.k8s.io", "NetworkPolicy"),
        ("networking.k8s.io", "IPAddress"),
        ("networking.k8s.io", "ServiceCIDR"),
    )
)
"""Kinds that do not shape traffic here, of groups that have others which do."""


def check_unread(manifest: Manifest, known_kinds: Collection[tuple[str, str]], report: Report) -> None:
    """Report an object whose apiVersion and kind are not among `known_kinds`; pass over the others."""
    group, kind = manifest.group, manifest.kind
    if (manifest.api_version, kind) in known_kinds:
        return
    if group in UNUSED_GROUPS or (group, kind) in UNUSED_KINDS:
        message = f"{kind} does not shape traffic and is not used"
        report.add(KIND_NOT_USED, message, manifest.span(("kind",)), object=manifest.ref)
        return
    own = [(version, name) for version, name in known_kinds if _group(version) == group]
    if not own:
        known = sorted({version for version, name in known_kinds if name == kind})
        hint = f'did you mean apiVersion "{known[-1]}"?' if known else ""
        message = f"{kind} of {manifest.api_version} is not supported and is not used"
        report.add(KIND_NOT_SUPPORTED, message, manifest.span(("kind",)), object=manifest.ref, hint=hint)
        return
    versions = sorted(version for version, name in own if name == kind)
    if versions:
        message = f'unknown version "{manifest.version}" of {kind}'
        hint = f"use {' or '.join(versions)}"
        report.add(UNKNOWN_KIND, message, manifest.span(("apiVersion",)), object=manifest.ref, hint=hint)
        return
    names = sorted({name for _, name in own} | {name for owner, name in UNUSED_KINDS if owner == group})
    message = f'unknown kind "{kind}" in {group or "the core group"}'
    report.add(
        UNKNOWN_KIND,
        message,
        manifest.span(("kind",)),
        object=manifest.ref,
        hint=suggest_word(kind, names),
    )


def _group(api_version: str) -> str:
    return api_version.rpartition("/")[0]
