"""The starting manifests of this dialect's kinds."""

from importlib.resources import files

from anygate.dialects.template import Template

_FILES = files("anygate.dialects.app_mesh") / "templates"
_NAME = "${name}"

TEMPLATES = (
    Template("Mesh", "the boundary of a mesh (App Mesh)", _FILES / "mesh.yaml", namespaced=False),
    Template(
        "VirtualGateway",
        "where traffic enters a mesh: ports and protocols (App Mesh)",
        _FILES / "virtualgateway.yaml",
        ("vgw",),
        options={"port": "8080"},
    ),
    Template(
        "GatewayRoute",
        "requests of a VirtualGateway to a VirtualService (App Mesh)",
        _FILES / "gatewayroute.yaml",
        options={"service": _NAME, "path": "/", "hostname": "shop.example.com"},
    ),
    Template(
        "VirtualService",
        "a name in a mesh, and who is behind it (App Mesh)",
        _FILES / "virtualservice.yaml",
        ("vs",),
        options={"backend": _NAME},
        parts=("node", "router"),
        default_part="node",
    ),
    Template(
        "VirtualRouter",
        "requests for a VirtualService to VirtualNodes (App Mesh)",
        _FILES / "virtualrouter.yaml",
        ("vr",),
        options={"backend": _NAME, "port": "8080"},
        derived={"other": "${backend}-v2"},
        parts=("single", "canary"),
        default_part="single",
    ),
    Template(
        "VirtualNode",
        "a workload of a mesh: its ports and where it is (App Mesh)",
        _FILES / "virtualnode.yaml",
        ("vn",),
        options={"port": "8080", "hostname": "${name}.${namespace}.svc.cluster.local"},
        parts=("dns", "cloud-map"),
        default_part="dns",
    ),
)
"""Every template, in the order in which `new` lists them."""
