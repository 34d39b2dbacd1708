"""What of App Mesh's objects is about more than its gateways, and so has no part in a conversion of them."""

from collections.abc import Iterable, Iterator

from anygate.diagnostics import FieldPath, Rule, Severity
from anygate.dialects.app_mesh.examples import ALL, GATEWAY, NODE, ROUTE, SERVICE, join, render_object
from anygate.manifests.object import Manifest

LEFT_BEHIND = Rule(
    "convert-mesh",
    Severity.WARNING,
    what="A setting of the mesh itself has no part in the conversion of its gateways.",
    why="The Gateway API knows no mesh: what was between its members is up to NetworkPolicies or another mesh.",
    wrong=join(
        render_object("Mesh", "shop", "namespaceSelector: {}\negressFilter: {type: DROP_ALL}"),
        *(NODE, SERVICE, GATEWAY, ROUTE),
    ),
    right=ALL,
    external=True,
)

_GROUP = "appmesh.k8s.aws/"
_FIELDS: dict[str, tuple[tuple[str, str], ...]] = {
    "Mesh": (("egressFilter", "where members may send requests is up to NetworkPolicies"),),
    "VirtualNode": (
        ("backends", "what a node may call is not carried over: nothing stands in front of its calls"),
        ("backendGroups", "what a node may call is not carried over: nothing stands in front of its calls"),
        ("backendDefaults", "a node's own calls go without what stood here"),
        ("podSelector", "the Service in front of the pods selects them"),
        ("logging", "no proxy stands beside the pods any more that could log"),
    ),
    "VirtualGateway": (("podSelector", "the pods of the Gateway are made by its class"),),
    "BackendGroup": (("virtualservices", "what nodes may call is not carried over"),),
}


def find_left_behind(manifests: Iterable[Manifest]) -> Iterator[tuple[Manifest, FieldPath, str]]:
    """Every such field that is set, with a sentence."""
    for manifest in manifests:
        spec = manifest.value.get("spec") if manifest.api_version.startswith(_GROUP) else None
        if not isinstance(spec, dict):
            continue
        for name, sentence in _FIELDS.get(manifest.kind, ()):
            if spec.get(name):
                yield manifest, ("spec", name), sentence
