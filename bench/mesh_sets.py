"""App Mesh manifests of any size: per node a service, a router with five routes, and a route at two gateways each."""

MESH_PORT = 8080

_HEAD = """\
apiVersion: appmesh.k8s.aws/v1beta2
kind: Mesh
metadata: {{name: shop}}
spec: {{namespaceSelector: {{}}}}
---
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualGateway
metadata: {{name: paths}}
spec:
  namespaceSelector: {{}}
  gatewayRouteSelector: {{matchLabels: {{gateway: paths}}}}
  listeners: [{{portMapping: {{port: {port}, protocol: http}}}}]
---
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualGateway
metadata: {{name: hosts}}
spec:
  namespaceSelector: {{}}
  gatewayRouteSelector: {{matchLabels: {{gateway: hosts}}}}
  listeners: [{{portMapping: {{port: {other}, protocol: http}}}}]
"""
_NODE = """\
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualNode
metadata: {{name: shop-{number}}}
spec:
  listeners:
  - portMapping: {{port: 8080, protocol: http}}
    healthCheck: {{protocol: http, path: /health, healthyThreshold: 2, unhealthyThreshold: 2, intervalMillis: 5000, \
timeoutMillis: 2000}}
  serviceDiscovery: {{dns: {{hostname: shop-{number}.default.svc.cluster.local}}}}
---
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualService
metadata: {{name: shop-{number}}}
spec: {{provider: {{virtualRouter: {{virtualRouterRef: {{name: shop-{number}}}}}}}}}
---
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualRouter
metadata: {{name: shop-{number}}}
spec:
  listeners: [{{portMapping: {{port: 8080, protocol: http}}}}]
  routes:
{routes}---
apiVersion: appmesh.k8s.aws/v1beta2
kind: GatewayRoute
metadata: {{name: path-{number}, labels: {{gateway: paths}}}}
spec:
  httpRoute:
    match: {{prefix: /shop-{number}}}
    action:
      target: {{virtualService: {{virtualServiceRef: {{name: shop-{number}}}}}}}
      rewrite: {{prefix: {{defaultPrefix: ENABLED}}}}
---
apiVersion: appmesh.k8s.aws/v1beta2
kind: GatewayRoute
metadata: {{name: host-{number}, labels: {{gateway: hosts}}}}
spec:
  httpRoute:
    match: {{hostname: {{exact: shop-{number}.example.com}}}}
    action: {{target: {{virtualService: {{virtualServiceRef: {{name: shop-{number}}}}}}}}}
"""
_ROUTE = """\
  - name: {name}
    httpRoute:
      match: {match}
      action:
        weightedTargets:
        - {{virtualNodeRef: {{name: shop-{number}}}, weight: 90}}
        - {{virtualNodeRef: {{name: shop-{next}}}, weight: 10}}
"""
_MATCHES = {
    "health": "{path: {exact: /health}}",
    "canary": '{prefix: /api, headers: [{name: x-canary, match: {exact: "true"}}]}',
    "writes": "{prefix: /api, method: POST}",
    "api": "{prefix: /api}",
    "rest": "{prefix: /}",
}


def render_mesh(count: int, *, port: int = MESH_PORT) -> str:
    """Everything as the text of one file."""
    return "---\n".join((_HEAD.format(port=port, other=port + 1), *(_render_node(one, count) for one in range(count))))


def _render_node(number: int, count: int) -> str:
    routes = (
        _ROUTE.format(name=name, match=match, number=number, next=(number + 1) % count)
        for name, match in _MATCHES.items()
    )
    return _NODE.format(number=number, routes="".join(routes))
