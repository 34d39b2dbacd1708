"""The diagnostics about sidecars; each page is shown by `anygate rule ID`."""

from anygate.diagnostics import Rule, Severity
from anygate.dialects.app_mesh.examples import ALL, NODE_SPEC, join, render_node, render_object

_RUN = """
apiVersion: anygate.dev/v1alpha1
kind: AppMeshSettings
metadata: {name: all}
spec: {nodes: [{name: items}]}
"""
_SERVICE = """
provider: {virtualNode: {virtualNodeRef: {name: %s}}}
"""
_TCP = """
listeners:
- portMapping: {port: %d, protocol: tcp}
serviceDiscovery: {dns: {hostname: %s.default.svc.cluster.local}}
"""
_BACKENDS = """
backends:
- virtualService: {virtualServiceRef: {name: one}}
- virtualService: {virtualServiceRef: {name: two}}
"""


def _render_streams(port: int) -> str:
    """A mesh in which a node calls two services for bytes, one of them at this port."""
    return join(
        render_node(NODE_SPEC + _BACKENDS.strip("\n")),
        *(render_object("VirtualNode", name, _TCP % (at, name)) for name, at in (("one", 5432), ("two", port))),
        *(render_object("VirtualService", name, _SERVICE % name) for name in ("one", "two")),
        _RUN,
    )


EGRESS_PORT_TAKEN = Rule(
    "mesh-egress-port-taken",
    Severity.ERROR,
    what="Two backends of a node have the same port, and one of them speaks TCP.",
    why="Bytes have no host by which a sidecar could tell services apart; the second backend is left out.",
    wrong=_render_streams(5432),
    right=_render_streams(5433),
)

PASSED_ON = Rule(
    "mesh-passed-on",
    Severity.NOTE,
    what="The egress filter of a mesh lets workloads reach hosts that are none of their backends.",
    why="Nothing redirects here what leaves a workload: HTTP that it sends to its sidecar itself is passed on to the"
    " host that it names, and everything else takes its own way.",
    wrong=join(
        ALL.replace("namespaceSelector: {}", "namespaceSelector: {}\n  egressFilter: {type: ALLOW_ALL}", 1), _RUN
    ),
    right=join(ALL, _RUN),
)
