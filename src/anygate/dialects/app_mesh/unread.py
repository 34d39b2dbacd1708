"""Fields that are accepted and have no effect on gateways, so that none is dropped in silence."""

from anygate.diagnostics import FieldPath
from anygate.dialects.app_mesh.context import Context, Member
from anygate.dialects.app_mesh.shape_findings import NOT_HONOURED, SIDECAR_ONLY

_NODE_FIELDS = {
    "backends": "backends",
    "backend_defaults": "backendDefaults",
    "backend_groups": "backendGroups",
    "logging": "logging",
}


def note_unread(context: Context) -> None:
    """Name what has no effect in objects that no pass looks at as a whole."""
    for member in context.members["Mesh"]:
        if member.spec.mesh_owner is not None:
            text = "a mesh is not shared with other accounts here"
            context.note(NOT_HONOURED, text, member.kind, ("spec", "meshOwner"))
        if not any(context.meshes[node.ref] is member for node in context.sidecars.values()):
            _note_sidecar(context, member, ("spec", "egressFilter"), member.spec.egress_filter)
        if member.spec.service_discovery_type not in (None, "dns"):
            path: FieldPath = ("spec", "serviceDiscoveryType")
            context.note(NOT_HONOURED, "each node says how it is found", member.kind, path)
    for member in context.members["VirtualNode"]:
        _note_pods(context, member)
        if member.ref not in context.sidecars:
            _note_node(context, member)
    for member in context.members["VirtualGateway"]:
        _note_pods(context, member)
        for index, listener in enumerate(member.spec.listeners):
            if listener.health_check is not None:
                path = ("spec", "listeners", index, "healthCheck")
                context.note(NOT_HONOURED, "nothing in a mesh checks its gateways", member.kind, path)
    for member in context.members["BackendGroup"]:
        if member.ref not in context.used_groups:
            _note_sidecar(context, member, ("spec",), member.spec)


def _note_pods(context: Context, member: Member) -> None:
    discovery = getattr(member.spec, "service_discovery", None)
    # Nodes of Cloud Map are found by it.
    if member.spec.pod_selector is not None and (discovery is None or discovery.registry is None):
        context.note(SIDECAR_ONLY, "there are no pods here to select", member.kind, ("spec", "podSelector"))


def _note_node(context: Context, member: Member) -> None:
    for name, alias in _NODE_FIELDS.items():
        _note_sidecar(context, member, ("spec", alias), getattr(member.spec, name) or None)
    for index, listener in enumerate(member.spec.listeners):
        if listener.tls is not None:
            path = ("spec", "listeners", index, "tls")
            _note_sidecar(context, member, (*path, "certificate"), listener.tls.certificate)
            _note_sidecar(context, member, (*path, "validation"), listener.tls.validation)


def _note_sidecar(context: Context, member: Member, path: FieldPath, value: object) -> None:
    if value is not None:
        context.note(SIDECAR_ONLY, "it is for the proxy beside a workload, which does not run here", member.kind, path)
