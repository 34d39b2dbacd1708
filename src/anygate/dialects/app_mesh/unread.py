"""Fields that are accepted and have no effect on gateways, so that none is dropped in silence."""

from anygate.diagnostics import FieldPath
from anygate.dialects.app_mesh.context import Context, Member
from anygate.dialects.app_mesh.shape_findings import NOT_HONOURED, SIDECAR_ONLY

_NODE_FIELDS = {
    "backends": "backends",
    "backend_defaults": "backendDefaults",
    "backend_groups": "backendGroups",
    "logging": "logging",
    "pod_selector": "podSelector",
}


def note_unread(context: Context) -> None:
    """Name what has no effect in objects that no pass looks at as a whole."""
    for member in context.members["Mesh"]:
        if member.spec.mesh_owner is not None:
            text = "a mesh is not shared with other accounts here"
            context.note(NOT_HONOURED, text, member.kind, ("spec", "meshOwner"))
        _note_sidecar(context, member, ("spec", "egressFilter"), member.spec.egress_filter)
        if member.spec.service_discovery_type not in (None, "dns"):
            path: FieldPath = ("spec", "serviceDiscoveryType")
            context.note(NOT_HONOURED, "each node says how it is found", member.kind, path)
    for member in context.members["VirtualNode"]:
        for name, alias in _NODE_FIELDS.items():
            _note_sidecar(context, member, ("spec", alias), getattr(member.spec, name) or None)
        _note_node(context, member)
    for member in context.members["VirtualGateway"]:
        _note_sidecar(context, member, ("spec", "podSelector"), member.spec.pod_selector)
        for index, listener in enumerate(member.spec.listeners):
            if listener.health_check is not None:
                path = ("spec", "listeners", index, "healthCheck")
                context.note(NOT_HONOURED, "nothing in a mesh checks its gateways", member.kind, path)
    for member in context.members["BackendGroup"]:
        _note_sidecar(context, member, ("spec",), member.spec)


def _note_node(context: Context, member: Member) -> None:
    found = member.spec.service_discovery
    for name, alias in (("dns", "dns"), ("aws_cloud_map", "awsCloudMap"), ("cloud_map", "cloudMap")):
        part = getattr(found, name, None)
        if part is not None and part.ip_preference is not None:
            path: FieldPath = ("spec", "serviceDiscovery", alias, "ipPreference")
            context.note(NOT_HONOURED, "the preference of the mesh holds", member.kind, path)
    for index, listener in enumerate(member.spec.listeners):
        if listener.tls is not None:
            path = ("spec", "listeners", index, "tls")
            _note_sidecar(context, member, (*path, "certificate"), listener.tls.certificate)
            _note_sidecar(context, member, (*path, "validation"), listener.tls.validation)


def _note_sidecar(context: Context, member: Member, path: FieldPath, value: object) -> None:
    if value is not None:
        context.note(SIDECAR_ONLY, "it is for the proxy beside a workload, which does not run here", member.kind, path)
