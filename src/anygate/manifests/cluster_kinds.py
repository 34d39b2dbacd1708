"""Kinds that belong to no namespace. A fact of each API, needed before any dialect reads an object."""

_CLUSTER_KINDS = {
    "": ("Namespace", "Node", "PersistentVolume", "ComponentStatus"),
    "gateway.networking.k8s.io": ("GatewayClass",),
    "gateway.networking.x-k8s.io": ("XMesh",),
    "appmesh.k8s.aws": ("Mesh",),
    "apiextensions.k8s.io": ("CustomResourceDefinition",),
    "apiregistration.k8s.io": ("APIService",),
    "rbac.authorization.k8s.io": ("ClusterRole", "ClusterRoleBinding"),
    "admissionregistration.k8s.io": (
        "MutatingAdmissionPolicy",
        "MutatingAdmissionPolicyBinding",
        "MutatingWebhookConfiguration",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
    ),
    "certificates.k8s.io": ("CertificateSigningRequest", "ClusterTrustBundle"),
    "cert-manager.io": ("ClusterIssuer",),
    "external-secrets.io": ("ClusterExternalSecret", "ClusterSecretStore"),
    "flowcontrol.apiserver.k8s.io": ("FlowSchema", "PriorityLevelConfiguration"),
    "networking.k8s.io": ("IngressClass", "IPAddress", "ServiceCIDR"),
    "node.k8s.io": ("RuntimeClass",),
    "scheduling.k8s.io": ("PriorityClass",),
    "storage.k8s.io": ("CSIDriver", "CSINode", "StorageClass", "VolumeAttachment"),
    "apisix.apache.org": ("ApisixClusterConfig",),
}
_PAIRS = frozenset((group, kind) for group, kinds in _CLUSTER_KINDS.items() for kind in kinds)


def is_cluster_kind(group: str, kind: str) -> bool:
    """Whether objects of a kind have no namespace."""
    return (group, kind) in _PAIRS
